"""No trial is lost or made twice, whoever is killed; the same search goes on, another one is refused."""

import itertools
import json
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

import flows.sweep.storage as storage_module
from flows.sweep.owners import SILENT_S, is_gone, this_process
from flows.sweep.space import distributions
from flows.sweep.storage import storage
from flows.sweep.study import (
    TRIAL_PLAN,
    Ended,
    ask,
    feasible,
    left_behind,
    load_study,
    pareto_front,
    ranked,
    tell,
    try_again,
)
from stages.errors import LadderError
from stages.params import Sweep, read_yaml
from tests.conftest import CHECKOUT
from tests.flows.sweep.studied import BEGUN, SWEEP, studied, sweep_of

SETTINGS = read_yaml(CHECKOUT / "profiles/mini.yaml")
ME = this_process()
DYING = """
import json, os, signal, sys
from pathlib import Path
from flows.sweep.owners import this_process
from flows.sweep.space import distributions
from flows.sweep.study import ask
from stages.params import Sweep
from tests.flows.sweep.studied import studied
from tests.flows.sweep.test_sweep_study import SETTINGS
sweep = Sweep.model_validate(json.loads(sys.argv[2]))
with studied(Path(sys.argv[1]), sweep) as study:
    ask(study, sweep, distributions(sweep.space, SETTINGS), this_process())
    os.kill(os.getpid(), signal.SIGKILL)
"""


def complete(accuracy: float, *others: float, max_kl: float | None = None) -> Ended:
    return Ended(TrialState.COMPLETE, (accuracy, *others), max_kl=max_kl)


def scored(params: dict[str, Any]) -> Ended:
    return complete(1.0 - abs(params["grpo.clip_high"] - 0.3) - params["grpo.kl_coef"])


def killed_in_mid_trial(folder: Path, changes: dict[str, Any]) -> None:
    command = [sys.executable, "-c", DYING, str(folder), json.dumps(SWEEP | changes)]
    assert subprocess.run(command, cwd=CHECKOUT).returncode == -signal.SIGKILL


def test_a_sweep_that_was_killed_tries_what_it_would_have_tried(tmp_path: Path) -> None:
    sweep, space = sweep_of(), distributions(sweep_of().space, SETTINGS)
    tried: dict[str, list[dict[str, Any]]] = {}
    for name, killed_at in (("whole", None), ("killed", 12)):
        (tmp_path / name).mkdir()
        for number in range(14):
            if number == killed_at:
                killed_in_mid_trial(tmp_path / name, {})
            with studied(tmp_path / name, sweep) as study:
                trial = left_behind(study, sweep, space, ME) or ask(study, sweep, space, ME)
                assert trial is not None
                assert trial.number == number
                tell(trial, scored(trial.params), sweep)
        with studied(tmp_path / name, sweep) as study:
            assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}
            tried[name] = [trial.params for trial in study.trials]
    assert tried["whole"] == tried["killed"]
    assert len({trial["grpo.kl_coef"] for trial in tried["whole"]}) == 14


def test_a_trial_of_a_live_process_is_left_alone_and_that_of_a_dead_one_taken_once(tmp_path: Path) -> None:
    sweep, space = sweep_of(), distributions(sweep_of().space, SETTINGS)
    killed_in_mid_trial(tmp_path, {})
    with studied(tmp_path, sweep) as study:
        dead = study.trials[0].params
        mine = ask(study, sweep, space, ME)
        taken = left_behind(study, sweep, space, ME)
        assert mine is not None
        assert taken is not None
        assert (mine.number, taken.number, taken.params) == (1, 0, dead)
        assert left_behind(study, sweep, space, ME) is None


def test_a_process_of_another_machine_is_gone_when_it_has_been_silent() -> None:
    other = ME | {"machine": "elsewhere"}
    beats = {f"alive elsewhere {other['pid']} {other['began']}": 1000.0}
    assert not is_gone(other, beats, 1000.0 + SILENT_S)
    assert is_gone(other, beats, 1001.0 + SILENT_S)
    assert is_gone(other, {}, 1000.0)
    assert is_gone(ME | {"began": 0.0}, beats, 0.0)  # its number went to another process
    assert is_gone(None, beats, 0.0)


def test_a_grid_takes_each_combination_once_whoever_dies(tmp_path: Path) -> None:
    changes = {"sampler": "grid", "space": {"seed": {"choices": [0, 1]}, "grpo.kl_coef": {"choices": [0.1, 0.2]}}}
    sweep = sweep_of(**changes)
    space = distributions(sweep.space, SETTINGS)
    killed_in_mid_trial(tmp_path, changes)
    with studied(tmp_path, sweep) as study:
        first = left_behind(study, sweep, space, ME)
        rest = [ask(study, sweep, space, ME) for _ in range(4)]
        assert rest[3] is None
        points = [tuple(trial.params.values()) for trial in (first, *rest) if trial is not None]
    assert points == list(itertools.product([0, 1], [0.1, 0.2]))


def test_what_failed_is_tried_once_more_under_a_new_number_with_its_parameters(tmp_path: Path) -> None:
    sweep, space = sweep_of(), distributions(sweep_of().space, SETTINGS)
    with studied(tmp_path, sweep) as study:
        for plan in ({"commit": "abc"}, None):  # the second one's settings were refused: it never began
            trial = ask(study, sweep, space, ME)
            assert trial is not None
            if plan:
                trial.set_user_attr(TRIAL_PLAN, plan)
            tell(trial, Ended(TrialState.FAIL, why="no disk"), sweep)
        for _ in range(2):  # twice the same: a run may be killed after it
            try_again(study, ME)
        again = ask(study, sweep, space, ME)
        assert again is not None
        assert (again.number, again.params) == (2, study.trials[0].params)
        again.set_user_attr(TRIAL_PLAN, {"commit": "abc"})
        tell(again, Ended(TrialState.FAIL, why="no disk"), sweep)
        try_again(study, ME)
        fresh = ask(study, sweep, space, ME)
        assert fresh is not None
        assert fresh.params not in [trial.params for trial in study.trials[:3]]


@pytest.mark.parametrize(("key", "other"), [("space", {"a": 2}), ("settings", {"seed": 1})])
def test_another_search_under_the_same_name_is_refused(tmp_path: Path, key: str, other: dict[str, Any]) -> None:
    with studied(tmp_path, sweep_of()):
        pass
    with studied(tmp_path, sweep_of(trials=99, parallel=4), BEGUN | {"commit": "def"}):
        pass
    with (
        pytest.raises(LadderError, match=rf"'small'.*another {key} \(at commit abc\).*another name"),
        studied(tmp_path, sweep_of(), BEGUN | {key: other}),
    ):
        pass


def test_what_breaks_a_constraint_is_no_best_and_on_no_front(tmp_path: Path) -> None:
    sweep = sweep_of(
        objectives=["accuracy", "usd"], constraints={"max_kl": 0.5}, pruner=SWEEP["pruner"] | {"kind": "none"}
    )
    space = distributions(sweep.space, SETTINGS)
    ends = [
        complete(0.5, 1.0, max_kl=0.1),
        complete(0.9, 3.0, max_kl=0.4),
        complete(0.9, 4.0, max_kl=0.4),  # as good, dearer
        complete(0.99, 0.5, max_kl=0.6),  # the best, but for its KL
        Ended(TrialState.PRUNED, why="guards.max_kl", guard=True),
        complete(0.4, 2.0, max_kl=0.1),  # worse and dearer
        Ended(TrialState.FAIL, why="no disk"),
    ]
    with studied(tmp_path, sweep) as study:
        for ended in [*ends, *[complete(0.1 + i / 100, 5.0 + i, max_kl=0.1) for i in range(8)]]:
            trial = ask(study, sweep, space, ME)
            assert trial is not None
            tell(trial, ended, sweep)
        assert [trial.number for trial in pareto_front(study)] == [1, 0]
        assert {trial.number for trial in study.best_trials} == {0, 1}  # Optuna's own
        assert [trial.number for trial in ranked(study)][-1] == 3
        assert not feasible(study.trials[4])
        assert study.trials[4].state == TrialState.PRUNED
        assert study.trials[6].user_attrs["why"] == "no disk"


def test_a_study_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    with studied(tmp_path, sweep_of()):
        pass
    with (
        pytest.raises(LadderError, match=r"'other': no such study; known: small; .*run"),
        storage(f"sqlite:///{tmp_path / 'sweeps.db'}") as opened,
    ):
        load_study(opened, sweep_of(name="other"))


def test_a_locked_database_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with studied(tmp_path, sweep_of()):
        pass
    monkeypatch.setattr(storage_module, "LOCKED_S", 0.1)
    holder = sqlite3.connect(tmp_path / "sweeps.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(LadderError) as refused, studied(tmp_path, sweep_of(name="another")):
        pass
    holder.close()
    assert "locked" in str(refused.value)
    assert "storage of its own" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("postgresql+psycopg2://me:secret@nowhere/db", ["driver is not installed", "pip install", "me:***@nowhere"]),
        ("postgresql+magic://nowhere/db", ["magic", "postgresql://USER@HOST/DATABASE"]),
        ("sqlite:////proc/no/such/place.db", ["/proc/no"]),
    ],
)
def test_a_storage_that_is_not_to_be_had_is_one_line(address: str, words: list[str]) -> None:
    with pytest.raises((LadderError, OSError)) as refused, storage(address):
        pass
    for word in words:
        assert word in str(refused.value)
    assert "secret" not in str(refused.value)


def test_optuna_is_as_quiet_as_a_line_a_trial(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    sweep: Sweep = sweep_of()
    with studied(tmp_path, sweep) as study:
        trial = ask(study, sweep, distributions(sweep.space, SETTINGS), ME)
        assert trial is not None
        tell(trial, complete(0.5), sweep)
    assert optuna.logging.get_verbosity() == optuna.logging.WARNING
    assert capfd.readouterr() == ("", "")
