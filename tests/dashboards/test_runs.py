"""Every run is found, wherever its files lie, and is read there."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from dashboards.load.files import Folder, blobs, cache_of, outs_of
from dashboards.load.overview import overview
from dashboards.load.progress import progress_of
from dashboards.load.runs import Run, commit_address, identity_of, locked
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
    assert identity_of(mine, "train@8k") == identity_of(here, "train@8k")
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


def test_a_folder_without_git_is_said(tmp_path: Path) -> None:
    assert Folder(tmp_path).place("metrics/train/8k.csv") is None
    with pytest.raises(LadderError, match="git for-each-ref"):
        runs_of(tmp_path)


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
