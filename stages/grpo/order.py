"""In which order a rung visits its problems: each once an epoch, the epochs' orders decided by the seed and laid end to end."""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from stages.randomness import rng


class ProblemOrder:
    """A cursor on that order. `position` is the number of visits so far: all of its state."""

    def __init__(self, total: int, seed: int, rung: str) -> None:
        self.position = 0
        self._total = total
        self._epoch = lru_cache(maxsize=2)(lambda epoch: rng(seed, "order", rung, epoch).permutation(total))

    def visit(self, count: int) -> Iterator[int]:
        """The next `count` problems, as indices."""
        for _ in range(count):
            epoch, place = divmod(self.position, self._total)
            order: np.ndarray = self._epoch(epoch)
            self.position += 1
            yield int(order[place])
