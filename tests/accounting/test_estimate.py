"""A container's memory is its control group's, and sizes read as people say them."""

from pathlib import Path

import psutil
import pytest

from stages import estimate
from stages.errors import LadderError
from stages.estimate import cgroup_limits, check_fits, main_memory_bytes
from stages.params import load_params
from tests.conftest import CHECKOUT


@pytest.mark.parametrize(
    ("own", "files", "limits"),
    [
        ("0::/\n", {"memory.max": "2000"}, [2000]),
        ("0::/\n", {"memory.max": "max"}, []),
        ("0::/a/b\n", {"a/b/memory.max": "max", "a/memory.max": "3000"}, [3000]),
        ("0::/unseen/by/a/container\n", {"memory.max": "4000"}, [4000]),
        ("5:cpu,memory:/x\n2:pids:/x\n", {"memory/x/memory.limit_in_bytes": "5000"}, [5000]),
        ("0::/\n", {}, []),
        ("", {}, []),
    ],
)
def test_limits_of_control_groups(tmp_path: Path, own: str, files: dict[str, str], limits: list[int]) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(own)
    for name, limit in files.items():
        path = tmp_path / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(limit + "\n")
    assert cgroup_limits(tmp_path) == limits


def test_no_file_at_all_is_no_limit(tmp_path: Path) -> None:
    assert cgroup_limits(tmp_path) == []


def test_this_machine_holds_no_more_than_it_has() -> None:
    assert 0 < main_memory_bytes() <= psutil.virtual_memory().total


def test_a_group_too_small_for_a_rung_is_said_in_megabytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate, "cgroup_limits", lambda: [1_500_000])
    with pytest.raises(LadderError, match=r"needs at least \d+\.\d MB of memory, engine.device 'cpu' has 1\.5 MB"):
        check_fits(load_params(CHECKOUT / "params.yaml"), checkpoints=1)
