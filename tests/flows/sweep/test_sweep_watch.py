"""A trial is judged at fixed steps of each rung, by what its live table says, and given up once."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna import Study, Trial

from flows.fleet import Fleet
from flows.plan import Plan
from flows.sweep.owners import this_process
from flows.sweep.space import distributions
from flows.sweep.study import Ended, ask
from flows.sweep.trial import TrialRun, max_kl
from flows.sweep.watch import TrialWatch, live_rewards, longest_rung, means
from stages.errors import GuardFired
from stages.params import Params, Sweep, read_yaml
from tests.conftest import CHECKOUT
from tests.flows.sweep.studied import SWEEP, studied, sweep_of
from tests.flows.sweep.test_sweep_study import complete

SETTINGS = read_yaml(CHECKOUT / "profiles/mini.yaml")
LONGEST = 30


def grow(root: Path, rung: str, rewards: list[float], first: int = 1) -> None:
    """The rung's live table goes on by these steps."""
    live = root / f"runs/live/train@{rung}.jsonl"
    live.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"step": first + i, "reward": reward, "kl": reward / 10} for i, reward in enumerate(rewards)]
    with live.open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def asked(study: Study, sweep: Sweep) -> Trial:
    trial = ask(study, sweep, distributions(sweep.space, SETTINGS), this_process())
    assert trial is not None
    return trial


def watched(study: Study, sweep: Sweep, root: Path) -> tuple[Trial, TrialWatch]:
    trial = asked(study, sweep)
    return trial, TrialWatch(trial, root, sweep, LONGEST)


def finished(study: Study, sweep: Sweep, root: Path, reward: float) -> None:
    """A trial whose every step of two rungs had this reward."""
    trial, watch = watched(study, sweep, root)
    for rung in ("8k", "16k"):
        grow(root, rung, [reward] * 6)
        watch.end(f"train@{rung}", "1 s")
    assert watch.pruned is None
    study.tell(trial, complete(reward).values[0])


def test_it_is_pruned_at_the_first_judgement_below_the_median(tmp_path: Path) -> None:
    sweep = sweep_of()
    with studied(tmp_path, sweep) as study:
        finished(study, sweep, tmp_path / "a", 0.5)
        finished(study, sweep, tmp_path / "b", 0.7)  # two startup trials, the median of both 0.6
        trial, watch = watched(study, sweep, tmp_path / "c")
        grow(tmp_path / "c", "8k", [0.0, 0.1, 0.9, 0.7, 0.1, 0.2])  # warm-up at step 2, its best 0.8 from step 4 on
        for step in range(1, 7):
            watch.show("train@8k", f"{step}/6 reward")
        assert watch.pruned is None
        grow(tmp_path / "d", "8k", [0.0, 0.1, 0.3])
        poor, watching = watched(study, sweep, tmp_path / "d")
        watching.show("train@8k", "2/6 reward")
        watching.show("train@8k", "3/6 reward")
        assert watching.pruned is None
        grow(tmp_path / "d", "8k", [0.4, 0.1], first=4)
        watching.show("train@8k", "4/6 reward")
        watching.show("train@8k", "6/6 reward")
        assert watching.pruned == "train@8k: pruned at step 4, its mean reward 0.350 over 2 steps"
        assert study.trials[trial.number].intermediate_values == pytest.approx({2: 0.05, 4: 0.8, 6: 0.15})
        assert study.trials[poor.number].intermediate_values == pytest.approx({2: 0.05, 4: 0.35})


def test_a_later_rung_is_judged_by_its_own_steps_and_a_resumed_trial_not_twice(tmp_path: Path) -> None:
    sweep = sweep_of(pruner=SWEEP["pruner"] | {"kind": "none"})
    with studied(tmp_path, sweep) as study:
        trial, watch = watched(study, sweep, tmp_path / "a")
        grow(tmp_path / "a", "16k", [0.2, 0.4, 0.6])
        watch.show("train@16k", "2/6 reward")
        # Killed after step 3, resumed from its checkpoint after step 2, and the line of step 4 is still being written.
        grow(tmp_path / "a", "16k", [0.8], first=3)
        with (tmp_path / "a/runs/live/train@16k.jsonl").open("a") as file:
            file.write('{"step": 4, "rew')
        again = TrialWatch(Trial(study, trial._trial_id), tmp_path / "a", sweep, LONGEST)
        again.show("train@16k", "2/6 reward")
        again.show("train@16k", "4/6 reward")
        assert live_rewards(tmp_path / "a", "16k") == {1: 0.2, 2: 0.4, 3: 0.8}
        assert study.trials[0].intermediate_values == pytest.approx({LONGEST + 2: 0.3})
        assert max_kl(tmp_path / "a") == pytest.approx(0.08)


def test_two_objectives_are_not_judged(tmp_path: Path) -> None:
    sweep = sweep_of(objectives=["accuracy", "usd"], pruner=SWEEP["pruner"] | {"kind": "none"})
    with studied(tmp_path, sweep) as study:
        _, watch = watched(study, sweep, tmp_path / "a")
        grow(tmp_path / "a", "8k", [0.0] * 6)
        watch.show("train@8k", "6/6 reward")
        watch.end("train@8k", "1 s")
        assert watch.pruned is None
        assert study.trials[0].intermediate_values == {}


def test_what_a_guard_stops_has_diverged_even_where_its_last_rewards_were_a_reason_to_prune(tmp_path: Path) -> None:
    params = Params.model_validate(SETTINGS)
    with studied(tmp_path, sweep_of()) as study:
        trial, watch = watched(study, sweep_of(), tmp_path / "a")
        watch.pruned = "train@8k: pruned at step 6"  # told when the rung had ended
        run = TrialRun(trial, Plan("", "", "", b""), params, LONGEST, Fleet(1))
        ended = run._without_result(GuardFired("train@8k: stopped at step 6"), watch, tmp_path / "a")
    assert isinstance(ended, Ended)
    assert (ended.guard, ended.why) == (True, "train@8k: stopped at step 6")


@given(
    rewards=st.dictionaries(st.integers(1, 40), st.floats(0, 1), max_size=40),
    every=st.integers(1, 7),
)
def test_a_mean_is_of_whole_windows_alone(rewards: dict[int, float], every: int) -> None:
    found = means(rewards, every)
    for end in range(every, 41, every):
        window = range(end - every + 1, end + 1)
        if all(step in rewards for step in window):
            assert found.pop(end) == pytest.approx(sum(rewards[step] for step in window) / every)
    assert found == {}


def test_steps_of_another_rung_never_meet(tmp_path: Path) -> None:
    params = Params.model_validate(SETTINGS)
    assert longest_rung(params, sweep_of()) == 30
    space = {"rungs.r16k.steps": {"low": 10, "high": 50}, "rungs.r8k.steps": {"choices": [10, 40]}}
    assert longest_rung(params, sweep_of(space=space)) == 50
