"""Other people's files come from a folder or a DVC remote, by content, and are refused where their bytes differ."""

import hashlib
import json
from pathlib import Path

import pytest

from tests.conftest import Project

RECORDS = json.dumps(
    [{"problem": "1+1?", "answer": 2, "difficulty": 1}, {"problem": "1+2?", "answer": "", "difficulty": None}]
).encode()
PIN = f"md5:{hashlib.md5(RECORDS).hexdigest()}"


@pytest.fixture
def pinned(project: Project) -> Project:
    columns = {"problem": "problem", "answer": "answer", "rating": "difficulty", "year": None}
    source = {
        "kind": "file",
        "columns": columns,
        "name": "real",
        "split": "train",
        "licence": "MIT",
        "hub": None,
        "pin": PIN,
    }
    generated = {"kind": "digit_sums", "ratings": [3], "train_per_rating": 4, "heldout_per_rating": 2}
    project.set("problems.sources", [generated, source | {"path": "external/real.json"}])
    project.set(
        "base",
        {"kind": "hub", "name": "a/b", "revision": "0" * 40, "parameters_billion": 0.001, "training_cutoff": None},
    )
    return project


def test_a_file_is_found_by_its_content(pinned: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("release")
    (folder / "a/b").mkdir(parents=True)
    (folder / "a/real.json").write_bytes(b"[]")
    refused = pinned.run("stages.store", "fetch", "--from", str(folder), check=False)
    assert refused.returncode == 2
    assert PIN in refused.stderr
    assert "a/real.json is md5:" in refused.stderr
    (folder / "a/b/real.json").write_bytes(RECORDS)
    pinned.run("stages.store", "fetch", "--from", str(folder))
    assert (pinned.root / "external/real.json").read_bytes() == RECORDS
    assert "already here" in pinned.run("stages.store", "fetch").stdout
    pinned.run("stages.prepare")
    assert "1+1?" in (pinned.root / "data/train.jsonl").read_text()
    quarantined = json.loads((pinned.root / "data/quarantine.jsonl").read_text())
    assert quarantined == {
        "source": "real", "record": 2, "reason": "empty answer", "problem": "1+2?", "because_of": None,
    }  # fmt: skip


def test_a_dvc_remote_gives_it_by_its_md5(pinned: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    remote = tmp_path_factory.mktemp("remote")
    pinned.run("dvc", "remote", "add", "store", str(remote))
    missing = pinned.run("stages.store", "fetch", "--remote", "store", check=False)
    assert missing.returncode == 2
    assert "does not give it" in missing.stderr
    digest = PIN.removeprefix("md5:")
    place = remote / "files/md5" / digest[:2] / digest[2:]
    place.parent.mkdir(parents=True)
    place.write_bytes(RECORDS)
    pinned.run("stages.store", "fetch", "--remote", "store")
    assert [file.name for file in (pinned.root / "external").iterdir() if file.suffix == ".json"] == ["real.json"]
    assert not list(pinned.root.glob("fetch-*"))


def test_without_the_file_the_stage_says_how_to_bring_it(pinned: Project) -> None:
    refused = pinned.run("stages.prepare", check=False)
    assert refused.returncode == 2
    assert "external/real.json: missing; `python -m stages.store fetch --from FOLDER` brings it" in refused.stderr
    assert not Path(pinned.root / "data").exists()
