"""Every run is found, wherever its files lie, and is read there."""

import json
import os
import shutil
import subprocess
import sys
import time
import weakref
from pathlib import Path
from typing import Any

import pytest

from dashboards.load.accuracy import accuracy_of
from dashboards.load.cost import cost_of
from dashboards.load.files import Folder, blobs, by_content, cache_of, outs_of
from dashboards.load.marks import guards_fired
from dashboards.load.overview import overview
from dashboards.load.progress import progress_of
from dashboards.load.runs import Run, all_runs, commit_address, locked
from dashboards.load.series import steps_of, with_cost
from dashboards.load.settings import settings_of
from flows.experiment import FOLDER, SET_UP
from stages.accounting.records import StepCost
from stages.errors import LadderError
from stages.graph import locked_identities
from stages.params import parse_yaml
from tests.accounting.booked import book
from tests.conftest import CHECKOUT, Project, git
from tests.dashboards.runs import book_of, row, runs_of, write_live


@pytest.fixture
def saved(climbed: Project) -> Project:
    """A climbed checkout, saved as an experiment, whose commit has a tag."""
    climbed.run("dvc", "exp", "save", "--name", "mine")
    commit = git(climbed.root, "for-each-ref", "--format=%(objectname)", "refs/exps/??/*/mine").strip()
    git(climbed.root, "tag", "good", commit)
    return climbed


def test_a_saved_experiment_is_read_from_git_and_the_cache(saved: Project) -> None:
    found = runs_of(saved.root)
    here, mine = found["workspace"], found["mine"]
    assert steps_of(mine).equals(steps_of(here))
    (saved.root / "params.yaml").write_text("seed: 7\n")
    for path in ("metrics/train/8k.csv", "grades/24k.parquet", "reports/evaluation.json", "data/leaks.jsonl"):
        place = mine.files.place(path)
        assert place is not None
        assert place.is_relative_to(saved.root / ".dvc/cache")
        assert place.read_bytes() == (saved.root / path).read_bytes()
    assert mine.files.read("params.yaml") != here.files.read("params.yaml")
    assert dict(locked(mine)) == locked_identities(saved.root / "dvc.lock")
    assert locked(mine) == locked(here)
    assert (mine.kind, list(mine.labels), mine.how) == ("experiment", ["good"], "dvc exp apply mine")


def test_a_file_that_is_not_here_is_said(saved: Project) -> None:
    mine = runs_of(saved.root)["mine"]
    place = mine.files.place("metrics/train/8k.csv")
    assert place is not None
    place.unlink()
    assert mine.files.place("metrics/train/8k.csv") is None
    with pytest.raises(LadderError, match=r"metrics/train/8k.csv: not in DVC's cache on this machine; `dvc pull`"):
        mine.files.read("metrics/train/8k.csv")
    with pytest.raises(LadderError, match=r"nothing.csv: not there yet"):
        mine.files.read("nothing.csv")
    assert list(steps_of(mine)["rung"].unique()) == ["16k", "24k"]


def test_committed_results_are_a_run_once_others_stand_in_their_place(climbed: Project) -> None:
    git(climbed.root, "add", "-A")
    git(climbed.root, "commit", "-qm", "Climb")
    assert set(runs_of(climbed.root)) == {"workspace"}  # the same tables are the same run
    lock = climbed.root / "dvc.lock"
    tables = outs_of(lock.read_bytes())
    lock.write_text(lock.read_text().replace(tables["metrics/train/8k.csv"], "0" * 32))
    committed = next(run for run in runs_of(climbed.root).values() if run.kind == "commit")
    assert committed.name.endswith("Climb")
    assert len(steps_of(committed)) == 6


def test_an_experiment_under_way_and_one_that_only_the_ledger_knows(project: Project) -> None:
    root = project.root / FOLDER / "0123abcd"
    write_live(root / "runs" / SET_UP, [{}])
    ledger = project.root / "runs/ledger.db"
    (root / "params.yaml").write_bytes((project.root / "params.yaml").read_bytes())
    here, now = str(root.resolve()), time.time()
    old = book(ledger, identity="old", experiment="lr", workspace=here, status="failed")
    new = book(
        ledger, "running", 60.0, identity="new", experiment="lr", workspace=here, started_at=now - 60, sweep="rates"
    )
    book(ledger, "pruned", 60.0, identity="z", experiment="gone", workspace="/else", failure=("guard", "max_kl"))
    rows = [{"attempt": old, **row(1, reward=0.0)}, {"attempt": new, **row(1)}, {"attempt": new, **row(2, reward=0.75)}]
    write_live(root / "runs/live/train@8k.jsonl", rows)
    with (root / "runs/live/train@8k.jsonl").open("a") as file:
        file.write('{"attempt": 2, "step": 3, "rew')  # a line that is being written
    found, booked = runs_of(project.root), book_of(project.root)
    assert set(found) == {"workspace", "lr", "gone"}
    run = found["lr"]
    assert (run.name, run.kind, list(run.labels)) == ("lr", "under way", ["rates"])
    assert steps_of(run)["reward"].tolist() == [0.5, 0.75]  # of what is being made now
    progress = progress_of(run, booked, now)
    assert (progress.state, progress.steps_done, progress.steps_planned) == ("running", 2, 6)
    assert progress_of(run, booked, now + 120).state == "silent"
    table = overview(list(found.values()), booked).set_index("key")
    assert table.loc["gone", ["state", "kind", "guard"]].tolist() == ["pruned", "ledger", "max_kl"]
    assert table.loc["lr", "usd"] == pytest.approx(1.0 + 1 / 60)
    assert table.loc["workspace", "state"] == "not begun"


def test_hours_and_dollars_are_those_of_the_rungs_attempts(climbed_once: tuple[Project, Any]) -> None:
    root = climbed_once[0].root
    run, booked = runs_of(root)["workspace"], book_of(root)
    steps = with_cost(steps_of(run), run, booked)
    rungs = [one for one in booked.attempts if one.stage.startswith("train@")]
    assert rungs[0].price is not None
    assert steps["hours"].is_monotonic_increasing
    assert steps["hours"].iloc[-1] == pytest.approx(sum(one.wall_s for one in rungs) / 3600)
    assert steps["usd"].iloc[-1] == pytest.approx(steps["hours"].iloc[-1] * rungs[0].price.usd_per_hour)
    assert steps["tokens"].iloc[-1] == steps["sampled_tokens"].sum()


def test_a_step_that_was_lost_and_taken_again_costs_twice(project: Project) -> None:
    ledger, costs = project.root / "runs/ledger.db", [StepCost(step, sample_s=360.0) for step in (1, 2, 3)]
    first = book(ledger, "killed", 3600, steps=costs[:2])  # 2880 s of set-up, then steps 1 and 2
    second = book(ledger, "running", 1080, steps=costs[1:])  # 360 s of set-up, then steps 2 and 3
    rows = [{"attempt": first, **row(1)}, {"attempt": first, **row(2)}, {"attempt": second, **row(2)}]
    write_live(project.root / "runs/live/train@8k.jsonl", [*rows, {"attempt": second, **row(3)}])
    run = runs_of(project.root)["workspace"]
    steps = with_cost(steps_of(run), run, book_of(project.root))
    assert steps["hours"].tolist() == pytest.approx([0.9, 1.2, 1.3])
    assert steps["usd"].tolist() == pytest.approx([0.9, 1.2, 1.3])  # a dollar an hour


def test_nothing_is_written_by_looking(climbed: Project) -> None:
    before = climbed.bytes_of(".")
    looking = (
        "from pathlib import Path; from tests.dashboards.runs import *; from dashboards.load.overview import overview; "
        "overview(list(runs_of(Path()).values()), book_of(Path()))"
    )
    subprocess.run(
        [sys.executable, "-B", "-c", looking], cwd=climbed.root, env={"PYTHONPATH": str(CHECKOUT)}, check=True
    )
    after = climbed.bytes_of(".")
    assert {name for name in after if after[name] != before.get(name)} <= {"runs/ledger.db-shm", "runs/ledger.db-wal"}


def test_dvcs_own_configuration_says_where_its_cache_is(tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    assert cache_of(tmp_path) == tmp_path / ".dvc/cache"
    (tmp_path / ".dvc/config").write_text("[core]\n    analytics = false\n[cache]\n    dir = ../shared\n")
    assert cache_of(tmp_path).resolve() == (tmp_path / "shared").resolve()
    (tmp_path / ".dvc/config.local").write_text("[cache]\n    dir = /elsewhere\n")
    assert cache_of(tmp_path) == Path("/elsewhere")


def test_git_is_asked_once_for_many_files(project: Project) -> None:
    (project.root / "empty").write_bytes(b"")
    (project.root / "lines").write_bytes(b"a\nb\n\n")
    git(project.root, "add", "-A")
    git(project.root, "commit", "-qm", "Two")
    head = git(project.root, "rev-parse", "HEAD").strip()
    asked = [f"{head}:lines", f"{head}:absent", f"{head}:empty", f"{'0' * 40}:lines", f"{head}:lines"]
    assert blobs(asked, project.root) == [b"a\nb\n\n", None, b"", None, b"a\nb\n\n"]


def test_without_git_the_workspace_is_shown_alone(climbed: Project) -> None:
    shutil.rmtree(climbed.root / ".git")
    said: list[str] = []
    (here,) = all_runs(climbed.root, book_of(climbed.root), said.append)
    assert len(steps_of(here)) == 6
    assert "no Git repository" in said[0]


def test_names_of_any_bytes_take_nothing_away(climbed: Project) -> None:
    git(climbed.root, "add", "-A")
    git(climbed.root, "commit", "-q", "--allow-empty-message", "-m", "")
    (climbed.root / "dvc.lock").write_text("stages: {}\n")
    head = git(climbed.root, "rev-parse", "HEAD").strip()
    (climbed.root / ".git/refs/tags").mkdir(exist_ok=True)
    Path(os.fsdecode(os.fsencode(climbed.root / ".git/refs/tags") + b"/t\xe9")).write_text(head)
    committed = next(run for run in runs_of(climbed.root).values() if run.kind == "commit")
    assert committed.name == head[:7] + " "
    assert list(committed.labels) == ["t\ufffd"]


def test_a_command_holds_no_name_that_a_shell_would_read(saved: Project) -> None:
    commit = git(saved.root, "rev-parse", "refs/tags/good").strip()
    base = git(saved.root, "rev-parse", f"{commit}^").strip()
    git(saved.root, "update-ref", f"refs/exps/{base[:2]}/{base[2:]}/x;touch$IFS/tmp/x", commit)
    odd = next(run for run in runs_of(saved.root).values() if ";" in run.name)
    assert odd.how == "dvc exp apply 'x;touch$IFS/tmp/x'"


def test_a_climb_anew_shows_nothing_of_the_old_one(climbed: Project) -> None:
    root, ledger = climbed.root, climbed.root / "runs/ledger.db"
    before, booked = runs_of(root)["workspace"], book_of(root)
    assert progress_of(before, booked).state == "done"
    climbed.set("rungs.r24k.steps", 300)  # nothing has been run since: 24k's results are of other settings
    stale, after = runs_of(root)["workspace"], book_of(root)
    assert list(steps_of(stale)["rung"].unique()) == ["8k", "16k"]
    assert accuracy_of(stale)["checkpoint"].tolist() == ["base", "8k", "16k"]
    assert (progress_of(stale, after).steps_done, progress_of(stale, after).steps_planned) == (4, 304)
    (root / "metrics/train/8k.csv").unlink()  # as DVC does before 8k runs again
    attempt = book(ledger, "running", 9.0, identity="new", workspace=str(root), started_at=time.time() - 9)
    with (root / "runs/live/train@8k.jsonl").open("a") as file:
        file.write(json.dumps({"attempt": attempt, **row(1)}) + "\n")
    climbing, now = runs_of(root)["workspace"], book_of(root)
    assert steps_of(climbing)[["rung", "step"]].values.tolist() == [["8k", 1]]
    assert accuracy_of(climbing)["checkpoint"].tolist() == ["base"]
    assert (progress_of(climbing, now).state, progress_of(climbing, now).steps_done) == ("running", 1)


def test_a_run_costs_what_its_results_took(climbed: Project) -> None:
    root, ledger = climbed.root, climbed.root / "runs/ledger.db"
    made = cost_of(runs_of(root)["workspace"], book_of(root))
    stages = [one for one in book_of(root).attempts if one.stage != "cost"]
    assert made.usd == pytest.approx(book_of(root).spent(stages))
    assert (made.attempts, made.unpriced, made.stages_unknown) == (len(stages), 0, 0)
    book(ledger, "failed", 3600, identity="of another climb", workspace=str(root))
    again = cost_of(runs_of(root)["workspace"], book_of(root))
    assert again == made
    assert book_of(root).spent(runs_of(root)["workspace"].attempts) == pytest.approx((made.usd or 0) + 1.0, abs=0.01)
    book(ledger, "failed", 3600, usd_per_hour=None)
    assert book_of(root).spent(book_of(root).attempts) is None  # a sum that leaves one out is none


def test_a_guard_that_fired_is_told_until_the_rung_is_tried_again(project: Project) -> None:
    ledger = project.root / "runs/ledger.db"
    first = book(ledger, "failed", steps=[StepCost(1, sample_s=1.0)], failure=("guard", "stopped by guards.max_kl"))
    write_live(project.root / "runs/live/train@8k.jsonl", [{"attempt": first, **row(1)}])
    run, booked = runs_of(project.root)["workspace"], book_of(project.root)
    assert list(guards_fired(run, booked)) == ["stopped by guards.max_kl"]
    book(ledger, "running", identity="with other settings")
    assert list(guards_fired(runs_of(project.root)["workspace"], book_of(project.root))) == []


def test_of_a_file_that_grows_only_its_newest_state_is_remembered(tmp_path: Path) -> None:
    path, seen = tmp_path / "live.jsonl", []

    @by_content(2)
    def load(path: Path) -> Content:
        seen.append(path.stat().st_size)
        return Content()

    states = []
    for size in range(1, 6):
        path.write_text("x" * size)
        states.append(weakref.ref(load(path)))
        assert load(path) is states[-1]()
    assert seen == [1, 2, 3, 4, 5]
    assert [state() is None for state in states] == [True] * 4 + [False]
    for other in ("a", "b"):
        (tmp_path / other).write_text("x")
        load(tmp_path / other)
    assert states[-1]() is None


class Content:
    """What a weak reference can be had of."""


def test_settings_are_read_section_by_section_as_the_whole(tmp_path: Path) -> None:
    anchored = "a: &x {b: 2e-06, c: [1, 2]}\n# nothing\nd:\n  e: *x\n---\n"
    texts = [path.read_text() for path in (CHECKOUT / "profiles").glob("*.yaml")]
    for text in (*texts, anchored.removesuffix("---\n")):
        (tmp_path / "params.yaml").write_text(text)
        run = Run("x", "x", "workspace", None, None, Folder(tmp_path))
        assert settings_of(run) == flat(parse_yaml(text))
    for text in ("a: [", "- 1\n- 2\n", "", "a: *nobody\n"):
        (tmp_path / "params.yaml").write_text(text)
        assert settings_of(Run("x", "x", "workspace", None, None, Folder(tmp_path))) == {}


def flat(node: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(node, dict):
        return {path: node}
    return {
        name: value
        for key, inner in node.items()
        for name, value in flat(inner, f"{path}.{key}" if path else key).items()
    }


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("https://github.com/me/ladder.git", "https://github.com/me/ladder/commit/"),
        ("https://me:secret@example.org/a/b/", "https://example.org/a/b/commit/"),
        ("git@gitlab.com:group/sub/ladder.git", "https://gitlab.com/group/sub/ladder/commit/"),
        ("ssh://git@example.org:2222/me/ladder", "https://example.org/me/ladder/commit/"),
        ("/srv/git/ladder.git", None),
        ("javascript:alert(1)//github.com/a", None),
    ],
)
def test_a_commit_is_linked_where_its_forge_shows_it(tmp_path: Path, remote: str, address: str | None) -> None:
    git(tmp_path, "init", "-q")
    assert commit_address(tmp_path) is None
    git(tmp_path, "remote", "add", "origin", remote)
    assert commit_address(tmp_path) == address
