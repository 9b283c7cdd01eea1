"""The processes that share a rung: one, or as many as `operations.devices`, each with a device of its own.

What one knows and the others need travels as Python objects of our own making, by torch.distributed's object collectives.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar

import torch.distributed

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ranks:
    rank: int
    world: int

    @property
    def is_main(self) -> bool:
        """Whether this process grades, reports and writes."""
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
