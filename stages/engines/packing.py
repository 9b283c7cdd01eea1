"""Responses that begin alike share their beginning in the forward pass of training, and short ones share a row.

The responses to a prompt are a tree: the prompt is its trunk, and two responses part at the first token in which they differ.
A row holds such trees, each token once, with a mask that lets a token see those on the way to it: the numbers are those of a
response a row, for a part of the tokens. (A group of the miniature shares three tokens of four.) A longer response has a row of
its own and no mask, since attention over a shared row grows with its square. A last token is not fed: it predicts nothing.

Shapes: R rows, S tokens of a row (padded on the right), N response tokens in the order of the responses.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from stages.engines.protocols import Rollout

SHARED_TOKENS = 192  # of a row with several responses
ROOT = -1


@dataclass(frozen=True, slots=True)
class Packed:
    """Rows for the model; `before_N` are the places (in R x S, flat) whose hidden states predict the tokens `targets_N`."""

    ids_RS: torch.Tensor
    positions_RS: torch.Tensor
    seen: Mapping[str, Any]
    """What tells the model's attention which tokens a token may see; nothing where each sees all those before it."""
    before_N: torch.Tensor
    targets_N: torch.Tensor


@dataclass(slots=True)
class Row:
    """Trees of tokens, each token after the one that it follows; made of rollouts in lexical order: neighbours share most."""

    ids: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    followed: list[int] = field(default_factory=list)
    """The place of the token that each follows; ROOT for a prompt's first."""
    paths: dict[int, list[int]] = field(default_factory=dict)
    """The places of a rollout's tokens."""
    last: tuple[int, ...] = ()

    def new_tokens(self, fed: tuple[int, ...]) -> int:
        """How many tokens it would add."""
        return len(fed) - _shared(self.last, fed)

    def add(self, index: int, fed: tuple[int, ...]) -> None:
        shared, start = _shared(self.last, fed), len(self.ids)
        path = next(reversed(self.paths.values()))[:shared] if shared else []
        if shared < len(fed):
            self.followed += [path[-1] if path else ROOT, *range(start, start + len(fed) - shared - 1)]
        self.ids += fed[shared:]
        self.positions += range(shared, len(fed))
        self.paths[index] = [*path, *range(start, len(self.ids))]
        self.last = fed

    @property
    def is_one_branch(self) -> bool:
        return self.positions[-1] == len(self.ids) - 1

    def mask_SS(self, longest: int) -> np.ndarray:
        """A token sees itself and what the token sees that it follows; padding sees itself."""
        mask_SS = np.eye(longest, dtype=bool)
        for place, followed in enumerate(self.followed):
            if followed != ROOT:
                mask_SS[place] |= mask_SS[followed]
        return mask_SS


def _fed(rollout: Rollout) -> tuple[int, ...]:
    return rollout.prompt.token_ids + rollout.token_ids[:-1]


def _shared(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    """How many tokens both begin with."""
    for position, (token, another) in enumerate(zip(one, other, strict=False)):
        if token != another:
            return position
    return min(len(one), len(other))


def shared_rows(rollouts: Sequence[Rollout]) -> list[Row]:
    """All `rollouts`: the short ones in lexical order, as they fit, then the others, shortest first.

    Any run of these rows, its rollouts taken alone, is divided in the same rows.
    """
    fed = [_fed(rollout) for rollout in rollouts]
    short = [index for index, tokens in enumerate(fed) if len(tokens) <= SHARED_TOKENS]
    long = [index for index, tokens in enumerate(fed) if len(tokens) > SHARED_TOKENS]
    rows: list[Row] = []
    for index in sorted(short, key=fed.__getitem__) + sorted(long, key=lambda index: len(fed[index])):
        if not rows or len(rows[-1].ids) + rows[-1].new_tokens(fed[index]) > SHARED_TOKENS:
            rows.append(Row())
        rows[-1].add(index, fed[index])
    return rows


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """Rollouts (by their numbers) that one pass takes, the positions that it computes and those of them that are padding."""

    rollouts: list[int]
    computed_tokens: int
    padding_tokens: int


def micro_batches(rollouts: Sequence[Rollout], micro_batch_tokens: int) -> Iterator[MicroBatch]:
    """The rollouts of as many rows at once as stay within `micro_batch_tokens` after padding; none has both kinds of rows."""
    batch: list[int] = []
    rows = longest = tokens = 0
    for row in shared_rows(rollouts):
        first_long = longest <= SHARED_TOKENS < len(row.ids)  # the shared rows before it need a mask, it needs none
        if batch and (first_long or (rows + 1) * max(longest, len(row.ids)) > micro_batch_tokens):
            yield MicroBatch(batch, rows * longest, rows * longest - tokens)
            batch, rows, longest, tokens = [], 0, 0, 0
        batch += row.paths
        rows, longest, tokens = rows + 1, max(longest, len(row.ids)), tokens + len(row.ids)
    if batch:
        yield MicroBatch(batch, rows * longest, rows * longest - tokens)


def pack(rollouts: Sequence[Rollout], device: torch.device) -> Packed:
    rows = shared_rows(rollouts)
    longest = max(len(row.ids) for row in rows)
    before: list[list[int]] = [[] for _ in rollouts]
    for number, row in enumerate(rows):
        for index, path in row.paths.items():
            predicting = path[len(rollouts[index].prompt.token_ids) - 1 :]
            before[index] = [number * longest + place for place in predicting]
    seen = {}
    if not all(row.is_one_branch for row in rows):
        mask_R1SS = torch.from_numpy(np.stack([row.mask_SS(longest) for row in rows]))[:, None].to(device)
        seen = {"attention_mask": mask_R1SS}
    return Packed(
        _padded([row.ids for row in rows], longest, device),
        _padded([row.positions for row in rows], longest, device),
        seen,
        torch.tensor([place for places in before for place in places], device=device),
        torch.tensor([token for rollout in rollouts for token in rollout.token_ids], device=device),
    )


def _padded(rows: Sequence[list[int]], longest: int, device: torch.device) -> torch.Tensor:
    return torch.tensor([row + [0] * (longest - len(row)) for row in rows], device=device)
