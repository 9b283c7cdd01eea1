"""The sums of a mini-batch's parts, kept where they are made: to read each would have a GPU wait for the CPU, part by part."""

import math

import torch

from stages.engines.objective import LossSums


class Tally:
    """Adds in float64, in the order of the parts."""

    def __init__(self) -> None:
        self._loss: torch.Tensor | float = 0.0
        self._sums: dict[str, torch.Tensor | float] = {}
        self._maxima: dict[str, torch.Tensor] = {}

    def add(self, found: LossSums) -> None:
        self._loss = self._loss + found.loss.detach().double()
        for name, value in found.sums.items():
            self._sums[name] = self._sums.get(name, 0.0) + value.double()
        for name, value in found.maxima.items():
            before = self._maxima.get(name, torch.full_like(value, -math.inf))
            self._maxima[name] = torch.fmax(before, value)  # of those that are numbers

    def read(self) -> tuple[float, dict[str, float], dict[str, float]]:
        """Loss, sums and maxima."""
        sums = {name: float(value) for name, value in self._sums.items()}
        return float(self._loss), sums, {name: value.item() for name, value in self._maxima.items()}
