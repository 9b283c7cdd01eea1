"""Ranks as real processes: what one does to the others, and what is left of them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stages.engines.launch import run_ranks
from stages.errors import BudgetReached, LadderError, MicroBatchTooLarge
from tests.conftest import CHECKOUT

# A rank that says who it is, then does what its rank is told to in words.
PLAIN = """
import os, pathlib, signal, sys, time
from stages.engines.launch import LOST_ANOTHER, TOO_LARGE
rank, folder = int(os.environ["RANK"]), pathlib.Path(sys.argv[1])
(folder / f"pid{rank}").write_text(str(os.getpid()))
word = sys.argv[2].split(",")[rank]
print(f"~ step 1/2 of rank {rank}", file=sys.stderr, flush=True)
while word != "done" and len(list(folder.glob("pid*"))) < int(os.environ["WORLD_SIZE"]): time.sleep(0.01)
match word:
    case "mends": print("error: params.yaml: grpo: mend it", file=sys.stderr); sys.exit(2)
    case "overspends": print("error: params.yaml: budget: 5, spent", file=sys.stderr); sys.exit(3)
    case "has no memory": print("error: rank 1: no memory for 64 tokens at once", file=sys.stderr); sys.exit(TOO_LARGE)
    case "breaks": raise ValueError("broken")
    case "lost": sys.exit(LOST_ANOTHER)
    case "dies": os.kill(os.getpid(), signal.SIGKILL)
    case "deaf": signal.signal(signal.SIGTERM, signal.SIG_IGN); (folder / f"deaf{rank}").touch()
    case "dies late":
        while not list(folder.glob("deaf*")): time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
if word in ("waits", "deaf"): time.sleep(60)
"""
# Ranks that meet in collectives, until the last one waits for what the main one never sends: then both hang in native code.
MEETING = """
import os, pathlib, sys
import torch
from stages.engines.rank_process import as_rank
from stages.engines.ranks import init_ranks
folder = pathlib.Path(sys.argv[1])
with as_rank(str, lambda error: getattr(error, 'cause', 'error')):
    ranks = init_ranks("cpu")
    torch.distributed.barrier()
    (folder / f"pid{ranks.rank}").write_text(str(os.getpid()))
    while ranks.is_main or not (folder / "stray").exists():
        torch.distributed.barrier()
    (folder / "strayed").touch()
    if (folder / "stray").read_text() == "raise": raise ValueError("astray")
    torch.distributed.recv(torch.zeros(1), src=0)
"""
# The stage's process, that is to say the parent.
PARENT = """
import sys
from stages.engines.launch import run_ranks
from stages.process import Stopped, raise_when_stopped
raise_when_stopped()
try:
    run_ranks([sys.executable, "-c", sys.argv[1], *sys.argv[2:]], 2)
except Stopped as stop:
    sys.exit(128 + stop.number)
"""


def plain(folder: Path, words: str) -> None:
    environment = {"PYTHONPATH": str(CHECKOUT)}
    run_ranks([sys.executable, "-c", PLAIN, str(folder), words], len(words.split(",")), environment)


def until(happened: Callable[[], bool], within_s: float) -> float:
    """Seconds until it happened."""
    start = time.monotonic()
    while not happened():
        assert time.monotonic() < start + within_s, f"not within {within_s} s"
        time.sleep(0.02)
    return time.monotonic() - start


def pids(folder: Path) -> list[int]:
    return [int(path.read_text()) for path in folder.glob("pid*") if path.read_text()]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def all_gone(folder: Path) -> bool:
    return not any(alive(pid) for pid in pids(folder))


def go_astray(folder: Path, how: str) -> None:
    (folder / "how").write_text(how)
    (folder / "how").rename(folder / "stray")
    until((folder / "strayed").exists, within_s=10)


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def start(script: str) -> subprocess.Popen[str]:
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", PARENT, script, str(tmp_path), "waits,waits"],
                env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        until(lambda: len(pids(tmp_path)) == 2, within_s=60)
        return started[0]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_the_main_ranks_lines_come_as_they_are_and_the_others_with_their_rank(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    plain(tmp_path, "done,done")
    assert sorted(capfd.readouterr().err.splitlines()) == ["[rank 1] ~ step 1/2 of rank 1", "~ step 1/2 of rank 0"]


def test_a_killed_rank_ends_the_others_and_is_named(tmp_path: Path) -> None:
    with pytest.raises(LadderError, match=r"^rank 1 was killed by SIGKILL, as the kernel does .* run it again"):
        plain(tmp_path, "waits,dies,waits")
    assert all_gone(tmp_path)


def test_a_ranks_clear_error_is_the_launchers(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(LadderError, match=r"^params\.yaml: grpo: mend it$"):
        plain(tmp_path, "waits,mends")
    assert "mend it" not in capfd.readouterr().err  # it is said once, by the caller
    assert all_gone(tmp_path)


def test_a_budget_that_a_rank_reached_is_the_launchers(tmp_path: Path) -> None:
    with pytest.raises(BudgetReached, match=r"^params\.yaml: budget: 5, spent$"):
        plain(tmp_path, "overspends,waits")
    assert all_gone(tmp_path)


def test_a_micro_batch_that_a_rank_has_no_memory_for_is_the_launchers(tmp_path: Path) -> None:
    with pytest.raises(MicroBatchTooLarge, match=r"^rank 1: no memory for 64 tokens at once$"):
        plain(tmp_path, "waits,has no memory")
    assert all_gone(tmp_path)


def test_a_rank_that_breaks_is_named_with_its_last_line(tmp_path: Path) -> None:
    with pytest.raises(LadderError, match=r"^rank 0 ended with exit code 1: ValueError: broken$"):
        plain(tmp_path, "breaks,waits")


def test_a_rank_that_lost_another_is_not_to_blame(tmp_path: Path) -> None:
    with pytest.raises(LadderError, match=r"^params\.yaml: grpo: mend it$"):
        plain(tmp_path, "lost,mends")
    with pytest.raises(LadderError, match=r"^rank 0 ended with exit code 4"):
        plain(tmp_path, "lost,done")


def test_a_rank_that_hears_no_signal_is_killed(tmp_path: Path) -> None:
    start = time.monotonic()
    with pytest.raises(LadderError, match=r"^rank 1 was killed by SIGKILL"):
        plain(tmp_path, "deaf,dies late")
    assert all_gone(tmp_path)
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_launcher_leaves_no_rank(
    parent: Callable[[str], subprocess.Popen[str]], tmp_path: Path, number: signal.Signals
) -> None:
    stage = parent(MEETING)
    go_astray(tmp_path, "hang")
    stage.send_signal(number)
    assert until(lambda: all_gone(tmp_path), within_s=5) < 5
    assert stage.wait(5) == 128 + number


def test_a_killed_launcher_leaves_no_rank(parent: Callable[[str], subprocess.Popen[str]], tmp_path: Path) -> None:
    stage = parent(MEETING)
    go_astray(tmp_path, "hang")
    stage.kill()
    until(lambda: all_gone(tmp_path), within_s=5)


def test_a_rank_killed_in_the_midst_of_collectives_is_the_one_that_is_named(
    parent: Callable[[str], subprocess.Popen[str]], tmp_path: Path
) -> None:
    stage = parent(MEETING)
    os.kill(int((tmp_path / "pid1").read_text()), signal.SIGKILL)
    until(lambda: all_gone(tmp_path), within_s=5)
    assert "LadderError: rank 1 was killed by SIGKILL" in stage.communicate(timeout=5)[1].splitlines()[-1]


def test_a_rank_that_fails_is_named_though_its_end_breaks_the_others_collective(
    parent: Callable[[str], subprocess.Popen[str]], tmp_path: Path
) -> None:
    stage = parent(MEETING)
    go_astray(tmp_path, "raise")
    until(lambda: all_gone(tmp_path), within_s=5)
    assert stage.communicate(timeout=5)[1].splitlines()[-1] == "stages.errors.LadderError: astray"
