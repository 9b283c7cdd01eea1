"""Requests that fail are sent again: exponential backoff with full jitter, no earlier than the endpoint says.

Jitter: after n failures in a row a request waits a uniform share of min(longest, first * 2^(n - 1)) seconds, so that those which
failed together don't come back together (Brooker, "Exponential Backoff and Jitter", 2015). Retry-After holds for all of them.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from stages.endpoint.failure import Failed

Result = TypeVar("Result")
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Backoff:
    tries: int = 6
    first_s: float = 1.0
    longest_s: float = 60.0

    def wait_s(self, failures: int, uniform: float) -> float:
        """Seconds after so many failures in a row; `uniform` is a random number within [0, 1)."""
        return uniform * min(self.longest_s, self.first_s * 2.0 ** min(failures - 1, 30))


class Retries:
    """What the requests to one endpoint know of each other: how long all are to wait, and that all is given up."""

    def __init__(
        self,
        backoff: Backoff,
        say: Callable[[str], None] = lambda message: None,
        uniform: Callable[[], float] = random.random,
    ) -> None:
        self._backoff = backoff
        self._say = say
        self._uniform = uniform
        self._answered = 0
        self._not_before_s = 0.0
        self._given_up = asyncio.Event()

    async def call(self, attempt: Callable[[], Awaitable[Result]]) -> Result:
        """What `attempt` returns in the end. Raises its error where another try can't help or was one too many."""
        try:
            result = await self._call(attempt)
        except BaseException:
            self._given_up.set()
            raise
        self._answered += 1
        return result

    async def _call(self, attempt: Callable[[], Awaitable[Result]]) -> Result:
        failures, answered = 0, self._answered
        while True:
            await self._sleep(self._not_before_s - asyncio.get_running_loop().time())
            if self._given_up.is_set():
                raise Failed("another request was given up", again=False)
            try:
                return await attempt()
            except Failed as error:
                if error.busy and self._answered > answered:
                    failures = 0  # an endpoint with a narrow limit answers the others in the meantime: nothing is wrong
                failures, answered = failures + 1, self._answered
                if not error.again or failures >= self._backoff.tries or self._given_up.is_set():
                    raise
                until_s = asyncio.get_running_loop().time() + error.wait_s
                self._not_before_s = max(self._not_before_s, until_s)
                wait_s = error.wait_s + self._backoff.wait_s(failures, self._uniform())
                self._say(f"{error}; waits {wait_s:.1f} s (failed {failures} of {self._backoff.tries} times)")
                await self._sleep(wait_s)

    async def _sleep(self, seconds: float) -> None:
        """At most until all is given up."""
        if seconds > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._given_up.wait(), seconds)


async def for_each(items: Iterable[Item], at_once: int, act: Callable[[Item], Awaitable[None]]) -> None:
    """Act on every item, on so many at once. After an error none is begun; those under way end before it is raised."""
    waiting = iter(items)
    errors: list[Exception] = []

    async def work() -> None:
        for item in waiting:
            try:
                await act(item)
            except Exception as error:  # whatever it is: it is raised when the others have ended
                errors.append(error)
            if errors:
                return

    await asyncio.gather(*(work() for _ in range(at_once)))
    if errors:
        raise errors[0]
