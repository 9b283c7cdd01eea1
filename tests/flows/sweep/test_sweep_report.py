"""What a sweep found and cost, against figures worked out by hand."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from flows.overrides import with_overrides
from flows.sweep.apply import chosen
from flows.sweep.owners import this_process
from flows.sweep.report import importance, write_report
from flows.sweep.space import distributions
from flows.sweep.study import PARAMS_YAML, TRIAL_PLAN, Ended, ask, tell
from stages.accounting.records import StepCost
from stages.errors import LadderError
from stages.params import Params, Sweep, read_yaml
from tests.accounting.booked import book
from tests.conftest import CHECKOUT
from tests.flows.sweep.studied import studied, sweep_of
from tests.flows.sweep.test_sweep_study import complete

SETTINGS = read_yaml(CHECKOUT / "profiles/mini.yaml")


def steps(first: int, last: int) -> list[StepCost]:
    return [StepCost(step, update_s=1.0, sampled_tokens=10, trained_tokens=5) for step in range(first, last + 1)]


def make_trials(study: Any, sweep: Sweep, ends: list[Ended]) -> None:
    for ended in ends:
        trial = ask(study, sweep, distributions(sweep.space, SETTINGS), this_process())
        assert trial is not None
        params = with_overrides(CHECKOUT / "profiles/mini.yaml", trial.params)
        trial.set_user_attr(PARAMS_YAML, params.decode())
        trial.set_user_attr(TRIAL_PLAN, {"commit": "abc", "tree": "def", "code": "ghi"})
        tell(trial, ended, sweep)


def test_the_report_says_what_each_state_cost_and_what_pruning_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(CHECKOUT / "profiles/mini.yaml", "params.yaml")
    shutil.copy(CHECKOUT / "prices.yaml", "prices.yaml")
    ledger = tmp_path / "runs/ledger.db"
    sweep = sweep_of()
    params = Params.model_validate(SETTINGS | {"sweep": sweep.model_dump()})

    def booked(number: int, stage: str, status: Any, hours: float, *costs: StepCost) -> None:
        book(
            ledger,
            status,
            hours * 3600,
            stage,
            f"{number}{stage}",
            steps=costs,
            run=f"small-{number:04d}",
            sweep="small",
        )

    # Two finished ones: a step of 8k costs 30 and 60 cents, of 16k 10, of 24k 20. All rungs have 30 steps.
    for number, hours in ((0, 9.0), (1, 18.0)):
        booked(number, "train@8k", "done", hours, *steps(1, 30))
        booked(number, "train@16k", "done", 3.0, *steps(1, 30))
        booked(number, "train@24k", "done", 6.0, *steps(1, 30))
    booked(0, "base", "done", 1.0)
    booked(2, "train@8k", "killed", 1.0, *steps(1, 5))
    booked(2, "train@8k", "pruned", 1.0, *steps(5, 12))
    booked(3, "train@16k", "failed", 2.0, *steps(1, 10))  # its 8k was in DVC's cache
    booked(4, "train@8k", "failed", 0.5)
    book(ledger, wall_s=3600.0, run="by hand")  # no trial's
    with studied(tmp_path, sweep) as study:
        ends = [
            complete(0.8, max_kl=0.1),
            complete(0.9, max_kl=0.2),
            Ended(TrialState.PRUNED, why="below the median"),
            Ended(TrialState.PRUNED, why="guards.max_kl", guard=True),
            Ended(TrialState.FAIL, why="no disk"),
        ]
        make_trials(study, sweep, ends)
        write_report(study, params)
    report = json.loads(Path("reports/sweep.json").read_bytes())
    costs = {state: (part["trials"], part["usd"]) for state, part in report["cost_by_state"].items()}
    assert costs == {
        "complete": (2, pytest.approx(46.0)),
        "pruned": (1, pytest.approx(2.0)),
        "diverged": (1, pytest.approx(2.0)),
        "failed": (1, pytest.approx(0.5)),
    }
    assert report["cost_by_state"]["pruned"]["sampled_tokens"] == 130  # 5 steps, then 8 with one made twice
    # Left: 18 steps of 8k at 0.45, 30 + 20 of 16k at 0.10, 30 + 30 of 24k at 0.20.
    saved = report["saved_by_pruning"]
    assert (saved["trials"], saved["steps"], saved["usd"]) == (2, 128, pytest.approx(18 * 0.45 + 50 * 0.1 + 60 * 0.2))
    assert report["best"] == [1, 0]
    assert report["pareto_front"] is None
    assert report["trials"][1]["values"] == {"accuracy": 0.9}
    assert [trial["state"] for trial in report["trials"]] == ["complete", "complete", "pruned", "diverged", "failed"]
    page = Path("reports/sweep.md").read_text()
    assert page.index("| 1 | 0.9000 | 0.2000 |") < page.index("| 0 | 0.8000 | 0.1000 |")
    assert "3 (kl_coef=" in page
    assert "guards.max_kl" in page


def test_importance_is_the_setting_that_moves_the_objective(tmp_path: Path) -> None:
    sweep = sweep_of(sampler="random")
    space = distributions(sweep.space, SETTINGS)
    with studied(tmp_path, sweep) as study:
        for _ in range(3):
            trial = ask(study, sweep, space, this_process())
            assert trial is not None
            tell(trial, complete(trial.params["grpo.clip_high"]), sweep)
        assert importance(study, sweep.objectives, sweep.seed) is None  # three say nothing
        for _ in range(20):
            trial = ask(study, sweep, space, this_process())
            assert trial is not None
            tell(trial, complete(trial.params["grpo.clip_high"]), sweep)
        found = importance(study, sweep.objectives, sweep.seed)
    assert found is not None
    assert found["accuracy"]["grpo.clip_high"] > 0.9
    assert sum(found["accuracy"].values()) == pytest.approx(1.0)


def test_the_trial_to_apply_is_the_best_that_keeps_to_the_constraints_or_the_one_named(tmp_path: Path) -> None:
    sweep = sweep_of(constraints={"max_kl": 0.5})
    with studied(tmp_path, sweep) as study:
        with pytest.raises(LadderError, match="no trial has finished"):
            chosen(study, "BEST")
        make_trials(study, sweep, [complete(0.5, max_kl=0.1), complete(0.9, max_kl=0.9), complete(0.6, max_kl=0.2)])
        assert [chosen(study, which).number for which in ("best", "BEST", "0", "1")] == [2, 2, 0, 1]
        for which in ("3", "-1", "worst"):
            with pytest.raises(LadderError, match=rf"no trial '{which}'; give BEST or a number below 3"):
                chosen(study, which)
