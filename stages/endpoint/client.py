"""One request to an endpoint, over HTTP: bounded in size and time, and any end but a reply is a `Failed`."""

import asyncio
import json
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self

import httpx

from stages.endpoint.failure import Failed, Unreadable
from stages.endpoint.key import without
from stages.endpoint.reply import Reply, read_reply
from stages.errors import LadderError
from stages.terminal import printable

CONNECT_S = 10.0
MAX_ERROR_BYTES = 65_536
MAX_WAIT_S = 600.0
AGAIN = (408, 409, 425, 429)  # and all from 500 on
BUSY = (429, 503)
OVERLOADED = (503, 529)  # of the others from 500 on a gateway's may hide an answer that was given, and billed


class Client:
    """`url` is the base that ends in /v1. A reply takes at most `timeout_s` and `max_reply_bytes`, so many at once."""

    def __init__(self, url: str, key: str | None, timeout_s: float, max_reply_bytes: int, at_once: int) -> None:
        self._url = checked_url(url).rstrip("/") + "/chat/completions"
        self._key = key
        self._timeout_s = timeout_s
        self._max_bytes = max_reply_bytes
        # A body is not unpacked: a small one can hold gigabytes. No redirect is followed: the key is for this address.
        headers = {"Accept-Encoding": "identity", "Content-Type": "application/json"}
        self._client = httpx.AsyncClient(
            headers=headers | ({"Authorization": f"Bearer {key}"} if key else {}),
            timeout=httpx.Timeout(timeout_s, connect=CONNECT_S),
            limits=httpx.Limits(max_connections=at_once, max_keepalive_connections=at_once),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def chat(self, body: Mapping[str, object]) -> Reply:
        """The reply to one chat completion. Raises Failed."""
        status, headers, content = await self._post(json.dumps(body).encode())
        if status != 200:
            raise self._refused(status, headers, content)
        reply = read_reply(content)
        reasoning = None if reply.reasoning is None else without(self._key, reply.reasoning)
        return replace(reply, content=without(self._key, reply.content), reasoning=reasoning)

    async def _post(self, body: bytes) -> tuple[int, httpx.Headers, bytes]:
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._client.stream("POST", self._url, content=body) as response,
            ):
                most = self._max_bytes if response.status_code == 200 else MAX_ERROR_BYTES
                return response.status_code, response.headers, await _body(response, most)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Failed(self._said(f"it can't be reached ({error})"), again=True) from None
        except TimeoutError:
            said = f"it did not answer within {self._timeout_s:g} s"
            raise Failed(self._said(said), again=True, billed=True) from None
        except httpx.HTTPError as error:
            said = f"it broke off ({type(error).__name__}: {error})"
            raise Failed(self._said(said), again=True, billed=True) from None

    def _refused(self, status: int, headers: httpx.Headers, content: bytes) -> Failed:
        wait_s = retry_after_s(headers.get("retry-after", ""), time.time())
        detail = " ".join(content.decode("utf-8", "replace").split())
        message = self._said(f"it answers {status}: {detail}")
        again = status in AGAIN or status >= 500
        if again and wait_s > MAX_WAIT_S:
            message, again = f"{message}; it asks to wait {wait_s:.0f} s: run it again then", False
        billed = status == 408 or (status >= 500 and status not in OVERLOADED)
        return Failed(message, again=again, billed=billed, busy=status in BUSY, wait_s=wait_s)

    def _said(self, detail: str) -> str:
        return printable(without(self._key, detail))[:300]


def checked_url(url: str) -> str:
    """`url` where it is an address that may be told to anybody. Raises LadderError."""
    try:
        parts = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        raise LadderError(
            "url: not an address; give the base that ends in /v1, such as http://localhost:8000/v1"
        ) from None
    if parts.userinfo or parts.query or parts.fragment:
        raise LadderError("url: it holds a name, a password or a query; a key belongs in an environment variable")
    if parts.scheme not in ("http", "https") or not parts.host or not 0 < (parts.port or 80) <= 65_535:
        raise LadderError(f"url: {url!r} is no http(s) address; give the base that ends in /v1")
    return url


def retry_after_s(value: str, now_s: float) -> float:
    """Seconds that a Retry-After header asks for, itself in seconds or a date (RFC 9110, 10.2.3); 0 where it says neither."""
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", value):
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now_s)
    except (ValueError, OverflowError, TypeError):
        return 0.0


async def _body(response: httpx.Response, most: int) -> bytes:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise Unreadable("the reply is packed, though it was not to be")
    content = bytearray()
    async for part in response.aiter_raw():
        content += part
        if len(content) > most:
            if response.status_code != 200:  # an error's beginning says enough
                break
            raise Unreadable(f"the reply has more than {most} bytes")
    return bytes(content[:most])
