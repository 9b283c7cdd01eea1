"""Short responses share a row, and responses to one prompt share its tokens: what the forward pass of training is given.

A row holds prompts, each followed by its responses, and a mask that lets a response see its prompt and itself: the numbers are
those of one response a row, for half the tokens where prompts are as long as answers. Longer responses have a row of their own and
no mask, since attention over a packed row grows with its square. A response's last token is not fed: it predicts nothing.

Shapes: R rows, S tokens of a row (padded on the right), N response tokens in the order of the responses.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch

from stages.engines.protocols import Rollout

PACKED_TOKENS = 256  # of a shared row


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
class _Row:
    ids: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    prompts: list[int] = field(default_factory=list)
    """By token, the prompt that it belongs to, and the response: 0 for the prompt itself."""
    responses: list[int] = field(default_factory=list)
    ends: dict[tuple[int, ...], int] = field(default_factory=dict)
    """The place of each prompt's last token."""

    def add(self, rollout: Rollout) -> list[int]:
        """The places whose hidden states predict the response's tokens."""
        prompt, fed = rollout.prompt.token_ids, rollout.token_ids[:-1]
        if prompt not in self.ends:
            self._extend(prompt, 0, len(self.ends), 0)
            self.ends[prompt] = len(self.ids) - 1
        start = len(self.ids)
        self._extend(fed, len(prompt), list(self.ends).index(prompt), start)
        return [self.ends[prompt], *range(start, start + len(fed))]

    def _extend(self, tokens: Sequence[int], position: int, prompt: int, response: int) -> None:
        self.ids += tokens
        self.positions += range(position, position + len(tokens))
        self.prompts += [prompt] * len(tokens)
        self.responses += [response] * len(tokens)


def shared_rows(rollouts: Sequence[Rollout]) -> list[list[int]]:
    """Which rollouts share a row: the short ones as they fit, prompt by prompt, then the others, shortest first.

    Any run of these rows, its rollouts taken alone, is divided in the same rows.
    """
    lengths = [len(rollout.prompt.token_ids) + len(rollout.token_ids) - 1 for rollout in rollouts]
    seen: dict[tuple[int, ...], int] = {}
    ranks = [seen.setdefault(rollout.prompt.token_ids, len(seen)) for rollout in rollouts]
    order = sorted(
        range(len(rollouts)),
        key=lambda index: (lengths[index], 0) if lengths[index] > PACKED_TOKENS else (0, ranks[index]),
    )
    rows: list[list[int]] = []
    filled, prompts = PACKED_TOKENS, set[tuple[int, ...]]()
    for index in order:
        prompt = rollouts[index].prompt.token_ids
        more = lengths[index] - (len(prompt) if prompt in prompts else 0)
        if filled + more > PACKED_TOKENS:
            filled, prompts, more = 0, set(), lengths[index]
            rows.append([])
        rows[-1].append(index)
        filled += more
        prompts.add(prompt)
    return rows


def micro_batches(rollouts: Sequence[Rollout], micro_batch_tokens: int) -> Iterator[list[int]]:
    """The rollouts of as many rows at once as stay within `micro_batch_tokens` after padding."""
    batch: list[int] = []
    rows = longest = 0
    for members in shared_rows(rollouts):
        length = _length([rollouts[index] for index in members])
        if batch and (rows + 1) * max(longest, length) > micro_batch_tokens:
            yield batch
            batch, rows, longest = [], 0, 0
        batch += members
        rows, longest = rows + 1, max(longest, length)
    if batch:
        yield batch


def _length(rollouts: Sequence[Rollout]) -> int:
    prompts = {rollout.prompt.token_ids for rollout in rollouts}
    return sum(map(len, prompts)) + sum(len(rollout.token_ids) - 1 for rollout in rollouts)


def pack(rollouts: Sequence[Rollout], device: torch.device) -> Packed:
    rows = []
    places: list[list[int]] = [[] for _ in rollouts]
    row_of = [0] * len(rollouts)
    for members in shared_rows(rollouts):
        row = _Row()
        for index in members:
            places[index], row_of[index] = row.add(rollouts[index]), len(rows)
        rows.append(row)
    longest = max(len(row.ids) for row in rows)
    before = [row * longest + place for row, own in zip(row_of, places, strict=True) for place in own]
    mask_R1SS = None
    if any(len(row.ends) > 1 or len(set(row.responses)) > 2 for row in rows):
        prompts_RS = _padded([row.prompts for row in rows], longest, -1, device)
        responses_RS = _padded([row.responses for row in rows], longest, 0, device)
        own_RSS = (responses_RS[:, None] == 0) | (responses_RS[:, None] == responses_RS[:, :, None])
        mask_R1SS = (own_RSS & (prompts_RS[:, None] == prompts_RS[:, :, None])).tril()[:, None]
    return Packed(
        _padded([row.ids for row in rows], longest, 0, device),
        _padded([row.positions for row in rows], longest, 0, device),
        mask_R1SS,
        torch.tensor(before, device=device),
        torch.tensor([token for rollout in rollouts for token in rollout.token_ids], device=device),
    )


def _padded(rows: Sequence[list[int]], longest: int, filler: int, device: torch.device) -> torch.Tensor:
    return torch.tensor([row + [filler] * (longest - len(row)) for row in rows], device=device)
