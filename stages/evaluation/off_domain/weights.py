"""How far a checkpoint's weights have come from the base's: ||w - w0|| / ||w0||, L2 over all tensors, and of each.

Tensor by tensor from the files, in float64: no model is built, and no two tensors are in memory at once.
"""

import math
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from stages.errors import LadderError

CHUNK_NUMBERS = 1 << 24  # 128 MiB in float64


@dataclass(frozen=True, slots=True)
class Distance:
    """`relative` is of all tensors together; `furthest` is the tensor that has come furthest by its own measure."""

    relative: float
    furthest: str
    furthest_relative: float


def distance(checkpoint: Path, base: Path) -> Distance:
    """From the weights in the folder `base` to those in `checkpoint`. Raises LadderError where they are of other shapes."""
    moved, lengths = 0.0, 0.0
    furthest, furthest_relative = "", -1.0
    for name, weights, base_weights in _pairs(checkpoint, base):
        gap, length = _squares(weights, base_weights)
        moved, lengths = moved + gap, lengths + length
        relative = math.sqrt(gap / length) if length else 0.0 if gap == 0 else math.inf
        if relative > furthest_relative and relative != math.inf:  # from zeros any way is infinitely far
            furthest, furthest_relative = name, relative
    if lengths == 0:
        raise LadderError(f"{base}: all weights are 0: no distance is measured from them; make the base anew")
    return Distance(math.sqrt(moved / lengths), furthest, furthest_relative)


def _squares(weights: torch.Tensor, base_weights: torch.Tensor) -> tuple[float, float]:
    """||w - w0||^2 and ||w0||^2."""
    gap = length = 0.0
    for part, base_part in zip(
        weights.flatten().split(CHUNK_NUMBERS), base_weights.flatten().split(CHUNK_NUMBERS), strict=True
    ):
        gap += float((part.double() - base_part.double()).square().sum())
        length += float(base_part.double().square().sum())
    return gap, length


def _pairs(checkpoint: Path, base: Path) -> Iterator[tuple[str, torch.Tensor, torch.Tensor]]:
    """Every tensor by its name, in both folders."""
    with ExitStack() as stack:
        ours, theirs = _opened(checkpoint, stack), _opened(base, stack)
        if ours.keys() != theirs.keys():
            name = min(ours.keys() ^ theirs.keys())
            raise LadderError(
                f"{checkpoint}: tensor {name!r} is there or in {base} alone: one is not made of the other"
            )
        for name in sorted(ours):
            weights, base_weights = ours[name].get_tensor(name), theirs[name].get_tensor(name)
            if weights.shape != base_weights.shape:
                raise LadderError(
                    f"{checkpoint}: tensor {name!r} is {tuple(weights.shape)}, in {base} {tuple(base_weights.shape)}: one is "
                    "not made of the other"
                )
            yield name, weights, base_weights


def _opened(folder: Path, stack: ExitStack) -> dict[str, Any]:
    """By each tensor's name the file that holds it; a large model lies in several."""
    files: dict[str, Any] = {}
    try:
        for path in sorted(folder.glob("*.safetensors")):
            file = stack.enter_context(safe_open(path, framework="pt"))
            files |= dict.fromkeys(file.keys(), file)
    except (OSError, SafetensorError) as error:
        raise LadderError(f"{folder}: not a checkpoint ({error}); `dvc checkout {folder}` restores it") from None
    if not files:
        raise LadderError(f"{folder}: no weights (*.safetensors); `dvc checkout {folder}` restores it")
    return files
