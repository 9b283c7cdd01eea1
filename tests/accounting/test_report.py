"""The bill in the table and in reports/bill.json: what this ledger can't know is no zero."""

import json
from pathlib import Path

import pytest

from flows.report import ladder_table
from stages.accounting.bill import Bill, Line, Result, Spend
from stages.accounting.ledger import Ledger
from stages.accounting.records import BookedPrice, Device
from stages.accounting.unit_costs import UnitCosts
from stages.cost import bill_report
from stages.params import CHECKPOINTS, RUNGS, load_params
from tests.conftest import CHECKOUT, Project, write_yaml

PART = Spend(attempts=1, seconds=60.0, usd=0.5, wasted_usd=0.125, unpriced=0)
NOTHING = UnitCosts(None, None, {}, [])
STAGES = [
    "prepare",
    "base",
    *(f"{stage}@{rung}" for rung in RUNGS for stage in ("curriculum", "train")),
    *(f"{stage}@{name}" for name in CHECKPOINTS for stage in ("sample", "evaluate", "elsewhere")),
]


def bill_of(made: dict[str, Spend], here: Spend) -> Bill:
    """A bill with `here` as its one line."""
    usd = None if here.unpriced else here.usd
    line = Line(1, "run", "base", "work", "done", "TPU", 1, here.seconds, usd, {"killed": here.wasted_usd}, 0.0, None)
    results = [Result(stage, made.get(stage), PART) for stage in STAGES]
    return Bill([line], results, [], [], ["TPU"] if here.unpriced else [], 0.0, 0.0, 0.0, {})


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """The figures of a climbed ladder."""
    context = {"greedy": 0.5, "sampled": 0.4, "truncated": 0.1, "mean_length": 9.0}
    (tmp_path / "metrics/evaluation").mkdir(parents=True)
    (tmp_path / "metrics/train").mkdir()
    for name in CHECKPOINTS:
        (tmp_path / f"metrics/evaluation/{name}.json").write_text(json.dumps({"own": context, "full": context}))
    for name in RUNGS:
        (tmp_path / f"metrics/train/{name}.csv").write_text("step,reward,sampled_tokens\n1,0.5,2000\n")
    return tmp_path


def table(results: Path, bill: Bill) -> list[str]:
    return ladder_table(load_params(CHECKOUT / "params.yaml"), bill, results).splitlines()


def test_a_whole_bill_is_summed(results: Path) -> None:
    bill = bill_of(dict.fromkeys(STAGES, PART), PART)
    lines = table(results, bill)
    assert lines[2].endswith("|    5.00 |  2.5000 |")
    assert lines[-1].startswith("the whole ladder took 20.0 minutes of work and $10.0000 to make")
    assert bill_report(bill, NOTHING) == {
        "made_minutes": 20.0,
        "made_usd": 10.0,
        "spent_here_minutes": 1.0,
        "spent_here_usd": 0.5,
        "wasted_here_usd": 0.125,
        "energy_here_kwh": 0.0,
        "usd_per_accuracy_point": None,
        "usd_per_million_trained_tokens": None,
    }


def test_what_this_ledger_never_saw_is_said_and_not_free(results: Path) -> None:
    bill = bill_of({stage: PART for stage in STAGES if stage not in ("train@8k", "base")}, PART)
    lines = table(results, bill)
    assert [line.endswith("|       - |       - |") for line in lines[2:6]] == [True, True, False, False]
    assert lines[-1] == "the making of 2 of 20 stages is not in this ledger, nor in these figures: base, train@8k"
    assert "the whole ladder" not in lines[-2]
    report = bill_report(bill, NOTHING)
    assert (report["made_usd"], report["made_minutes"]) == (None, None)
    assert report["unknown_stages"] == ["base", "train@8k"]
    assert report["spent_here_usd"] == 0.5


def test_an_unpriced_making_has_minutes_and_no_dollars(results: Path) -> None:
    unpriced = Spend(attempts=1, seconds=60.0, usd=0.0, wasted_usd=0.0, unpriced=1)
    bill = bill_of(dict.fromkeys(STAGES, PART) | {"base": unpriced}, unpriced)
    lines = table(results, bill)
    assert lines[2].endswith("|    5.00 |       - |")
    assert "1 attempt(s) without a price, on 'TPU'" in lines[-1]
    report = bill_report(bill, NOTHING)
    assert (report["made_usd"], report["made_minutes"], report["unpriced_attempts"]) == (None, 20.0, 1)


def test_dvc_shows_a_bill_with_unknown_parts_and_a_broken_report_is_rewritten(project: Project) -> None:
    entry = {"cmd": "exec python -m stages.prepare", "deps": [], "outs": []}
    write_yaml(project.root / "dvc.lock", {"schema": "2.0", "stages": {"prepare": entry}})
    ledger = Ledger(project.root / "runs/ledger.db")
    price = BookedPrice(0.04, None, "own", "undated", "test")
    ledger.identify(ledger.start("base"), "other", Device("cpu-core", 1), price, {})
    report = project.root / "reports/bill.json"
    report.parent.mkdir(exist_ok=True)
    report.write_text("<<<<<<< HEAD\n")
    project.run("stages.cost")
    written = json.loads(report.read_bytes())
    assert (written["made_usd"], written["unknown_stages"]) == (None, ["prepare"])
    assert "not made in this ledger: prepare" in project.run("stages.accounting", "bill").stdout
    shown = json.loads(project.run("dvc", "metrics", "show", "--json").stdout)
    assert "spent_here_usd" in shown[""]["data"]["reports/bill.json"]["data"]
