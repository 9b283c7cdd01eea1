"""When a request is sent again, when it is given up, and who waits for whom."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.endpoint.failure import Failed
from stages.endpoint.retries import Backoff, Retries, for_each

QUICK = Backoff(tries=3, first_s=0.001, longest_s=0.002)


def failing(times: int, log: list[str], **how: object) -> Callable[[], Awaitable[str]]:
    """Fails so many times, then answers."""

    async def attempt() -> str:
        if len(log) < times:
            log.append("failed")
            raise Failed("no", **({"again": True} | how))  # type: ignore[arg-type]
        log.append("answered")
        return "yes"

    return attempt


def call(attempt: Callable[[], Awaitable[str]], say: Callable[[str], None] = lambda message: None) -> str:
    async def run() -> str:
        return await Retries(QUICK, say).call(attempt)

    return asyncio.run(run())


def test_it_doubles_up_to_the_longest() -> None:
    backoff = Backoff(tries=9, first_s=1.0, longest_s=10.0)
    assert [backoff.wait_s(failures, 1.0) for failures in range(1, 7)] == [1, 2, 4, 8, 10, 10]
    assert backoff.wait_s(3, 0.25) == 1.0
    assert backoff.wait_s(10**9, 0.5) == 5.0


@given(st.integers(1, 10**6), st.floats(0, 1, exclude_max=True))
def test_jitter_is_full(failures: int, uniform: float) -> None:
    assert 0 <= Backoff().wait_s(failures, uniform) <= Backoff().longest_s


def test_it_is_sent_again_as_often_as_allowed() -> None:
    log: list[str] = []
    said: list[str] = []
    assert call(failing(2, log), said.append) == "yes" and log == ["failed", "failed", "answered"]
    assert "(failed 1 of 3 times)" in said[0] and len(said) == 2
    log = []
    with pytest.raises(Failed):
        call(failing(3, log))
    assert len(log) == 3


def test_what_can_not_do_better_is_not_sent_again() -> None:
    log: list[str] = []
    with pytest.raises(Failed):
        call(failing(1, log, again=False))
    assert log == ["failed"]


@pytest.mark.parametrize(("busy", "tries"), [(True, 12), (False, 3)])
def test_a_narrow_limit_is_no_failure_while_others_are_answered(busy: bool, tries: int) -> None:
    log: list[str] = []

    async def run() -> str:
        retries = Retries(QUICK)
        refused = failing(11, log, busy=busy)

        async def attempt() -> str:
            await retries.call(failing(0, []))  # another one is answered
            return await refused()

        return await retries.call(attempt)

    if busy:
        assert asyncio.run(run()) == "yes"
    else:
        with pytest.raises(Failed):
            asyncio.run(run())
    assert len(log) == tries


def test_a_limit_that_lets_nobody_through_is_one() -> None:
    log: list[str] = []
    with pytest.raises(Failed):
        call(failing(9, log, busy=True))
    assert len(log) == 3


def test_all_wait_as_long_as_one_was_asked_to() -> None:
    async def run() -> tuple[float, list[float]]:
        retries, sent_s = Retries(QUICK), []
        clock = asyncio.get_running_loop().time
        refused_s = clock()

        async def one() -> str:
            sent_s.append(clock())
            if len(sent_s) == 1:
                raise Failed("busy", again=True, busy=True, wait_s=0.2)
            return "yes"

        async def other() -> None:
            while not sent_s:
                await asyncio.sleep(0)
            await retries.call(one)

        await asyncio.gather(retries.call(one), other())
        return refused_s, sent_s

    refused_s, sent_s = asyncio.run(run())
    assert len(sent_s) == 3 and min(sent_s[1:]) >= refused_s + 0.2


def test_giving_up_wakes_who_waits() -> None:
    log: list[str] = []

    async def run() -> None:
        retries = Retries(Backoff(tries=3, first_s=500.0, longest_s=500.0), uniform=lambda: 1.0)
        waiting = asyncio.create_task(retries.call(failing(9, log)))
        await asyncio.sleep(0.01)
        with pytest.raises(Failed):
            await retries.call(failing(1, [], again=False))
        with pytest.raises(Failed):
            await waiting

    asyncio.run(asyncio.wait_for(run(), 60))
    assert log == ["failed"]


def test_after_giving_up_nothing_is_sent() -> None:
    log: list[str] = []

    async def run() -> None:
        retries = Retries(QUICK)
        for _ in range(2):
            with pytest.raises(Failed):
                await retries.call(failing(9, log, again=False))

    asyncio.run(run())
    assert log == ["failed"]


@given(st.integers(0, 30), st.integers(1, 8))
def test_no_more_than_so_many_at_once(items: int, at_once: int) -> None:
    under_way, most, done = 0, 0, []

    async def act(item: int) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        done.append(item)

    asyncio.run(for_each(range(items), at_once, act))
    assert sorted(done) == list(range(items)) and most == min(items, at_once)


def test_after_an_error_what_is_under_way_ends_and_nothing_begins() -> None:
    begun, ended = [], []

    async def act(item: int) -> None:
        begun.append(item)
        if item == 2:
            raise ValueError(item)
        for _ in range(5):
            await asyncio.sleep(0)
        ended.append(item)

    with pytest.raises(ValueError, match="2"):
        asyncio.run(for_each(range(100), 4, act))
    assert begun == [0, 1, 2, 3] and ended == [0, 1, 3]
