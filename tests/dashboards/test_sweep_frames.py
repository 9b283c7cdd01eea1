"""A sweep's frames, against figures worked out by hand and against what the sweep itself says of its study."""

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna import create_study
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState

from dashboards.charts.sweep import (
    curves_chart,
    front_chart,
    history_chart,
    importance_chart,
    map_chart,
    parallel_chart,
)
from dashboards.load.studies import Axis, Searched, importance, searched, studies
from dashboards.load.sweep import by_state, history, names, over, parallel, spent, with_costs
from flows.sweep.owners import this_process
from flows.sweep.report import importance as reported
from flows.sweep.study import Ended, ask, pareto_front, tell
from stages.accounting.records import StepCost
from stages.errors import LadderError
from stages.params import Sweep
from tests.accounting.booked import book
from tests.dashboards.runs import book_of
from tests.flows.sweep.studied import studied, sweep_of

SPACE = {
    "grpo.kl_coef": FloatDistribution(0.0001, 0.1, log=True),
    "grpo.clip_high": FloatDistribution(0.1, 0.5),
    "grpo.kl_reference": CategoricalDistribution([None, "start"]),
}
NO_COSTS = pd.DataFrame(columns=["trial", "dollars", "hours", "sampled_tokens", "trained_tokens"])
BEGUN = {"objectives": ["accuracy"], "sampler": "tpe", "seed": 3, "space": dict.fromkeys(SPACE)}


def make(folder: Path, sweep: Sweep, trials: list[tuple[dict[str, Any], dict[int, float], Ended | None]]) -> str:
    """A study of `trials`: what each drew, what it reported, how it ended (None: it is under way)."""
    with studied(folder, sweep, BEGUN | {"objectives": sweep.objectives}) as study:
        for params, rewards, ended in trials:
            study.enqueue_trial(params, user_attrs={"owner": dict(this_process())})
            trial = ask(study, sweep, SPACE, this_process())
            assert trial is not None
            for step, reward in rewards.items():
                trial.report(reward, step)
            if ended is not None:
                tell(trial, ended, sweep)
    return f"sqlite:///{folder / 'sweeps.db'}"


def point(kl_coef: float = 0.001, clip_high: float = 0.2, reference: str | None = "start") -> dict[str, Any]:
    return {"grpo.kl_coef": kl_coef, "grpo.clip_high": clip_high, "grpo.kl_reference": reference}


def complete(*values: float, max_kl: float | None = None) -> Ended:
    return Ended(TrialState.COMPLETE, values, max_kl=max_kl)


@pytest.fixture(scope="module")
def five(tmp_path_factory: pytest.TempPathFactory) -> Searched:
    """One of each state but failed, and one that breaks a constraint."""
    diverged = Ended(TrialState.PRUNED, why="guards.max_kl (2.0): KL is 3", guard=True, max_kl=3.0)
    address = make(
        tmp_path_factory.mktemp("five"),
        sweep_of(constraints={"max_kl": 1.0}),
        [
            (point(0.0001, reference=None), {2: 0.1, 4: 0.2}, complete(0.5, max_kl=0.2)),
            (point(0.1), {2: 0.3}, Ended(TrialState.PRUNED, why="below the median")),
            (point(0.001, 0.5), {}, diverged),
            (point(0.01), {2: 0.4}, complete(0.9, max_kl=1.5)),
            (point(0.03), {2: 0.4}, None),
        ],
    )
    assert studies(address) == ("small",)
    return searched(address, "small")


def test_a_study_is_read_as_it_is(five: Searched) -> None:
    trials = five.trials
    assert (five.objectives, five.sampler, five.seed, five.begun) == (("accuracy",), "tpe", 3, True)
    assert trials["state"].tolist() == ["complete", "pruned", "diverged", "complete", "under way"]
    assert trials["accuracy"].dropna().tolist() == [0.5, 0.9]  # Optuna has the pruned one's last reward for a value
    assert trials["feasible"].tolist() == [True, True, False, False, True]
    assert trials["why"].tolist()[1:3] == ["below the median", "guards.max_kl (2.0): KL is 3"]
    assert trials["grpo.kl_reference"].tolist()[:2] == ["None", "start"]
    assert [axis.path for axis in five.axes] == list(SPACE)
    assert five.reports[["number", "step", "reward"]].values.tolist() == [
        [0, 2, 0.1], [0, 4, 0.2], [1, 2, 0.3], [3, 2, 0.4], [4, 2, 0.4],
    ]  # fmt: skip


def test_costs_are_the_ledgers_and_add_up_by_state(five: Searched, tmp_path: Path) -> None:
    ledger = tmp_path / "runs/ledger.db"
    steps = [StepCost(step, sampled_tokens=10, trained_tokens=5) for step in (1, 2)]
    for number, hours in ((0, 2.0), (0, 1.0), (1, 4.0), (3, 8.0)):
        book(
            ledger,
            "done",
            hours * 3600,
            identity=f"{number}{hours}",
            run=f"small-{number:04d}",
            sweep="small",
            steps=steps,
        )
    book(ledger, run="by hand")  # no trial's
    book(ledger, run="other-0000", sweep="other")
    trials = with_costs(five, spent(book_of(tmp_path), "small"))
    assert trials["dollars"].tolist()[:4] == pytest.approx([3.0, 4.0, math.nan, 8.0], nan_ok=True)
    states = by_state(trials).set_index("state")
    assert states["trials"].to_dict() == {"complete": 2, "pruned": 1, "diverged": 1, "under way": 1}
    assert states.loc["complete", ["dollars", "hours", "sampled_tokens", "trained_tokens"]].tolist() == [
        11.0,
        11.0,
        60,
        30,
    ]
    assert states["dollars"].sum() == 15.0
    assert trials["front"].tolist() == [True, False, False, False, False]  # the better one breaks the constraint


def test_the_best_so_far_keeps_to_the_constraints(five: Searched) -> None:
    assert history(five.trials)[["number", "accuracy", "best"]].values.tolist() == [[0, 0.5, 0.5], [3, 0.9, 0.5]]


def test_axes_place_values_by_their_kind(five: Searched) -> None:
    lines, marks = parallel(five, five.trials)
    places = lines.pivot(index="number", columns="axis", values="place")
    assert places["kl_coef"].tolist() == pytest.approx([0, 1, 1 / 3, 2 / 3, math.log10(300) / 3])
    assert places["clip_high"].tolist() == pytest.approx([0.25, 0.25, 1, 0.25, 0.25])
    assert places["kl_reference"].tolist() == [0, 1, 1, 1, 1]
    assert places["accuracy"].tolist() == pytest.approx([0, math.nan, math.nan, 1, math.nan], nan_ok=True)
    assert marks[marks["axis"] == "kl_coef"]["label"].tolist() == ["0.0001", "0.1"]
    assert marks[marks["axis"] == "kl_reference"]["label"].tolist() == ["None", "start"]
    assert names([Axis("rungs.r8k.steps"), Axis("rungs.r16k.steps"), Axis("grpo.lr")]) == {
        "rungs.r8k.steps": "rungs.r8k.steps", "rungs.r16k.steps": "rungs.r16k.steps", "grpo.lr": "lr",
    }  # fmt: skip


def test_charts_are_whole_with_every_kind_of_axis(five: Searched) -> None:
    trials = with_costs(five, NO_COSTS)
    placed = over(five, trials, "grpo.kl_coef", "grpo.kl_reference")
    assert placed[["x", "y"]].values.tolist()[:2] == [[0.0001, "None"], [0.1, "start"]]
    drawn = map_chart(placed, five.axis("grpo.kl_coef"), five.axis("grpo.kl_reference")).to_dict()
    channels = [layer["encoding"] for layer in drawn["layer"]]
    assert {channel["x"]["scale"]["type"] for channel in channels} == {"log"}
    assert {channel["y"]["type"] for channel in channels} == {"ordinal"}
    lines, marks = parallel(five, trials)
    shares = pd.DataFrame({"objective": ["accuracy"], "setting": ["kl_coef"], "share": [1.0]})
    for chart in (
        parallel_chart(lines, marks), history_chart(history(trials)), importance_chart(shares),
        curves_chart(five.reports, 30, ("8k", "16k", "24k")),
        front_chart(trials[trials["state"] == "complete"].assign(money=1.0)),
    ):  # fmt: skip
        assert chart.to_dict()["data" if "data" in chart.to_dict() else "layer"]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.booleans()), min_size=1, max_size=8))
def test_the_front_of_two_objectives_is_the_sweeps_own(results: list[tuple[int, int, bool]]) -> None:
    known = create_study(directions=["maximize", "minimize"])
    for accuracy, usd, keeps in results:
        trial = known.ask()
        trial.set_constraint("max_kl", -1.0 if keeps else 1.0)
        known.tell(trial, (accuracy, usd))
    columns = ["accuracy", "usd", "feasible"]
    trials = pd.DataFrame(results, columns=columns).assign(number=range(len(results)), trial="x", state="complete")
    study = Searched("small", ("accuracy", "usd"), "tpe", 3, (), trials, pd.DataFrame(), None)
    found = with_costs(study, NO_COSTS)
    assert set(found[found["front"]]["number"]) == {trial.number for trial in pareto_front(known)}


def test_importance_is_the_reports_and_needs_four(tmp_path: Path) -> None:
    sweep = sweep_of()
    address = make(tmp_path, sweep, [(point(0.1 / at, at / 10), {}, complete(at / 10)) for at in (1, 2, 3)])
    assert importance(address, searched(address, "small")) is None
    make(tmp_path, sweep, [(point(clip_high=0.45), {}, complete(0.45))])
    found = importance(address, searched(address, "small"))
    with studied(tmp_path, sweep, BEGUN) as study:
        assert found == reported(study, ["accuracy"], 3)
    assert found is not None


def test_what_has_changed_is_read_anew_and_what_is_gone_is_said(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'sweeps.db'}"
    assert studies(address) == ()
    make(tmp_path, sweep_of(), [(point(), {}, None)])
    assert len(searched(address, "small").trials) == 1
    make(tmp_path, sweep_of(), [(point(), {}, complete(0.5))])
    assert searched(address, "small").trials["state"].tolist() == ["under way", "complete"]
    with pytest.raises(LadderError, match="no such study any more"):
        searched(address, "another")
