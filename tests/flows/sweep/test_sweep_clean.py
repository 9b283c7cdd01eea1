"""What a sweep no longer needs is freed, as many bytes as were said, and nothing that anybody else needs."""

from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
from dvc.cli import main as dvc
from dvc.repo import Repo
from optuna import Study
from optuna.trial import TrialState

from flows.experiment import experiment
from flows.plan import plan_experiment
from flows.saved import SavedExperiment, experiments
from flows.sweep.clean import free, to_free
from flows.sweep.owners import this_process
from flows.sweep.space import distributions
from flows.sweep.study import PARAMS_YAML, TRIAL_PLAN, Ended, ask, tell, trial_name
from flows.sweep.trial import PLANNED
from stages.errors import LadderError
from stages.params import Sweep, parse_yaml
from tests.conftest import Project, git, write_yaml
from tests.flows.sweep.studied import studied, sweep_of

ONE_STAGE = {"stages": {"look": {"cmd": "cp params.yaml look", "params": ["seed", "grpo"], "outs": ["look"]}}}
SEEDS = [1, 2, 3, 4]
SWEEP = {"space": {"seed": {"choices": SEEDS}}, "sampler": "grid"}


class _Ended(LadderError):
    """A trial's, before it was saved."""


def repro(root: Path) -> None:
    """In this process: a start of DVC takes seconds."""
    with chdir(root):
        assert dvc(["repro", "--quiet"]) == 0


def make(seed: int, name: str, ends_well: bool) -> Any:
    """An experiment of this seed, its stage made; kept as a worktree where it does not end well."""
    plan = plan_experiment(None, {"seed": seed})
    try:
        with experiment(plan, name, name, None, print) as workspace:
            repro(workspace.root)
            if not ends_well:
                raise _Ended
    except _Ended:
        pass
    return plan


def make_trials(study: Study, sweep: Sweep, ends: list[Ended | None]) -> None:
    space = distributions(sweep.space, {"seed": 0})
    for ended in ends:
        trial = ask(study, sweep, space, this_process())
        assert trial is not None
        complete = ended is not None and ended.state == TrialState.COMPLETE
        plan = make(trial.params["seed"], trial_name(sweep.name, trial.number), complete)
        trial.set_user_attr(PARAMS_YAML, plan.params.decode())
        trial.set_user_attr(TRIAL_PLAN, {key: getattr(plan, key) for key in PLANNED})
        if ended is not None:
            tell(trial, ended, sweep)


def size(folder: str | Path) -> int:
    return sum(path.lstat().st_size for path in Path(folder).rglob("*") if not path.is_dir())


def commit_what_a_clone_lacks(root: Path) -> None:
    """A folder that an old commit has made, and whose list of files is in no cache here."""
    kept = {"path": "kept", "hash": "md5", "md5": f"{'ab' * 16}.dir", "size": 1, "nfiles": 1}
    write_yaml(root / "dvc.yaml", {"stages": {"keep": {"cmd": "mkdir kept", "outs": ["kept"]}}})
    write_yaml(root / "dvc.lock", {"schema": "2.0", "stages": {"keep": {"cmd": "mkdir kept", "outs": [kept]}}})
    git(root, "add", "-A")
    git(root, "commit", "-qm", "Keep a folder")
    (root / "dvc.lock").unlink()


@pytest.mark.filterwarnings("ignore:_NoneStep")  # DVC's own
def test_only_what_no_kept_trial_and_nobody_else_needs_is_freed(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.root)
    commit_what_a_clone_lacks(project.root)
    write_yaml(Path("dvc.yaml"), ONE_STAGE)
    Path(".gitignore").write_text(Path(".gitignore").read_text() + "/look\n")
    git(project.root, "add", "-A")
    git(project.root, "commit", "-qm", "Cut the graph")
    repro(project.root)  # the workspace's own, which no commit has
    make(8, "small-0000", ends_well=True)  # of an earlier study, at an earlier commit
    git(project.root, "commit", "-qm", "Go on", "--allow-empty")
    make(9, "mine", ends_well=True)
    sweep = sweep_of(**SWEEP)
    best, worse = (Ended(TrialState.COMPLETE, (accuracy,)) for accuracy in (0.9, 0.5))
    with studied(Path("runs"), sweep) as study:
        make_trials(study, sweep, [worse, best, Ended(TrialState.FAIL, why="no disk"), None])
        failed = study.trials[2]
        study.enqueue_trial(failed.params)
        again = study.ask()
        for name in (PARAMS_YAML, TRIAL_PLAN):
            again.set_user_attr(name, failed.user_attrs[name])
        assert to_free(study, sweep, keep=1).folders == ()  # what has failed is tried again there
        tell(again, Ended(TrialState.FAIL, why="no disk"), sweep)
        unneeded = to_free(study, sweep, keep=1)
    assert [one.name for one in unneeded.experiments] == ["small-0000"]
    assert len(list(Path(".dvc/cache/files/md5").rglob("??/*"))) == 7
    cache, (folder,) = size(".dvc/cache/files"), unneeded.folders
    assert size(folder) == unneeded.folder_bytes
    free(unneeded)
    assert size(".dvc/cache/files") == cache - unneeded.cache_bytes
    assert not folder.exists()
    assert f"{unneeded.cache_bytes + unneeded.folder_bytes} bytes" in unneeded.said()

    left = {file.read_bytes() for file in Path(".dvc/cache/files/md5").rglob("??/*")}
    seeds = sorted(parse_yaml(content.decode())["seed"] for content in left)
    assert seeds == [0, 2, 4, 8, 9]  # the workspace's, the best trial's, that of the one under way, others'
    assert {one.name for one in experiments()} == {"mine", "small-0000", "small-0001"}
    for name, seed in (("mine", 9), ("small-0001", 2)):
        assert parse_yaml(SavedExperiment(name).read("look").decode())["seed"] == seed
    Path("look").unlink()
    with Repo() as repository:
        repository.checkout()
        assert repository.status() == {}
    with studied(Path("runs"), sweep) as study:
        assert to_free(study, sweep, keep=1).empty


def test_a_cache_that_others_may_use_is_left_alone(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.root)
    elsewhere = project.root.parent / "everybodys-cache"
    project.run("dvc", "config", "--local", "cache.dir", str(elsewhere))
    sweep = sweep_of()
    with (
        studied(Path("runs"), sweep) as study,
        pytest.raises(LadderError, match=r"everybodys-cache: .*free it by hand"),
    ):
        to_free(study, sweep, keep=1)
