"""The processes that share a rung: one, or as many as `operations.devices`, each with a device of its own.

What one knows and the others need travels as Python objects of our own making, by torch.distributed's object collectives.
"""

import atexit
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from typing import TypeVar

import torch.distributed

from stages.errors import LadderError

# A rank may wait long for one whose answers are longer; a rank that ended is noticed by the launcher, not by waiting.
LONGEST_WAIT = timedelta(hours=6)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ranks:
    rank: int
    world: int

    @property
    def is_main(self) -> bool:
        """Whether this process reports and writes."""
        return self.rank == 0

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """This rank's part of `items`, consecutive ones; the parts of all ranks in order are `items`."""
        bounds = [rank * len(items) // self.world for rank in (self.rank, self.rank + 1)]
        return items[bounds[0] : bounds[1]]

    def gather(self, items: list[T]) -> list[T]:
        """All ranks' `items` in the order of ranks, on every rank."""
        if self.world == 1:
            return items
        parts: list[list[T]] = [[] for _ in range(self.world)]
        torch.distributed.all_gather_object(parts, items)
        return list(chain.from_iterable(parts))

    def from_main(self, value: T) -> T:
        """The main rank's `value`, on every rank."""
        if self.world == 1:
            return value
        box = [value]
        torch.distributed.broadcast_object_list(box, src=0)
        return box[0]


ALONE = Ranks(0, 1)


def init_ranks(device: str) -> Ranks:
    """Join the ranks that `run_ranks` started this process among; `ALONE` where it was started by itself."""
    if "WORLD_SIZE" not in os.environ:
        return ALONE
    ranks = Ranks(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))
    if device == "cuda":
        if torch.cuda.device_count() < ranks.world:
            raise LadderError(
                f"params.yaml: operations.devices: {ranks.world}, but torch finds {torch.cuda.device_count()} GPUs; set it to "
                "that or fewer"
            )
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    torch.distributed.init_process_group(
        _backend(device), timeout=LONGEST_WAIT, rank=ranks.rank, world_size=ranks.world
    )
    return ranks


def init_alone(device: str) -> None:
    """Make this process a group of one, where what it calls wants a process group and there is none (vLLM may have made one)."""
    os.environ.setdefault("LOCAL_RANK", "0")  # DeepSpeed asks for it
    if not torch.distributed.is_initialized():
        store = torch.distributed.HashStore()  # type: ignore[attr-defined]  # documented, not in __all__
        torch.distributed.init_process_group(_backend(device), store=store, rank=0, world_size=1)
        atexit.register(torch.distributed.destroy_process_group)  # NCCL warns where it is left to the interpreter


def _backend(device: str) -> str:
    """Tensors by NCCL on GPUs; by gloo on a CPU, and Python objects always."""
    return "cpu:gloo,cuda:nccl" if device == "cuda" else "gloo"
