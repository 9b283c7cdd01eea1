"""The bill is a calculator's: by phase and reason, to the cent, whatever happened to the attempts."""

import csv
import io
import json
from math import fsum
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.accounting.bill import Bill, Line, attempt_usd, make_bill
from stages.accounting.ledger import Ledger
from stages.accounting.reading import EVERYTHING, Scope, reading
from stages.accounting.records import BookedPrice, Device, Status, StepCost
from stages.accounting.statement import KEYS, as_csv
from tests.accounting.booked import book
from tests.conftest import Project

NOW = BookedPrice(4.0, None, "on-demand", "2026-01-01", "test")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def bill_of(path: Path, scope: Scope = EVERYTHING, known: BookedPrice | None = NOW, **identities: str) -> Bill:
    with reading(path) as reader:
        return make_bill(reader, scope, {"train@8k": "x"} | identities, lambda device: known)


def usd(lines: list[Line]) -> dict[str, float]:
    return {line.phase: line.usd or 0.0 for line in lines}


def test_dollars_by_hand(path: Path) -> None:
    book(path, wall_s=1800, device=Device("GPU", 4), usd_per_hour=2.0)
    book(path, wall_s=1800, usd_per_hour=1.0, usd_per_kwh=0.5, energy_j=7.2e6)  # 2 kWh
    book(path, wall_s=900, device=Device("GPU", 2), usd_per_hour=None)  # at the present price
    with reading(path) as reader:
        prices = [attempt.price or NOW for attempt in reader.attempts()]
        dollars = [attempt_usd(attempt, price) for attempt, price in zip(reader.attempts(), prices, strict=True)]
    assert dollars == pytest.approx([4.0, 1.5, 2.0])
    assert bill_of(path).total.usd == pytest.approx(7.5)
    assert bill_of(path).energy_kwh == pytest.approx(2.0)


STEP = StepCost(
    1, sample_s=100, grade_s=10, reference_s=40, update_s=160, save_s=20, idle_s=30,
    sampled_tokens=1000, zero_std_tokens=200, truncated_tokens=100,
    trained_tokens=500, trained_zero_std_tokens=50, trained_truncated_tokens=100,
    computed_tokens=1000, padding_tokens=200, skipped_share=0.5,
)  # fmt: skip


def test_what_was_wasted_by_hand(path: Path) -> None:
    book(path, wall_s=400, steps=[STEP], usd_per_hour=3600)  # a dollar a second
    bill = bill_of(path)
    by_phase = {line.phase: line for line in bill.lines}
    assert usd(bill.lines) == pytest.approx(
        {"sample": 100, "grade": 10, "reference": 40, "update": 160, "save": 20, "idle": 30, "setup": 40}
    )
    assert by_phase["sample"].wasted == pytest.approx({"zero_std": 20, "truncated": 10})
    # Half of the updates were skipped; of the other half a fifth is padding; the tokens share the rest.
    assert by_phase["update"].wasted == pytest.approx(
        {"skipped": 80, "padding": 16, "zero_std": 0.1 * 64, "truncated": 0.2 * 64}
    )
    assert by_phase["reference"].wasted == pytest.approx(
        {"skipped": 20, "padding": 4, "zero_std": 0.1 * 16, "truncated": 0.2 * 16}
    )
    assert by_phase["idle"].wasted == pytest.approx({"idle": 30})
    assert not by_phase["grade"].wasted
    assert bill.total.useful_usd == pytest.approx(400 - 20 - 10 - 115.2 - 28.8 - 30)
    assert bill.total.wasted_usd == pytest.approx(sum(bill.wasted_by_reason().values()))


def steps(*numbers: int) -> list[StepCost]:
    return [StepCost(number, sample_s=10.0, trained_tokens=100, computed_tokens=100) for number in numbers]


def test_of_a_killed_attempt_the_steps_count_that_somebody_went_on_from(path: Path) -> None:
    killed = book(path, "killed", 100, steps=steps(1, 2, 3, 4, 5, 6), usd_per_hour=3600)
    crashed = book(path, "failed", 5, usd_per_hour=3600)
    again = book(path, "killed", 50, steps=steps(5, 6, 7), usd_per_hour=3600)  # from the checkpoint of step 4
    done = book(path, wall_s=60, steps=steps(7, 8), usd_per_hour=3600)  # from that of step 6
    bill = bill_of(path)
    wasted = {
        attempt: fsum(line.wasted_usd for line in bill.lines if line.attempt == attempt) for attempt in (1, 2, 3, 4)
    }
    assert wasted == pytest.approx({killed: 100 - 40, crashed: 5, again: 50 - 20, done: 0})
    assert bill.made.usd == bill.total.usd == pytest.approx(215)
    assert bill.trained_tokens == {"train@8k": 800}


def test_a_runs_bill_knows_that_another_run_went_on_from_it(path: Path) -> None:
    killed = book(path, "killed", 100, identity="old", steps=steps(1, 2, 3, 4), usd_per_hour=3600, run="first")
    book(path, wall_s=60, identity="old", steps=steps(3, 4, 5), usd_per_hour=3600, run="second")
    bill = bill_of(path, Scope(run="first"))
    assert {line.attempt for line in bill.lines} == {killed}
    assert (bill.total.usd, bill.total.wasted_usd) == pytest.approx((100, 80))


def test_nobody_went_on_from_it_and_all_is_wasted(path: Path) -> None:
    book(path, wall_s=90, steps=steps(1, 2), usd_per_hour=3600)
    book(path, "killed", 100, steps=steps(1, 2, 3), usd_per_hour=3600)
    book(path, "pruned", 30, identity="other", steps=steps(1), usd_per_hour=3600)
    book(path, wall_s=20, identity="third", usd_per_hour=3600)
    bill = bill_of(path)
    assert bill.wasted_by_reason() == pytest.approx({"killed": 100, "pruned": 30})
    assert bill.made.usd == pytest.approx(90)  # what came after the result did not make it


def test_a_finished_attempt_from_the_first_step_repeats_all(path: Path) -> None:
    book(path, "killed", 40, steps=steps(1, 2), usd_per_hour=3600)
    book(path, wall_s=40, steps=steps(1, 2, 3), usd_per_hour=3600)
    assert bill_of(path).total.wasted_usd == pytest.approx(40)


def test_one_that_was_killed_after_its_last_step_is_gone_on_from(path: Path) -> None:
    book(path, "killed", 40, steps=steps(1, 2, 3), usd_per_hour=3600)
    book(path, wall_s=10, usd_per_hour=3600)  # only wrote what was there
    assert bill_of(path).total.wasted_usd == pytest.approx(10)


def test_what_came_from_the_cache_costs_nothing_here_beside_what_it_took_to_make(path: Path) -> None:
    book(path, wall_s=3600, run="first", workspace="there")
    book(path, wall_s=60, stage="base", identity="b", run="second", workspace="here")
    bill = bill_of(path, Scope(workspace="here"), base="b", prepare="nobody")
    found = {result.stage: (result.made and result.made.usd, result.here.usd) for result in bill.results}
    assert found == {"train@8k": (1.0, 0.0), "base": (1 / 60, 1 / 60), "prepare": (None, 0.0)}
    assert bill.unknown == ["prepare"]
    assert bill.total.attempts == 1
    assert bill_of(path, Scope(run="first")).total.usd == pytest.approx(1.0)


def test_another_workspaces_attempts_lead_to_no_result_here(path: Path) -> None:
    led = book(path, "killed", 100, steps=steps(*range(1, 11)), workspace="one", usd_per_hour=3600)
    other = book(path, "killed", 150, steps=steps(*range(1, 16)), workspace="two", usd_per_hour=3600)
    book(path, wall_s=100, steps=steps(*range(11, 21)), workspace="one", usd_per_hour=3600)
    bill = bill_of(path)
    assert bill.made.usd == pytest.approx(200)
    wasted = {
        attempt: fsum(line.wasted_usd for line in bill.lines if line.attempt == attempt) for attempt in (led, other)
    }
    assert wasted == pytest.approx({led: 0, other: 150})


def test_an_unpriced_device_is_no_free_device_and_breaks_no_bill(path: Path) -> None:
    book(path, "failed", 60, device=Device("TPU", 1), usd_per_hour=None)
    book(path, wall_s=3600, usd_per_hour=2.0)
    bill = bill_of(path, known=None)
    assert (bill.total.usd, bill.total.unpriced, bill.unpriced_devices) == (2.0, 1, ["TPU"])
    assert [line.usd for line in bill.lines if line.device == "TPU"] == [None]


def test_a_correction_is_a_line_of_its_own(path: Path) -> None:
    good, bad = book(path), book(path, "failed", identity="other")
    ledger = Ledger(path)
    ledger.correct(good, -0.25, "refunded")
    ledger.correct(bad, 0.5, "the vendor's minimum")
    bill = bill_of(path)
    assert [(line.attempt, line.phase, line.usd) for line in bill.lines if not line.seconds] == [
        (good, "correction", -0.25), (bad, "correction", 0.5),
    ]  # fmt: skip
    assert bill.total.usd == pytest.approx(2.25)
    assert bill.total.wasted_usd == pytest.approx(1.5)
    assert [one.why for one in bill.corrections] == ["refunded", "the vendor's minimum"]


SECONDS = st.floats(0, 1e5, allow_subnormal=False)
TOKENS = st.integers(0, 10**9)


@st.composite
def step_costs(draw: st.DrawFn) -> list[StepCost]:
    first, count = draw(st.integers(1, 5)), draw(st.integers(0, 4))
    drawn = []
    for step in range(first, first + count):
        sampled, trained, computed = draw(TOKENS), draw(TOKENS), draw(TOKENS)
        drawn.append(
            StepCost(
                step, *(draw(SECONDS) for _ in range(6)),
                sampled_tokens=sampled, zero_std_tokens=sampled // 3, truncated_tokens=sampled // 4,
                trained_tokens=trained, trained_zero_std_tokens=trained // 2, trained_truncated_tokens=trained // 5,
                computed_tokens=computed, padding_tokens=computed // 7, skipped_share=draw(st.floats(0, 1)),
            )
        )  # fmt: skip
    return drawn


ATTEMPTS = st.lists(
    st.tuples(
        st.sampled_from(["running", "done", "failed", "killed", "pruned"]), SECONDS, st.sampled_from("xyz"), step_costs(),
        st.floats(0.001, 100), st.integers(1, 64),
    ),
    max_size=8,
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(ATTEMPTS)
def test_the_bill_adds_up_to_the_cent_whatever_happened(
    tmp_path_factory: pytest.TempPathFactory, attempts: list[tuple[Status, float, str, list[StepCost], float, int]]
) -> None:
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    expected = []
    for status, wall_s, identity, taken, price, count in attempts:
        book(path, status, wall_s, identity=identity, steps=taken, usd_per_hour=price, device=Device("GPU", count))
        expected.append(wall_s / 3600 * count * price)
    bill = bill_of(path)
    cent = 0.01 + 1e-12 * fsum(expected)
    assert abs(bill.total.usd - fsum(expected)) < cent
    assert abs(bill.total.usd - fsum(line.usd or 0.0 for line in bill.lines)) < cent
    assert abs(bill.total.useful_usd + bill.total.wasted_usd - bill.total.usd) < cent
    for key in KEYS.values():
        assert abs(fsum(spend.usd for spend in bill.by(key).values()) - bill.total.usd) < cent
    for line in bill.lines:
        assert -cent < line.wasted_usd < (line.usd or 0.0) + cent
        assert all(part >= -1e-9 for part in line.wasted.values())
    rows = list(csv.DictReader(io.StringIO(as_csv(bill))))
    assert abs(fsum(float(row["usd"]) for row in rows) - bill.total.usd) < cent


def test_the_command_prints_the_same_as_table_csv_and_json(climbed: Project) -> None:
    told = json.loads(climbed.run("stages.accounting", "bill", "--json").stdout)
    rows = list(csv.DictReader(io.StringIO(climbed.run("stages.accounting", "bill", "--csv").stdout)))
    table = climbed.run("stages.accounting", "bill").stdout
    assert told["total_usd"] == pytest.approx(told["useful_usd"] + told["wasted_usd"])
    assert told["total_usd"] == pytest.approx(fsum(row["usd"] for row in told["rows"]))
    assert [float(row["usd"]) for row in rows] == [row["usd"] for row in told["rows"]]
    assert {(row["usd_per_hour"], row["market"]) for row in rows} == {("0.0408", "on-demand")}
    assert {"attempt", "run", "stage", "phase", "state", "device", "seconds", "usd"} <= told["rows"][0].keys()
    assert {row["phase"] for row in told["rows"]} >= {"work", "sample", "grade", "reference", "update", "save", "setup"}
    assert len({row["run"] for row in told["rows"]}) == 1
    assert "wasted on" in table
    assert "cpu-core" in table
    last = json.loads(climbed.run("stages.accounting", "bill", "--run", "last", "--json").stdout)
    assert last["total_usd"] == told["total_usd"]
    none = json.loads(climbed.run("stages.accounting", "bill", "--since", "2100-01-01", "--json").stdout)
    assert (none["total_usd"], none["rows"]) == (0.0, [])
    for wrong in (("--run", "nobody"), ("--since", "yesterday")):
        refused = climbed.run("stages.accounting", "bill", *wrong, check=False)
        assert refused.returncode == 2
        assert wrong[1] in refused.stderr
    attempt = str(told["rows"][0]["attempt"])
    for wrong in (("--why", " "), ("--why", "x", "--usd", "nan")):
        assert climbed.run("stages.accounting", "correct", attempt, "--usd", "1", *wrong, check=False).returncode == 2
    climbed.run("stages.accounting", "correct", attempt, "--usd", "-1.5", "--why", "refunded")
    assert f"correction of attempt {attempt}: -1.50 (refunded)" in climbed.run("stages.accounting", "bill").stdout
    after = json.loads(climbed.run("stages.accounting", "bill", "--json").stdout)
    assert after["total_usd"] == pytest.approx(told["total_usd"] - 1.5)
    assert climbed.run("stages.accounting", "check").stdout == "runs/ledger.db: whole\n"


def test_nothing_is_booked_on_a_device_without_a_price(project: Project) -> None:
    project.set("operations.market", "nowhere")
    refused = project.run("stages.prepare", check=False)
    assert refused.returncode == 2
    assert "operations.market: 'nowhere'" in refused.stderr
    (failed,) = Ledger(project.root / "runs/ledger.db").read.attempts()
    assert (failed.status, failed.identity, failed.price) == ("failed", "", None)
    said = project.run("stages.accounting", "bill").stdout
    assert "not in these dollars: 1 attempt(s) without a price, on 'cpu-core'" in said
    project.set("operations.prices", {"cpu-core": {"usd_per_hour": 0.5, "source": "test"}})
    project.run("stages.prepare")
    booked = Ledger(project.root / "runs/ledger.db").read.attempts()[-1].price
    assert booked == BookedPrice(0.5, None, "own", "undated", "test")
