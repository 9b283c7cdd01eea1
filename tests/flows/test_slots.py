"""GPU slots between real processes on GPUs that are not there: who holds one, who waits, and what a kill leaves."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import torch

from flows.slots import MARK, gpus_here, hold_gpus
from stages.errors import LadderError
from stages.gpus import Gpu
from tests.conftest import CHECKOUT

LIMIT_S = 60.0  # of one that should have said something
SETUP = """
import json, os, subprocess, sys
from pathlib import Path
from flows.slots import hold_gpus
from stages.gpus import Gpu

folder, names, count, per_gpu, stage, *rest = sys.argv[1:]
gpus = [Gpu(str(number), name) for number, name in enumerate(names.split(","))]
def hold(waits=lambda message: print(json.dumps(message), flush=True)):
    return hold_gpus(int(count), int(per_gpu), waits, lambda: False, stage=stage, gpus=gpus, folder=Path(folder))
"""
HOLD = f"""{SETUP}
with hold() as environment:
    child = subprocess.Popen(["sleep", "60"], env=os.environ | environment, stdout=subprocess.DEVNULL)
    print(json.dumps(environment | {{"child": child.pid}}), flush=True)
    sys.stdin.read()
    child.kill()
    child.wait()
"""
# Many turns; a file a share says that it is taken, which O_EXCL makes for one at a time.
TURNS = f"""{SETUP}
for _ in range(4):
    with hold(lambda message: None) as environment:
        used = []
        for entry in environment["CUDA_VISIBLE_DEVICES"].split(","):
            for number in range(int(per_gpu)):
                path = Path(rest[0], f"{{gpus[int(entry)].uuid}}.{{number}}")
                try:
                    path.touch(exist_ok=False)
                except FileExistsError:
                    continue
                used.append(path)
                break
            else:
                sys.exit(f"GPU {{entry}} is shared by more than {{per_gpu}}")
        for path in used:
            path.unlink()
"""


@dataclass
class Holders:
    """Processes that hold or want GPUs of one folder; all are ended with the test."""

    folder: Path
    started: list[subprocess.Popen[str]]

    def start(
        self, names: str, count: int, per_gpu: int, stage: str, *rest: str, code: str = HOLD
    ) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(self.folder), names, str(count), str(per_gpu), stage, *rest],
            cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.started.append(process)
        return process


@pytest.fixture
def holders(tmp_path: Path) -> Iterator[Holders]:
    holders = Holders(tmp_path / "gpus", [])
    yield holders
    for process in holders.started:
        children = psutil.Process(process.pid).children() if process.poll() is None else []
        process.kill()
        process.communicate()
        for child in children:
            child.kill()


def told(process: subprocess.Popen[str]) -> str:
    """The message of one that waits."""
    message = json.loads(line(process))
    assert isinstance(message, str), message
    return message


def got(process: subprocess.Popen[str]) -> Mapping[str, str]:
    """The environment of one that has its GPUs."""
    environment = json.loads(line(process))
    assert isinstance(environment, dict), environment
    return environment


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    impatience = threading.Timer(LIMIT_S, process.kill)
    impatience.start()
    try:
        return process.stdout.readline()
    finally:
        impatience.cancel()


def end(process: subprocess.Popen[str]) -> None:
    process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0


def test_a_gpu_is_one_stages_until_it_ends(holders: Holders) -> None:
    first = holders.start("a,b", 1, 1, "train@8k")
    environment = got(first)
    assert (environment["CUDA_VISIBLE_DEVICES"], environment["CUDA_DEVICE_ORDER"]) == ("0", "PCI_BUS_ID")
    second = holders.start("a,b", 1, 1, "sample@8k")
    assert got(second)["CUDA_VISIBLE_DEVICES"] == "1"
    third = holders.start("a,b", 1, 1, "train@16k")
    assert told(third) == (
        f"waits for 1 GPU(s), held by sample@8k (process {second.pid}), train@8k (process {first.pid})"
    )
    end(second)
    assert got(third)["CUDA_VISIBLE_DEVICES"] == "1"


def test_what_a_killed_holder_leaves_running_is_waited_for(holders: Holders) -> None:
    first = holders.start("a", 1, 1, "train@8k")
    child = int(got(first)["child"])
    second = holders.start("a", 1, 1, "train@8k")
    assert "held by train@8k" in told(second)
    first.kill()
    assert told(second) == f"waits for process {child} to end, which a killed train@8k left on the GPU"
    os.kill(child, signal.SIGKILL)
    assert got(second)["CUDA_VISIBLE_DEVICES"] == "0"


def test_who_gives_up_waiting_for_them_leaves_that_to_the_next(holders: Holders) -> None:
    first = holders.start("a", 1, 1, "train@8k")
    child = int(got(first)["child"])
    first.kill()
    first.wait()
    said: list[str] = []
    with (
        pytest.raises(LadderError, match="sample: not begun, the flow was stopped"),
        hold_gpus(1, 1, said.append, lambda: bool(said), stage="sample", gpus=[Gpu("0", "a")], folder=holders.folder),
    ):
        pass
    second = holders.start("a", 1, 1, "train@8k")
    assert f"waits for process {child} to end" in told(second)
    os.kill(child, signal.SIGKILL)
    got(second)


def test_all_or_none_and_who_came_first_goes_first(holders: Holders) -> None:
    first = holders.start("a,b", 1, 1, "one")
    got(first)
    second = holders.start("b,a", 1, 1, "two")
    assert got(second)["CUDA_VISIBLE_DEVICES"] == "0"  # b: the first of its own list
    both = holders.start("a,b", 2, 1, "both")
    assert "held by one" in told(both)
    late = holders.start("a,b", 1, 1, "late")
    told(late)
    end(first)
    aside = holders.start("c", 1, 1, "another GPU")  # is in nobody's way
    got(aside)
    end(second)
    assert got(both)["CUDA_VISIBLE_DEVICES"] == "0,1"
    end(both)
    got(late)


def test_one_who_dies_in_line_is_no_longer_waited_for(holders: Holders) -> None:
    first = holders.start("a", 1, 1, "first")
    got(first)
    dies = holders.start("a", 1, 1, "dies")
    told(dies)
    last = holders.start("a", 1, 1, "last")
    told(last)
    dies.kill()
    end(first)
    assert got(last)["CUDA_VISIBLE_DEVICES"] == "0"


def test_a_gpu_is_shared_by_as_many_as_each_of_them_allows(holders: Holders) -> None:
    two, entries = [], []
    for number in range(4):
        two.append(holders.start("a,b", 1, 2, f"shares {number}"))
        entries.append(got(two[-1])["CUDA_VISIBLE_DEVICES"])
    assert entries == ["0", "1", "0", "1"]
    fifth = holders.start("a,b", 1, 2, "fifth")
    told(fifth)
    end(two.pop())
    got(fifth)
    for process in (*two, fifth):
        end(process)
    alone = holders.start("a", 1, 1, "alone")
    got(alone)
    sharing = holders.start("a", 1, 16, "sharing")
    assert "held by alone" in told(sharing)
    end(alone)
    got(sharing)
    again = holders.start("a", 1, 1, "alone")
    assert "held by sharing" in told(again)


@pytest.mark.parametrize("per_gpu", [1, 2])
def test_many_turns_never_meet_and_never_end_in_a_deadlock(holders: Holders, tmp_path: Path, per_gpu: int) -> None:
    taken, orders = tmp_path / "taken", ("a,b,c", "c,b,a", "b,c,a")  # as CUDA_VISIBLE_DEVICES may tell them
    taken.mkdir()
    processes = [
        holders.start(orders[number % 3], 1 + number % 3, per_gpu, "turns", str(taken), code=TURNS)
        for number in range(5)
    ]
    for process in processes:
        process.communicate(timeout=LIMIT_S)
    assert [process.returncode for process in processes] == [0] * 5


def test_what_cannot_be_had_is_said_at_once(tmp_path: Path) -> None:
    with hold_gpus(0, 1, print, lambda: False, folder=tmp_path / "none") as environment:
        assert environment == {}
    assert not (tmp_path / "none").exists()
    with (
        pytest.raises(LadderError, match=r"train@8k: needs 2 GPU\(s\), and 1 are visible here"),
        hold_gpus(2, 1, print, lambda: False, stage="train@8k", gpus=[Gpu("0", "a")], folder=tmp_path),
    ):
        pass
    (tmp_path / "link").symlink_to(tmp_path)
    with (
        pytest.raises(LadderError, match="link: is not a folder of this user's"),
        hold_gpus(1, 1, print, lambda: False, gpus=[Gpu("0", "a")], folder=tmp_path / "link"),
    ):
        pass


def test_uuids_stay_uuids(tmp_path: Path) -> None:
    mig = "MIG-GPU-5c/1/0"
    with hold_gpus(1, 1, print, lambda: False, gpus=[Gpu(mig, mig)], folder=tmp_path) as environment:
        assert environment == {"CUDA_VISIBLE_DEVICES": mig, MARK: environment[MARK]}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_the_error_says_so() -> None:
    with pytest.raises(LadderError, match="needs an NVIDIA GPU"):
        gpus_here()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_gpus_here_are_those_that_torch_sees() -> None:
    assert len(gpus_here()) == torch.cuda.device_count()
    first = gpus_here({"CUDA_VISIBLE_DEVICES": "0", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"})[0]
    assert gpus_here({"CUDA_VISIBLE_DEVICES": first.uuid}) == [Gpu(first.uuid, first.uuid)]
    assert gpus_here({"CUDA_VISIBLE_DEVICES": ""}) == []
