"""Nominal floating point operations of a transformer, as in the PaLM paper's appendix B (arXiv 2204.02311).

A token costs 2 a parameter of the matrix products on its way forward, and attention 4 a layer, position seen and unit of width;
backwards costs twice as much again. Nominal: what sharing of beginnings saves, and padding or recomputing costs, is not in it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

TRAINING = 3  # times a forward pass


@dataclass(frozen=True, slots=True)
class ModelShape:
    """`matmul_parameters` are those that multiply every token, the output head among them and the input embedding not;
    `attention_width` is heads x their size."""

    matmul_parameters: int
    layers: int
    attention_width: int


def forward_flops(shape: ModelShape, lengths: Iterable[int]) -> float:
    """Of sequences of so many tokens, each token seeing those before it and itself."""
    total = 0.0
    for length in lengths:
        seen = length * (length + 1) / 2
        total += 2.0 * shape.matmul_parameters * length + 4.0 * shape.layers * shape.attention_width * seen
    return total
