"""The price list: which row counts, the user's own price, and what is said of every row that is wrong."""

import datetime
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.accounting.prices import OWN, PriceList, read_prices
from stages.errors import LadderError
from stages.params import OwnPrice, load_params, parse_yaml
from tests.conftest import CHECKOUT, read_yaml, write_yaml

LIST = """
currency: USD
electricity: {usd_per_kwh: 0.3, date: 2026-01-01, source: the utility}
carbon: null
devices:
  - device: GPU
    also: [GPU SXM]
    hardware: {watts: 400, peak_tflops_bf16: 312, memory_gb: 80, memory_gb_per_s: 2039, source: the maker}
    prices:
      - {market: on-demand, usd_per_hour: 2.0, energy_included: true, date: 2026-03-01, source: newer}
      - {market: on-demand, usd_per_hour: 9.0, energy_included: true, date: 2025-12-31, source: older}
      - {market: owned, usd_per_hour: 0.5, energy_included: false, date: 2026-01-01, source: the books}
"""


def prices(tmp_path: Path, text: str = LIST) -> PriceList:
    (tmp_path / "prices.yaml").write_text(text)
    return read_prices(tmp_path / "prices.yaml")


def test_the_newest_price_of_the_market_counts_by_any_name(tmp_path: Path) -> None:
    for name in ("GPU", "GPU SXM"):
        price = prices(tmp_path).price_of(name, "on-demand", {})
        assert (price.device, price.usd_per_hour, price.source, price.usd_per_kwh) == (name, 2.0, "newer", None)
        assert (price.date, price.watts, price.memory_gb) == (datetime.date(2026, 3, 1), 400, 80)


def test_energy_that_comes_on_top_has_its_price(tmp_path: Path) -> None:
    assert prices(tmp_path).price_of("GPU", "owned", {}).usd_per_kwh == 0.3


def test_the_users_own_price_comes_first_and_keeps_what_the_list_knows(tmp_path: Path) -> None:
    own = {"GPU": OwnPrice(usd_per_hour=1.5, source="contract"), "TPU": OwnPrice(usd_per_hour=4.0, source="contract")}
    listed = prices(tmp_path)
    for name in ("GPU", "GPU SXM"):
        price = listed.price_of(name, "nowhere", own)
        assert (price.usd_per_hour, price.market, price.source, price.watts) == (1.5, OWN, "contract", 400)
    assert listed.price_of("TPU", "on-demand", own).watts is None
    assert {name: price.usd_per_hour for name, price in listed.on_market("owned", {}).items()} == {
        "GPU": 0.5,
        "GPU SXM": 0.5,
    }
    assert set(listed.on_market("nowhere", own)) == {"GPU", "TPU"}


def test_another_market_is_told_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(LadderError, match=r"operations\.market: 'spot', but .* has 'GPU' on on-demand, owned alone"):
        prices(tmp_path).price_of("GPU", "spot", {})


def test_the_lines_that_an_unknown_device_asks_for_give_it_a_price(tmp_path: Path) -> None:
    name = 'NVIDIA "X": 1 #2'
    with pytest.raises(LadderError) as told:
        prices(tmp_path).price_of(name, "on-demand", {})
    assert f"no price for {name!r}" in str(told.value)
    row, own = (line.replace("DOLLARS", "3.5") for line in re.findall("`(.+?)`", str(told.value)))
    assert prices(tmp_path, LIST + row).price_of(name, "on-demand", {}).usd_per_hour == 3.5
    mine = {device: OwnPrice(**price) for device, price in parse_yaml(own).items()}
    assert prices(tmp_path).price_of(name, "on-demand", mine).usd_per_hour == 3.5


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("usd_per_hour: 9.0", "usd_per_hour: 0.0", r"devices\.0 \(GPU\)\.prices\.1\.usd_per_hour: 0\.0 is refused"),
        ("usd_per_hour: 9.0", "usd_per_hour: '9'", r"prices\.1\.usd_per_hour: '9' is refused"),
        ("usd_per_hour: 9.0", "usd_per_hour: .inf", r"prices\.1\.usd_per_hour: inf is refused"),
        ("date: 2025-12-31", "date: last year", r"prices\.1\.date: 'last year' is refused"),
        (", source: older", "", r"prices\.1\.source: missing; add it"),
        ("source: older", "source: ''", r"prices\.1\.source: '' is refused"),
        ("market: owned", "market: My Own", r"prices\.2\.market: 'My Own' is refused"),
        ("watts: 400", "watts: -1", r"devices\.0 \(GPU\)\.hardware\.watts: -1 is refused"),
        ("currency: USD", "currency: EUR", "currency: 'EUR' is refused"),
        ("carbon: null", "coal: null", "coal: unknown key .*carbon: missing|carbon: missing.*coal: unknown key"),
        ("2025-12-31", "2026-03-01", r"devices\.0 \(GPU\): prices: two of market 'on-demand' on 2026-03-01"),
        ("[GPU SXM]", "[GPU]", "devices: 'GPU' is there twice"),
        ("electricity: {", "electricity: null #", "electricity: null, but a price of 'GPU' does not include its energy"),
        ("devices:", "devices: [", "not YAML"),
    ],
)  # fmt: skip
def test_a_wrong_row_is_told_by_its_device_and_field(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in LIST
    with pytest.raises(LadderError, match=rf"prices\.yaml: .*({said})"):
        prices(tmp_path, LIST.replace(old, new))


def test_a_list_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(LadderError, match="missing; `git checkout"):
        read_prices(tmp_path / "prices.yaml")


def test_our_list_prices_what_our_profiles_run_on() -> None:
    listed = read_prices(CHECKOUT / "prices.yaml")
    gpus = {"mini": None, "smollm2": "NVIDIA H100 80GB HBM3", "deepscaler": "NVIDIA A100-SXM4-80GB"}
    for profile, gpu in gpus.items():
        operations = load_params(CHECKOUT / f"profiles/{profile}.yaml").operations
        for device in ("cpu-core", gpu):
            if device is not None:
                price = listed.price_of(device, operations.market, operations.prices)
                assert price.watts is not None
    assert round(3800 * listed.price_of("NVIDIA A100-SXM4-80GB", "release", {}).usd_per_hour, -2) == 4500


TEXT = st.from_regex(r"[A-Za-z0-9$é][A-Za-z0-9 ,.:;#'\"{}é-]{0,12}", fullmatch=True)
AMOUNT = st.floats(min_value=1e-6, max_value=1e6)
DATE = st.dates(min_value=datetime.date(2000, 1, 1))
OFFER = st.fixed_dictionaries(
    {
        "market": st.sampled_from(["spot", "owned"]),
        "usd_per_hour": AMOUNT,
        "energy_included": st.booleans(),
        "date": DATE,
        "source": TEXT,
    }
)
HARDWARE = st.none() | st.fixed_dictionaries(
    {key: st.none() | AMOUNT for key in ("watts", "peak_tflops_bf16", "memory_gb", "memory_gb_per_s")}
    | {"source": TEXT}
)
DEVICES = st.lists(
    st.fixed_dictionaries(
        {
            "device": TEXT,
            "also": st.just([]),
            "hardware": HARDWARE,
            "prices": st.lists(OFFER, min_size=1, max_size=4, unique_by=lambda offer: (offer["market"], offer["date"])),
        }
    ),
    max_size=3,
    unique_by=lambda row: row["device"],
)
LISTS = st.fixed_dictionaries(
    {
        "currency": st.just("USD"),
        "electricity": st.fixed_dictionaries({"usd_per_kwh": AMOUNT, "date": DATE, "source": TEXT}),
        "carbon": st.none() | st.fixed_dictionaries({"kg_per_kwh": AMOUNT, "date": DATE, "source": TEXT}),
        "devices": DEVICES,
    }
)


@settings(max_examples=60, deadline=None)
@given(LISTS)
def test_a_list_is_the_same_after_writing_and_reading(tmp_path_factory: pytest.TempPathFactory, values: Any) -> None:
    path = tmp_path_factory.mktemp("written") / "prices.yaml"
    write_yaml(path, values)
    listed = read_prices(path)
    assert listed.model_dump() == values
    write_yaml(path, listed.model_dump())
    assert read_prices(path) == listed
    for row in values["devices"]:
        for market in {offer["market"] for offer in row["prices"]}:
            newest = max(
                (offer for offer in row["prices"] if offer["market"] == market), key=lambda offer: offer["date"]
            )
            price = listed.price_of(row["device"], market, {})
            assert (price.usd_per_hour, price.date) == (newest["usd_per_hour"], newest["date"])
            assert (price.usd_per_kwh is None) == newest["energy_included"]


def test_no_stage_depends_on_prices() -> None:
    for stage in read_yaml(CHECKOUT / "dvc.yaml")["stages"].values():
        told = stage.get("do", stage)
        assert not [name for name in [*told.get("deps", []), *map(str, told.get("params", []))] if "price" in name]
