"""The record of a climb comes home whole, and the tables say what its reports say."""

import json
import tarfile
from pathlib import Path

import pytest

from benchmarks.real_run import keep, pack, prepare
from benchmarks.real_run_figures import tables
from stages.errors import LadderError
from stages.params import load_params
from tests.conftest import Project


def test_a_record_is_packed_kept_and_told(climbed: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LADDER_COMMIT", "0123abc")
    climbed.set("seed", 0)
    pack(climbed.root, tmp_path / "seed0.tar.gz")
    keep(tmp_path / "seed0.tar.gz", tmp_path / "kept")
    keep(tmp_path / "seed0.tar.gz", tmp_path / "kept")  # in the place of the first
    kept = tmp_path / "kept/seed0"
    assert (kept / "samples/train/24k.jsonl").read_bytes() == (climbed.root / "samples/train/24k.jsonl").read_bytes()
    assert not (kept / "samples/24k.jsonl").exists()
    climbed.run("stages.accounting", "import", str(kept / "run.json"))

    said = tables(tmp_path / "kept")
    report = json.loads((climbed.root / "reports/evaluation.json").read_bytes())
    (last,) = (
        row for row in report["rows"] if (row["checkpoint"], row["at"], row["metric"]) == ("24k", "full", "avg@2")
    )
    assert f"{last['value']:.3f} ({last['low']:.3f}-{last['high']:.3f}) |\n" in said
    (gain,) = (
        row
        for row in report["comparisons"]
        if (row["checkpoint"], row["against"], row["metric"]) == ("24k", "base", "avg@2")
    )
    assert f"| 24k | {100 * gain['difference']:+.1f} (" in said
    assert "| 0123abc | gguf " in said


def test_what_is_no_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LadderError, match=r"no record; `python -m benchmarks\.real_run keep"):
        tables(tmp_path)
    with pytest.raises(LadderError, match=r"no runs/ledger\.db; name a folder in which `climb` has run"):
        pack(tmp_path, tmp_path / "a.tar.gz")
    (tmp_path / "a.tar.gz").write_bytes(b"no archive")
    with pytest.raises(LadderError, match=r"a\.tar\.gz: no record"):
        keep(tmp_path / "a.tar.gz", tmp_path / "kept")
    (tmp_path / "other").write_text("")
    with tarfile.open(tmp_path / "b.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "other", "other")
    with pytest.raises(LadderError, match=r"b\.tar\.gz: holds no one seed's run\.json"):
        keep(tmp_path / "b.tar.gz", tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_a_copy_has_its_own_seed_and_settings(tmp_path: Path) -> None:
    prepare(tmp_path, "smollm2", 7, {"rungs.r8k.steps": 3})
    params = load_params(tmp_path / "params.yaml")
    assert (params.seed, params.rungs.r8k.steps) == (7, 3)
    prepare(tmp_path, "smollm2", 7, {"rungs.r8k.steps": 4})
    assert load_params(tmp_path / "params.yaml").rungs.r8k.steps == 3  # a climb under way is left as it is
    with pytest.raises(LadderError, match=r"--set rungs\.r9k\.steps: params\.yaml has no section 'r9k'"):
        prepare(tmp_path / "other", "smollm2", 7, {"rungs.r9k.steps": 4})
