"""Which GPUs of this host a stage gets: as many as it needs, each its own unless `operations.stages_per_gpu` lets others on it.

It holds for all processes of this user on this host, whatever started them, and outlives none of them: a GPU has a lock file for
each share that there can be (`UUID.0.lock`, ...) in one folder of the host. A stage that lets N onto its GPUs locks one of the
first N shares, and shuts the shares behind them by a shared lock: who would let more on waits until it has ended.

A stage takes all its GPUs or none, in the order of asking (flows/turns.py): two never wait for each other's half, and one that
needs several is not passed by for ever.

A flow that is killed leaves its locks to the kernel at once, and its trainer a few seconds more to end. So a child is marked
through its environment, and whoever finds the record of a dead holder waits until nothing with that mark runs any more.
"""

import itertools
import json
import os
import stat
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import psutil

from flows.turns import in_line
from stages.errors import LadderError
from stages.gpus import BY_PLACE, ORDER, VISIBLE, Gpu, handles_and_gpus
from stages.process import process_began, try_lock

FOLDER = Path(f"/tmp/grpo-ladder-gpus-{os.getuid()}")  # not TMPDIR's: all processes of this host have to meet
MOST_SHARES = 16  # the bound of operations.stages_per_gpu
POLL_S = 0.2
MARK = "LADDER_GPU_HOLDER"


@dataclass(frozen=True, slots=True)
class _Share:
    gpu: Gpu
    files: list[TextIO]
    """The lock of this share, then those that shut the shares behind the last that may be taken."""


@contextmanager
def hold_gpus(
    count: int,
    per_gpu: int,
    waits: Callable[[str], None],
    stopped: Callable[[], bool],
    *,
    stage: str = "a stage",
    gpus: Sequence[Gpu] | None = None,
    folder: Path = FOLDER,
) -> Iterator[dict[str, str]]:
    """Hold `count` GPUs with at most `per_gpu` stages on each, and yield what to add to the child's environment.

    While there are not enough, `waits` is told once for whom. `gpus` are those to choose from, by default all that this process
    may use. Raises LadderError where there are fewer than `count` of them, and soon after `stopped` says so.
    """
    if count == 0:
        yield {}
        return
    seen = gpus_here() if gpus is None else gpus
    if len(seen) < count:
        raise LadderError(
            f"{stage}: needs {count} GPU(s), and {len(seen)} are visible here ({VISIBLE} {os.environ.get(VISIBLE)!r}); use "
            "fewer operations.devices, or show it more"
        )
    _check_folder(folder)
    request = _Request(count, per_gpu, seen, folder, stage, waits, stopped)
    mark = uuid.uuid4().hex
    with ExitStack() as held:
        with in_line(folder, [gpu.uuid for gpu in seen]) as is_our_turn:
            shares = request.shares(is_our_turn)
            held.callback(_close, [file for share in shares for file in share.files])
            request.await_children_of_the_dead(shares)
            for share in shares:
                held.callback(share.files[0].truncate, 0)
                json.dump({"pid": os.getpid(), "stage": stage, "mark": mark}, share.files[0])
                share.files[0].flush()
        yield _environment(sorted((share.gpu for share in shares), key=seen.index), mark)


def gpus_here(environment: Mapping[str, str] = os.environ) -> list[Gpu]:
    """The GPUs that a process with `environment` may use, by NVML. Raises LadderError where it doesn't tell them."""
    import pynvml

    if VISIBLE not in environment:  # their numbers are ours to choose, and NVML's are by place
        environment = {**environment, ORDER: BY_PLACE}
    try:
        pynvml.nvmlInit()
        try:
            return [gpu for _, gpu in handles_and_gpus(pynvml, environment)]
        finally:
            pynvml.nvmlShutdown()
    except pynvml.NVMLError as error:
        raise LadderError(f"engine.device: 'cuda' needs an NVIDIA GPU and its driver, but NVML says: {error}") from None


@dataclass(frozen=True, slots=True)
class _Request:
    count: int
    per_gpu: int
    seen: Sequence[Gpu]
    folder: Path
    stage: str
    waits: Callable[[str], None]
    stopped: Callable[[], bool]

    def shares(self, is_our_turn: Callable[[], bool]) -> list[_Share]:
        """As soon as there are enough."""
        for look in itertools.count():
            if self.stopped():
                break
            if is_our_turn() and (shares := self._take()):
                return shares
            if look == 1:  # at the first one others may just have been taking theirs
                self.waits(f"waits for {self.count} GPU(s), {self._holders()}")
            time.sleep(POLL_S)
        raise LadderError(f"{self.stage}: not begun, the flow was stopped")

    def _take(self) -> list[_Share]:
        """A share each of `count` GPUs, those with the fewest stages first; none where there are not enough."""
        taken: dict[str, _Share] = {}
        for number in range(self.per_gpu):
            for gpu in self.seen:
                if len(taken) < self.count and gpu.uuid not in taken and (share := self._take_share(gpu, number)):
                    taken[gpu.uuid] = share
        if len(taken) == self.count:
            return list(taken.values())
        for share in taken.values():
            _close(share.files)
        return []

    def _take_share(self, gpu: Gpu, number: int) -> _Share | None:
        locks = [try_lock(self._path(gpu, number))]
        locks += [try_lock(self._path(gpu, shut), shared=True) for shut in range(self.per_gpu, MOST_SHARES)]
        files = [lock for lock in locks if lock is not None]
        if len(files) == len(locks):
            return _Share(gpu, files)
        _close(files)
        return None

    def await_children_of_the_dead(self, shares: Sequence[_Share]) -> None:
        """A record in a file that we could lock is one that its holder had no time to take back."""
        told = False
        for file in [file for share in shares for file in share.files]:
            record = _read(file)
            while record and (left := _marked(record["mark"])):
                if self.stopped():
                    raise LadderError(f"{self.stage}: not begun, the flow was stopped")
                if not told:
                    self.waits(f"waits for process {left[0]} to end, which a killed {record['stage']} left on the GPU")
                    told = True
                time.sleep(POLL_S)
            file.truncate(0)

    def _holders(self) -> str:
        records = []
        for path in [self._path(gpu, number) for gpu in self.seen for number in range(MOST_SHARES)]:
            if path.exists():
                with path.open() as file:
                    records.append(_read(file))
        living = [record for record in records if record and process_began(record["pid"]) is not None]
        told = sorted({f"{record['stage']} (process {record['pid']})" for record in living})
        return f"held by {', '.join(told)}" if told else "behind others who wait"

    def _path(self, gpu: Gpu, number: int) -> Path:
        return self.folder / f"{gpu.uuid.replace('/', '_')}.{number}.lock"  # old names of MIG instances have slashes


def _marked(mark: str) -> list[int]:
    """The processes that run with `mark` in their environment."""
    everybody = psutil.process_iter(["environ"])
    return [process.pid for process in everybody if (process.info["environ"] or {}).get(MARK) == mark]


def _environment(gpus: Sequence[Gpu], mark: str) -> dict[str, str]:
    order = {ORDER: BY_PLACE} if gpus[0].entry.isdigit() else {}  # as NVML numbers them
    return {VISIBLE: ",".join(gpu.entry for gpu in gpus), MARK: mark} | order


def _read(file: TextIO) -> dict[str, Any] | None:
    """What a holder has written; None where nobody has, or not yet whole."""
    file.seek(0)
    try:
        record: dict[str, Any] = json.loads(file.read())
    except ValueError:
        return None
    return record


def _close(files: Sequence[TextIO]) -> None:
    for file in files:
        file.close()


def _check_folder(folder: Path) -> None:
    """Raises LadderError where somebody else could have put it there."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise LadderError(f"{folder}: is not a folder of this user's; move it away, a new one is made")
