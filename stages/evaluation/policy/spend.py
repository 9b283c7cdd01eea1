"""What a policy's answers cost, and a cap that holds: nothing is sent that could take the whole above it.

A request's worst is reserved before it is sent and settled when its reply says what it took. One that a kill, a time-out or a
broken connection left without a reply stays at its worst: it may have been billed. Both are noted in a journal of tokens, so that
the cap is on all that was ever spent on the policy, at the prices of today, however often it is killed and started again.

A prompt's worst is its UTF-8 bytes, of which no byte-level tokenizer makes more tokens, and a chat template around it.
"""

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from typing import Any

from stages.evaluation.policy.questions import Question
from stages.store.journal import Journal

TEMPLATE_TOKENS = 512
MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Tokens:
    """Of one request, or of several together."""

    prompt: int = 0
    completion: int = 0

    def __add__(self, other: "Tokens") -> "Tokens":
        return Tokens(self.prompt + other.prompt, self.completion + other.completion)


NONE = Tokens()


def worst(question: Question) -> Tokens:
    """More than a request can take of an endpoint that keeps to max_tokens."""
    return Tokens(len(question.prompt.encode("utf-8", "surrogatepass")) + TEMPLATE_TOKENS, question.max_tokens)


@dataclass(frozen=True, slots=True)
class Prices:
    """In US dollars a million tokens. Decimals: a sum of floats may pass a cap by its rounding."""

    prompt: Decimal = Decimal(0)
    completion: Decimal = Decimal(0)

    def usd(self, tokens: Tokens) -> Decimal:
        return (tokens.prompt * self.prompt + tokens.completion * self.completion) / MILLION


class Capped(Exception):
    """The next request could cost more than the cap leaves."""


class Spend:
    """All that was spent on a policy, earlier runs included. `cap_usd` None: no cap."""

    def __init__(self, journal: Journal, prices: Prices, cap_usd: Decimal | None) -> None:
        self._journal = journal
        self._prices = prices
        self._cap_usd = cap_usd
        noted = {row["request"]: Tokens(row["prompt"], row["completion"]) for row in journal.rows() if _valid(row)}
        self._requests = count(max(noted, default=-1) + 1)
        self._settled = sum(noted.values(), NONE)
        self._in_flight: dict[int, Tokens] = {}
        self._changed = asyncio.Event()

    @property
    def tokens(self) -> Tokens:
        """Those in flight at their worst."""
        return sum(self._in_flight.values(), self._settled)

    @property
    def usd(self) -> Decimal:
        return self._prices.usd(self.tokens)

    async def reserve(self, most: Tokens) -> int:
        """Wait until the cap leaves room for `most`; returns the request's number. Raises Capped where it never will."""
        while self._cap_usd is not None and self._prices.usd(self.tokens + most) > self._cap_usd:
            if not self._in_flight:
                raise Capped
            self._changed.clear()
            await self._changed.wait()
        request = next(self._requests)
        self._note(request, most)
        self._in_flight[request] = most
        return request

    def settle(self, request: int, took: Tokens) -> None:
        """The request has ended, and took this."""
        del self._in_flight[request]
        self._settled += took
        self._note(request, took)
        self._changed.set()

    def _note(self, request: int, tokens: Tokens) -> None:
        self._journal.add({"request": request, "prompt": tokens.prompt, "completion": tokens.completion})


def _valid(row: dict[str, Any]) -> bool:
    return all(type(row.get(name)) is int for name in ("request", "prompt", "completion"))
