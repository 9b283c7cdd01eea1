"""Responses that begin alike share their beginning in the forward pass of training, and short ones share a row.

The responses to a prompt are a tree: the prompt is its trunk, and two responses part at the first token in which they differ.
A row holds such trees, each token once, with a mask that lets a token see those on the way to it: the numbers are those of a
response a row, for a part of the tokens. (A group of the miniature shares three tokens of four.) A longer response has a row of
its own and no mask, since attention over a shared row grows with its square. A last token is not fed: it predicts nothing.

Shapes: R rows, S tokens of a row (padded on the right), N response tokens in the order of the responses.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

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
    mask_R1SS: torch.Tensor | None
    """Whether a token may see another; None where each sees all those before it."""
    before_N: torch.Tensor
    targets_N: torch.Tensor


@dataclass(slots=True)
class Row:
    """Trees of tokens, each token after the one that it follows."""

    members: list[int] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    followed: list[int] = field(default_factory=list)
    """The place of the token that each follows; ROOT for a prompt's first."""
    places: dict[tuple[int, int], int] = field(default_factory=dict)
    """The place of a token, by what it follows and by itself."""

    def new_tokens(self, rollout: Rollout) -> int:
        """How many tokens it would add."""
        place, fed = ROOT, _fed(rollout)
        for shared, token in enumerate(fed):
            found = self.places.get((place, token))
            if found is None:
                return len(fed) - shared
            place = found
        return 0

    def add(self, index: int, rollout: Rollout) -> None:
        self.members.append(index)
        place = ROOT
        for position, token in enumerate(_fed(rollout)):
            found = self.places.setdefault((place, token), len(self.ids))
            if found == len(self.ids):
                self.ids.append(token)
                self.positions.append(position)
                self.followed.append(place)
            place = found

    def path(self, rollout: Rollout) -> list[int]:
        """The places of its tokens."""
        place, path = ROOT, []
        for token in _fed(rollout):
            place = self.places[place, token]
            path.append(place)
        return path

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


def shared_rows(rollouts: Sequence[Rollout]) -> list[Row]:
    """All `rollouts`: the short ones as they fit, prompt by prompt, then the others, shortest first.

    Any run of these rows, its rollouts taken alone, is divided in the same rows.
    """
    lengths = [len(_fed(rollout)) for rollout in rollouts]
    seen: dict[tuple[int, ...], int] = {}
    ranks = [seen.setdefault(rollout.prompt.token_ids, len(seen)) for rollout in rollouts]

    def by_prompt_or_length(index: int) -> tuple[int, int]:
        return (0, ranks[index]) if lengths[index] <= SHARED_TOKENS else (lengths[index], 0)

    rows: list[Row] = []
    for index in sorted(range(len(rollouts)), key=by_prompt_or_length):
        if not rows or len(rows[-1].ids) + rows[-1].new_tokens(rollouts[index]) > SHARED_TOKENS:
            rows.append(Row())
        rows[-1].add(index, rollouts[index])
    return rows


def micro_batches(rollouts: Sequence[Rollout], micro_batch_tokens: int) -> Iterator[list[int]]:
    """The rollouts of as many rows at once as stay within `micro_batch_tokens` after padding."""
    batch: list[int] = []
    rows = longest = 0
    for row in shared_rows(rollouts):
        if batch and (rows + 1) * max(longest, len(row.ids)) > micro_batch_tokens:
            yield batch
            batch, rows, longest = [], 0, 0
        batch += row.members
        rows, longest = rows + 1, max(longest, len(row.ids))
    if batch:
        yield batch


def pack(rollouts: Sequence[Rollout], device: torch.device) -> Packed:
    rows = shared_rows(rollouts)
    longest = max(len(row.ids) for row in rows)
    before: list[list[int]] = [[] for _ in rollouts]
    for number, row in enumerate(rows):
        for index in row.members:
            rollout = rollouts[index]
            predicting = row.path(rollout)[len(rollout.prompt.token_ids) - 1 :]
            before[index] = [number * longest + place for place in predicting]
    mask_R1SS = None
    if not all(row.is_one_branch for row in rows):
        mask_R1SS = torch.from_numpy(np.stack([row.mask_SS(longest) for row in rows]))[:, None].to(device)
    return Packed(
        _padded([row.ids for row in rows], longest, device),
        _padded([row.positions for row in rows], longest, device),
        mask_R1SS,
        torch.tensor([place for places in before for place in places], device=device),
        torch.tensor([token for rollout in rollouts for token in rollout.token_ids], device=device),
    )


def _padded(rows: Sequence[list[int]], longest: int, device: torch.device) -> torch.Tensor:
    return torch.tensor([row + [0] * (longest - len(row)) for row in rows], device=device)
