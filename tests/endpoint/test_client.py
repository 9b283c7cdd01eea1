"""One request to a real server: what it may end with, and that nothing but a header has the key."""

import asyncio
import gzip
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.endpoint.client import Client, checked_url, retry_after_s
from stages.endpoint.failure import Failed, Unreadable
from stages.endpoint.key import key_of, without
from stages.endpoint.reply import Reply
from stages.errors import LadderError
from tests.endpoint.served import Response, Served, completion, serve

KEY = "sk-0123456789abcdef"
MOST_BYTES = 100_000


@pytest.fixture
def server() -> Iterator[Served]:
    with serve() as served:
        yield served


def chat(url: str, timeout_s: float = 30.0, key: str | None = KEY) -> Reply:
    async def ask() -> Reply:
        async with Client(url, key, timeout_s, MOST_BYTES, at_once=4) as client:
            return await client.chat({"model": "m", "messages": []})

    return asyncio.run(ask())


def failed(url: str, timeout_s: float = 30.0) -> Failed:
    with pytest.raises(Failed) as raised:
        chat(url, timeout_s)
    assert KEY not in str(raised.value) and "\n" not in str(raised.value) and len(str(raised.value)) < 500
    return raised.value


def test_a_reply(server: Served) -> None:
    server.answer = lambda body: Response(completion("It is 4.", reasoning="2 + 2"))
    assert chat(server.url) == Reply("It is 4.", "2 + 2", False, 7, 5)
    assert chat(server.url + "/", key=None).content == "It is 4."
    assert server.keys == [f"Bearer {KEY}", None]
    assert {body["path"] for body in server.asked} == {"/v1/chat/completions"}


def test_the_key_is_blotted_out_of_what_comes_back(server: Served) -> None:
    server.answer = lambda body: Response(completion(f"Your key is {KEY}.", reasoning=f"{KEY}!"))
    assert chat(server.url) == Reply("Your key is [key].", "[key]!", False, 7, 5)
    server.answer = lambda body: Response(f"Incorrect API key provided: {KEY}\r\n\x1b[2J".encode(), 401)
    refused = failed(server.url)
    assert "answers 401: Incorrect API key provided: [key] \\x1b[2J" in str(refused)
    assert not refused.again
    assert without("EMPTY", "EMPTY set") == "EMPTY set"  # no secret: it would spoil answers


@pytest.mark.parametrize(
    ("status", "again", "busy", "billed"),
    [(400, False, False, False), (403, False, False, False), (404, False, False, False), (408, True, False, True),
     (429, True, True, False), (500, True, False, True), (503, True, True, False), (504, True, False, True),
     (529, True, False, False)],
)  # fmt: skip
def test_an_error_status(server: Served, status: int, again: bool, busy: bool, billed: bool) -> None:
    server.answer = lambda body: Response(b"no", status, {"Retry-After": "3"})
    refused = failed(server.url)
    assert (refused.again, refused.busy, refused.billed) == (again, busy, billed)
    assert refused.wait_s == 3


def test_who_asks_to_wait_for_hours_is_told_to_the_user(server: Served) -> None:
    server.answer = lambda body: Response(b"quota", 429, {"Retry-After": "7200"})
    refused = failed(server.url)
    assert not refused.again and "it asks to wait 7200 s" in str(refused)


def test_a_redirect_is_not_followed(server: Served) -> None:
    with serve() as elsewhere:
        server.answer = lambda body: Response(b"", 307, {"Location": elsewhere.url})
        assert not failed(server.url).again
        assert elsewhere.asked == []


def test_half_an_answer(server: Served) -> None:
    server.answer = lambda body: Response(completion()[:20], promised=500)
    broken = failed(server.url)
    assert broken.again and broken.billed and "broke off" in str(broken)


@pytest.mark.parametrize("dripping", [True, False])
def test_one_that_hangs(server: Served, dripping: bool) -> None:
    never = threading.Event()
    server.answer = lambda body: Response(b"{", dripping=dripping, held=None if dripping else never)
    hung = failed(server.url, timeout_s=0.3)
    assert hung.again and hung.billed and "did not answer within 0.3 s" in str(hung)
    never.set()


def test_nobody_there() -> None:
    with serve() as gone:
        url = gone.url
    away = failed(url)
    assert away.again and not away.billed and "can't be reached" in str(away)


def test_megabytes(server: Served) -> None:
    server.answer = lambda body: Response(completion("x" * 5_000_000))
    with pytest.raises(Unreadable, match="more than 100000 bytes"):
        chat(server.url)
    server.answer = lambda body: Response(b"x" * 5_000_000, 500)
    assert failed(server.url).again
    bomb = gzip.compress(completion("x" * 5_000_000))
    assert len(bomb) < MOST_BYTES
    server.answer = lambda body: Response(bomb, headers={"Content-Encoding": "gzip"})
    with pytest.raises(Unreadable, match="packed"):
        chat(server.url)


@pytest.mark.parametrize(
    "url",
    ["", "localhost:8000", "ftp://host/v1", "http://", f"http://user:{KEY}@host/v1", f"http://host/v1?key={KEY}",
     f"http://host/v1#{KEY}", "http://host:99999/v1", "http://[::1/v1", "file:///etc/passwd", "http://a\x00b/v1"],
)  # fmt: skip
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(LadderError, match=r"^url: ") as raised:
        checked_url(url)
    assert KEY not in str(raised.value)


@pytest.mark.parametrize("value", ["", " ", "zwei worte", "oben\nunten", "schlüssel"])
def test_a_key_that_can_not_be_sent(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("SOME_KEY", value)
    with pytest.raises(LadderError, match=r"^key: ") as raised:
        key_of("SOME_KEY")
    assert not any(part in str(raised.value) for part in value.split())


def test_the_key_in_the_place_of_its_name_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    for mistaken in (KEY, KEY.replace("-", "_")):
        with pytest.raises(LadderError) as raised:
            key_of(mistaken)
        assert mistaken not in str(raised.value)
    monkeypatch.setenv("SOME_KEY", f"{KEY}\n")
    assert key_of("SOME_KEY") == KEY


def test_retry_after() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    later = format_datetime(now.replace(minute=2), usegmt=True)
    assert retry_after_s(later, now.timestamp()) == 120
    assert retry_after_s(later, now.timestamp() + 500) == 0
    assert [retry_after_s(text, 0) for text in ("7", "0", "1.5", "-1", "nan", "inf", "1e9", "٣", "")] == [
        7, 0, 1.5, 0, 0, 0, 0, 0, 0,
    ]  # fmt: skip


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d+ \d+:\d+:\d+ \S+"))
def test_any_retry_after_is_a_time_to_wait(value: str) -> None:
    assert 0 <= retry_after_s(value, 0.0) < float("inf")
