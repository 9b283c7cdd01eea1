"""A budget counts what belongs to it, warns once, ends the work with all of it kept, and lets it go on once it is raised."""

import dataclasses
import os
import signal
from pathlib import Path

import pytest

from stages.accounting.booking import Booking
from stages.accounting.budget import Purse, reached, warned
from stages.accounting.ledger import Ledger
from stages.accounting.reading import reading
from stages.accounting.records import BookedPrice, Device, StepCost
from stages.params import Budget
from tests.accounting.booked import book
from tests.conftest import Project
from tests.test_faults import LONG, OUTS, attempts, first_step, step_of, wait_for_step

PRICE = BookedPrice(1.0, None, "on-demand", "2026-01-01", "test")


def budget(per: str, usd: float | None = 10.0, hours: float | None = None) -> Budget:
    return Budget.model_validate({"usd": usd, "hours": hours, "per": per, "warn_at": 0.5})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Attempts of an hour, a dollar each."""
    path = tmp_path / "ledger.db"
    book(path, identity="base", stage="base", run="old")  # made twice: the newest counts
    book(path, identity="base", stage="base", run="old")
    book(path, "killed", run="old")  # 'x', that the present attempt goes on from
    book(path, identity="x", run="old")  # a finished making of it, before
    book(path, "killed", run="older")
    book(path, "running", run="new", sweep="s")
    book(path, identity="sample", stage="sample@base", run="new", sweep="s")
    book(path, identity="other", run="trial", sweep="s", device=Device("GPU", 2))
    return path


@pytest.mark.parametrize(
    ("per", "sweep", "usd", "hours"),
    [("rung", None, 2, 2), ("run", None, 4, 4), ("sweep", "s", 4, 3), ("sweep", None, 4, 4)],
)
def test_whose_budget_it_is(path: Path, per: str, sweep: str | None, usd: float, hours: float) -> None:
    purse = Purse(budget(per), "new", sweep, "x", frozenset({"base"}))
    with reading(path) as reader:
        spent = purse.spent(reader, lambda device: PRICE)
    assert (spent.usd, spent.hours) == pytest.approx((usd, hours))


def test_a_correction_counts(path: Path) -> None:
    Ledger(path).correct(5, 7.0, "test")  # of the killed attempt that the present one goes on from
    with reading(path) as reader:
        spent = Purse(budget("rung"), "new", None, "x", frozenset()).spent(reader, lambda device: PRICE)
    assert (spent.usd, spent.hours) == pytest.approx((9, 2))


def test_soft_and_hard_limits(path: Path) -> None:
    with reading(path) as reader:
        spent = Purse(budget("run"), "new", None, "x", frozenset({"base"})).spent(reader, lambda device: PRICE)
    assert reached(spent, budget("run", 4.0)) is not None
    assert reached(spent, budget("run", 4.1)) is None
    assert warned(spent, budget("run", 8.0)) == "4 of the 8 usd that operations.budget allows a run are spent"
    assert warned(spent, budget("run", 8.1)) is None
    assert "operations.budget.hours: 3 a run, and 4 are spent" in str(reached(spent, budget("run", None, 3.0)))
    assert reached(spent, budget("run", None)) is None


def test_a_booking_warns_once_and_says_when_to_end(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = Ledger(path)
    attempt = ledger.start("train@16k")
    ledger.identify(attempt, "y", Device("GPU", 1), PRICE, {})
    booking = Booking(ledger, attempt, purse=Purse(budget("rung", 2.0), "this", None, "y", frozenset()))
    assert booking.took(StepCost(1)) is None
    book(path, "killed", identity="y")
    assert [booking.took(StepCost(step)) for step in (2, 3)] == [None, None]
    book(path, "killed", identity="y")
    assert "operations.budget.usd: 2 a rung" in str(booking.took(StepCost(4)))
    assert capsys.readouterr().err.count("warning") == 1
    booking.purse = dataclasses.replace(booking.purse, budget=budget("rung", None)) if booking.purse else None
    assert booking.took(StepCost(5)) is None


def test_a_rung_ends_at_its_budget_and_goes_on_to_the_same_bytes_once_it_is_raised(climbed: Project) -> None:
    climbed.set("rungs.r8k.steps", LONG)
    climbed.run("stages.train", "8k")
    expected = climbed.bytes_of(*OUTS)
    for file in expected:
        (climbed.root / file).unlink()
    climbed.set("operations.budget", {"usd": 5.0, "hours": None, "per": "rung", "warn_at": 0.8})
    climbed.set("operations.checkpoint_every_steps", 100_000)
    child = climbed.start("stages.train", "8k")
    wait_for_step(child, 2)
    os.kill(child.pid, signal.SIGSTOP)
    running = attempts(climbed, "train@8k")[-1]
    book(climbed.root / "runs/ledger.db", "killed", 6 * 3600.0, identity=running.identity)  # 6 dollars
    os.kill(child.pid, signal.SIGCONT)
    said, _ = child.communicate(timeout=60)
    assert child.returncode == 3, said
    assert "error: params.yaml: operations.budget.usd: 5 a rung" in said
    last = max(step_of(line) for line in said.splitlines() if line.startswith("~ train@8k "))
    ended = next(one for one in attempts(climbed, "train@8k") if one.id == running.id)
    assert (ended.status, ended.failure and ended.failure.cause) == ("killed", "budget")
    again = climbed.run("stages.train", "8k", check=False)
    assert again.returncode == 3
    assert "train@8k 1/" not in again.stderr
    climbed.set("operations.budget.usd", 1000.0)
    assert first_step(climbed.run("stages.train", "8k").stderr) == last + 1
    assert climbed.bytes_of(*OUTS) == expected


def test_a_run_that_is_projected_to_exceed_its_budget_is_asked_about(climbed: Project) -> None:
    for rung in ("8k", "16k", "24k"):  # the small ladder's two steps are too few to project from
        steps = [StepCost(step, sample_s=60.0, rollouts=48, sampled_tokens=48 * 4) for step in range(1, 7)]
        book(
            climbed.root / "runs/ledger.db", wall_s=400.0, stage=f"train@{rung}", identity=f"before-{rung}", steps=steps
        )
    climbed.set("operations.budget", {"usd": 0.001, "hours": None, "per": "run", "warn_at": 0.8})
    child = climbed.root / "flows/dvc_child.py"
    code = child.read_text()
    before = "    with _alone_at(stage):"
    assert before in code
    child.write_text(code.replace(before, f"    assert stage == 'cost'\n{before}"))
    assert climbed.run("flows").stderr.count("up to date") == 22  # all is there, and no process is begun for it
    child.write_text(code)
    climbed.set("seed", 1)
    refused = climbed.run("flows", check=False)
    assert refused.returncode == 3
    assert "operations.budget.usd: 0.001 a run, but it is projected to take" in refused.stderr
    assert "LADDER_OVER_BUDGET=1" in refused.stderr
    (booked,) = attempts(climbed, "ladder")
    assert (booked.failure and booked.failure.cause) == "budget"
    forced = climbed.run("stages.prepare", LADDER_OVER_BUDGET="1")
    assert forced.returncode == 0
    climbed.set("operations.prices", {"cpu-core": {"usd_per_hour": 1000.0, "source": "test"}})
    over = climbed.run("flows", check=False, LADDER_OVER_BUDGET="1")
    assert over.returncode == 3  # begun all the same, and ended by the hard limit
    assert "operations.budget.usd: 0.001 a run, and" in over.stderr
