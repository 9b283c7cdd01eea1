"""What was spent, against sums by hand on a ledger that was booked here, and against the bill of a climbed ladder."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dashboards.load import spend
from dashboards.load.book import read_book
from dashboards.load.burn import against_the_budget, burned, limits
from dashboards.load.cost import makers_of
from stages.accounting.ledger import Ledger
from stages.accounting.reading import EVERYTHING, Scope, reading
from stages.accounting.records import BookedPrice, Device, StepCost
from stages.accounting.workspace import present_prices, recorded_identities
from stages.params import Budget
from tests.accounting.booked import book
from tests.conftest import Project
from tests.dashboards.runs import book_of, runs_of

HOUR = 3600.0


def nobody_knows(device: str) -> BookedPrice | None:
    return None


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """Attempt 1: an hour of two GPUs at $3, 10 steps' worth of work. 2: killed. 3: of an unknown price. 4: refunded."""
    path = tmp_path / "ledger.db"
    step = StepCost(1, sample_s=1800.0, update_s=1200.0, idle_s=300.0, sampled_tokens=100, zero_std_tokens=25)
    book(path, wall_s=HOUR, device=Device("GPU", 2), usd_per_hour=3.0, steps=[step], energy_j=7.2e6)
    book(path, "killed", wall_s=HOUR / 2, stage="train@16k", identity="y", started_at=5000.0)
    book(path, wall_s=HOUR, stage="base", identity="z", device=Device("TPU", 1), usd_per_hour=None, started_at=9000.0)
    book(path, wall_s=HOUR, stage="sample@8k", identity="s", usd_per_hour=2.0, started_at=20000.0)
    Ledger(path).correct(4, -0.5, "refunded")
    return path


def test_parts_add_up_to_sums_by_hand(ledger: Path) -> None:
    found = spend.parts(spend.read_spending(ledger, EVERYTHING, {}, nobody_knows))
    # 1: 2 GPUs x 1 h x $3 = 6, of which sampling half an hour: 3, a quarter of its tokens in groups that teach nothing.
    by = found.groupby(["attempt", "phase", "outcome"])["usd"].sum()
    assert by[1, "sample", "zero_std"] == pytest.approx(0.75)
    assert by[1, "sample", "useful"] == pytest.approx(2.25)
    assert by[1, "update", "useful"] == pytest.approx(2.0)
    assert by[1, "idle", "idle"] == pytest.approx(0.5)
    assert by[1, "setup", "useful"] == pytest.approx(0.5)
    assert by[2, "work", "killed"] == pytest.approx(0.5)
    assert by[4, "work", "useful"] == pytest.approx(2.0)
    assert by[4, "correction", "useful"] == pytest.approx(-0.5)
    assert found[found["attempt"] == 3]["usd"].isna().all()
    hours = found.groupby("attempt")["device_hours"].sum()
    assert hours.to_dict() == pytest.approx({1: 2.0, 2: 0.5, 3: 1.0, 4: 1.0})
    assert found["kwh"].sum() == pytest.approx(2.0)  # 7.2 MJ, all of attempt 1
    assert found[found["phase"] == "sample"]["kwh"].sum() == pytest.approx(1.0)


def test_groups_are_sums_of_the_parts(ledger: Path) -> None:
    found = spend.parts(spend.read_spending(ledger, EVERYTHING, {}, nobody_knows))
    by_rung = spend.grouped(found, "rung", "outcome", "dollars").set_index(["rung", "outcome"])["amount"]
    assert by_rung.to_dict() == pytest.approx(
        {("8k", "useful"): 6.25, ("8k", "zero_std"): 0.75, ("8k", "idle"): 0.5, ("16k", "killed"): 0.5}
    )
    by_state = spend.grouped(found, "state", "state", "device-hours").set_index("state")["amount"]
    assert by_state.to_dict() == pytest.approx({"done": 4.0, "killed": 0.5})
    assert spend.in_order("phase", ["work", "sample", "x"]) == ["sample", "work", "x"]


def test_a_flow_has_all_dollars_and_refunds_make_it_narrower(ledger: Path) -> None:
    found = spend.parts(spend.read_spending(ledger, EVERYTHING, {}, nobody_knows))
    leaves = spend.leaves(found, "all")
    amounts = {leaf.path[1:]: leaf.amount for leaf in leaves}
    assert sum(amounts.values()) == 8 * spend.UNITS_PER_USD  # 6 + 0.5 + (2 - 0.5)
    assert amounts["sample@8k", "work", "useful"] == 1.5 * spend.UNITS_PER_USD
    assert amounts["train@16k", "work", "killed"] == spend.UNITS_PER_USD / 2
    assert {leaf.kind for leaf in leaves if leaf.path[3] != "useful"} == {"wasted"}
    Ledger(ledger).correct(4, -2.0, "refunded more than it took")
    found = spend.parts(spend.read_spending(ledger, EVERYTHING, {}, nobody_knows))
    assert "sample@8k" not in {leaf.path[1] for leaf in spend.leaves(found, "all")}


def test_tables_of_attempts_prices_and_corrections(ledger: Path) -> None:
    spending = spend.read_spending(ledger, EVERYTHING, {}, nobody_knows)
    table = spend.attempts_table(spending).set_index("attempt")
    assert table.index.tolist() == [4, 3, 2, 1]
    assert table["usd"].to_dict() == pytest.approx({4: 1.5, 3: float("nan"), 2: 0.5, 1: 6.0}, nan_ok=True)
    assert table["wasted_usd"][2] == pytest.approx(0.5)
    assert table["started"][1] == pd.Timestamp(1000, unit="s", tz="UTC")
    prices = spend.prices_table(spending.bill)
    assert prices[["device", "dollars an hour", "attempts"]].values.tolist() == [
        ["GPU", 3.0, 1], ["cpu-core", 1.0, 1], ["cpu-core", 2.0, 1],
    ]  # fmt: skip
    assert spending.bill.unpriced_devices == ["TPU"]
    assert spend.corrections_table(spending.bill)[["attempt", "usd", "why"]].values.tolist() == [[4, -0.5, "refunded"]]


def test_scopes_of_time_and_of_a_result(ledger: Path) -> None:
    late = spend.read_spending(ledger, Scope(since=9000.0), {}, nobody_knows)
    assert [one.id for one in late.attempts] == [3, 4]
    book(ledger, "failed", identity="x", wall_s=1.0)  # after the result was there: it made nothing of it
    made = read_book(ledger, nobody_knows).makers(["x", "s", "nobody's"])
    assert {one.id for one in made} == {1, 4}
    scope = Scope(only=frozenset((1, 2, 4)))
    assert [one.id for one in spend.read_spending(ledger, scope, {}, nobody_knows).attempts] == [1, 2, 4]


def test_what_has_burned_until_when(ledger: Path) -> None:
    with reading(ledger) as reader:
        attempts, corrections = reader.attempts(), reader.corrections()
    burnt = burned(attempts, corrections, nobody_knows).set_index("time")
    assert burnt["usd"].iloc[0] == 0.0
    assert burnt["usd"][pd.Timestamp(4600, unit="s", tz="UTC")] == pytest.approx(6.0)
    assert burnt["usd"][pd.Timestamp(9000, unit="s", tz="UTC")] == pytest.approx(6.5)
    assert burnt["usd"][pd.Timestamp(23600, unit="s", tz="UTC")] == pytest.approx(8.5)
    assert burnt["usd"].iloc[-1] == pytest.approx(8.0)  # the correction came last
    assert burnt["hours"].iloc[-1] == pytest.approx(3.5)
    assert (burnt["hours"].diff().dropna() >= -1e-9).all()


def test_attempts_side_by_side_burn_together(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    book(path, wall_s=HOUR, started_at=0.0)
    book(path, wall_s=HOUR, started_at=HOUR / 2)
    with reading(path) as reader:
        burnt = burned(reader.attempts(), [], nobody_knows)
    assert burnt["usd"].tolist() == pytest.approx([0.0, 0.5, 1.5, 2.0])


def test_limits_are_those_that_are_set() -> None:
    assert limits(Budget(usd=5.0, hours=None, per="run", warn_at=0.8)) == {"usd": (4.0, 5.0)}
    assert limits(Budget(usd=None, hours=None, per="run", warn_at=0.8)) == {}


def test_a_climbed_ladder_is_spent_as_its_bill_says(
    climbed_once: tuple[Project, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = climbed_once[0].root
    monkeypatch.chdir(root)
    path, identities = root / "runs/ledger.db", recorded_identities()
    spending = spend.read_spending(path, EVERYTHING, identities, present_prices())
    found = spend.parts(spending)
    assert found["usd"].sum() == pytest.approx(spending.bill.total.usd, rel=1e-9)
    assert found["kwh"].sum() == pytest.approx(spending.bill.energy_kwh, rel=1e-9)
    wasted = found[found["outcome"] != spend.USEFUL]
    assert wasted["usd"].sum() == pytest.approx(spending.bill.total.wasted_usd, rel=1e-9)
    flowing = sum(leaf.amount for leaf in spend.leaves(found, "all")) / spend.UNITS_PER_USD
    assert flowing == pytest.approx(spending.bill.total.usd, abs=1e-9)
    with reading(path) as reader:
        (counted,) = against_the_budget(Budget(usd=1.0, hours=None, per="run", warn_at=0.8), reader)
        rungs = against_the_budget(Budget(usd=1.0, hours=None, per="rung", warn_at=0.8), reader)
    made = makers_of(runs_of(root)["workspace"], book_of(root))
    assert {one.id for one in counted.attempts} == {one.id for one in made}
    assert [one.name for one in rungs] == ["train@8k", "train@16k", "train@24k"]
