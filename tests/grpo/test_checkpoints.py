"""Resume checkpoints: whole or absent, verified on load, as many as asked for, free where nobody needs them."""

import shutil
from pathlib import Path

import pytest
import torch

from stages.errors import LadderError
from stages.grpo.__main__ import clean
from stages.grpo.checkpoints import HASHES, RECORD, STATE, RungCheckpoints, rung_checkpoints


def tensors(step: int) -> dict[str, torch.Tensor]:
    return {"policy.w": torch.full((3, 2), float(step)), "step": torch.tensor(float(step))}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def two(tmp_path: Path) -> RungCheckpoints:
    """The newer two of three checkpoints."""
    checkpoints = RungCheckpoints(tmp_path / "rung", keep=2)
    for step in (1, 2, 3):
        checkpoints.save(step, tensors(step), {"position": {"visits": step}, "metrics": [], "completions": []})
    return checkpoints


def test_what_is_saved_is_what_is_loaded_and_the_older_ones_go(two: RungCheckpoints) -> None:
    assert names(two.folder) == ["step-000002", "step-000003"]
    saved = two.latest()
    assert saved is not None
    assert saved.record["position"] == {"visits": 3}
    assert all(torch.equal(saved.tensors[name], tensor) for name, tensor in tensors(3).items())


@pytest.mark.parametrize("name", [STATE, RECORD, HASHES])
@pytest.mark.parametrize("fault", ["truncated", "altered", "missing", "empty"])
def test_a_broken_one_is_named_and_the_one_before_it_serves(
    two: RungCheckpoints, name: str, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = two.folder / "step-000003" / name
    content = path.read_bytes()
    match fault:
        case "truncated":
            path.write_bytes(content[: len(content) // 2])
        case "altered":
            path.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
        case "missing":
            path.unlink()
        case "empty":
            path.write_bytes(b"")
    saved = two.latest()
    assert saved is not None
    assert saved.record["position"] == {"visits": 2}
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: ")
    assert "step-000003" in line
    assert line.endswith("; the checkpoint before it is used")


def test_where_all_are_broken_there_is_none(two: RungCheckpoints, capsys: pytest.CaptureFixture[str]) -> None:
    for path in two.folder.iterdir():
        (path / STATE).write_bytes(b"not a state")
    assert two.latest() is None
    assert capsys.readouterr().err.count("truncated or altered") == 2


def test_what_a_killed_writer_left_is_removed_and_never_loaded(two: RungCheckpoints, tmp_path: Path) -> None:
    shutil.copytree(two.folder / "step-000003", two.folder / ".step-000004.99.partial")
    with rung_checkpoints("rung", keep=2, root=tmp_path) as held:
        saved = held.latest()
    assert saved is not None
    assert saved.record["position"] == {"visits": 3}
    assert names(two.folder) == ["lock", "step-000002", "step-000003"]


def test_a_broken_one_takes_no_place_of_those_that_are_kept(tmp_path: Path) -> None:
    checkpoints = RungCheckpoints(tmp_path / "rung", keep=1)
    checkpoints.save(20, tensors(20), {})
    (checkpoints.folder / "step-000020" / STATE).write_bytes(b"")
    assert checkpoints.latest() is None
    checkpoints.save(12, tensors(12), {})
    saved = checkpoints.latest()
    assert saved is not None
    assert saved.tensors["step"] == 12


def test_one_that_is_there_is_not_written_again(two: RungCheckpoints) -> None:
    before = (two.folder / "step-000003" / STATE).stat()
    two.save(3, tensors(9), {})
    assert (two.folder / "step-000003" / STATE).stat() == before


def test_a_writer_that_fails_leaves_the_others(two: RungCheckpoints) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        two.save(4, tensors(4), {"metrics": [float("nan")]})
    assert names(two.folder) == ["step-000002", "step-000003"]


def test_clean_frees_what_no_present_setting_needs_and_what_nobody_holds(tmp_path: Path) -> None:
    for identity in ("present", "held", "abandoned"):
        with rung_checkpoints(identity, keep=1, root=tmp_path) as checkpoints:
            checkpoints.save(1, tensors(1), {})
    with rung_checkpoints("held", keep=1, root=tmp_path):
        freed = clean(tmp_path, {"present"})
        assert names(tmp_path) == ["held", "present"]
        with (
            pytest.raises(LadderError, match="another process is making the same rung"),
            rung_checkpoints("held", 1, tmp_path),
        ):
            pass
    assert list(freed) == ["abandoned"]
    assert freed["abandoned"] > 24
