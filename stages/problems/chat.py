"""Questions to a language model behind an OpenAI-compatible endpoint, each asked once.

Its key is in the environment variable LADDER_JUDGE_KEY and nowhere else. What was read of a reply is kept by the hash of the
model's name, the question, the temperature and the reply's number, in a file of JSON lines that only grows: a rerun asks nothing.
What comes back is hostile text: it is bounded, and only `read` decides what of it is kept. What is no reply at all is asked for
again, and in the end an error: it is never kept as if the model had said nothing.
"""

import asyncio
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from stages.endpoint.client import Client, checked_url
from stages.endpoint.failure import Failed
from stages.endpoint.key import key_of
from stages.endpoint.retries import Backoff, Retries, for_each
from stages.errors import LadderError
from stages.store.journal import Journal

KEY_VARIABLE = "LADDER_JUDGE_KEY"
MAX_REPLY_BYTES = 65_536
MAX_REPLY_TOKENS = 512
QUESTIONS_AT_ONCE = 16
BACKOFF = Backoff(tries=3, first_s=0.5, longest_s=5.0)

Read = TypeVar("Read", bound=str | float)


@dataclass(frozen=True, slots=True)
class Question:
    """`number` tells replies to the same text apart."""

    text: str
    temperature: float = 0.0
    number: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """A model at an endpoint's /v1, and the file in which its replies are kept."""

    url: str
    model: str
    kept: Path


class Chat(Generic[Read]):
    """`read` makes of a reply what it says, None where it says nothing that can be read; `valid` knows such values again."""

    def __init__(
        self,
        place: Place,
        read: Callable[[str], Read | None],
        valid: Callable[[Any], bool],
        progress: Callable[[str], None] = lambda message: None,
        timeout_s: float = 60,
    ) -> None:
        try:
            checked_url(place.url)
        except LadderError as error:
            raise LadderError(f"judge: {error}") from None
        self._place = place
        self._read = read
        self._progress = progress
        self._timeout_s = timeout_s
        self._known: dict[str, Read | None] = _kept(Journal(place.kept), valid)

    def answers(self, questions: Sequence[Question]) -> list[Read | None]:
        """What was read of each reply, in order. Raises LadderError where the endpoint gives none; what it gave is kept."""
        keys = [self._key(question) for question in questions]
        missing = {key: one for key, one in zip(keys, questions, strict=True) if key not in self._known}
        if missing:
            try:
                asyncio.run(self._ask_all(missing))
            except Failed as error:
                raise LadderError(f"judge: {self._place.url}: {error}; replies so far are kept") from None
        return [self._known[key] for key in keys]

    def _key(self, question: Question) -> str:
        said = json.dumps([self._place.model, question.text, question.temperature, question.number])
        return hashlib.sha256(said.encode()).hexdigest()

    async def _ask_all(self, missing: dict[str, Question]) -> None:
        key = key_of(KEY_VARIABLE) if os.environ.get(KEY_VARIABLE) else None
        done, retries = 0, Retries(BACKOFF)
        with Journal(self._place.kept) as kept:
            async with Client(self._place.url, key, self._timeout_s, MAX_REPLY_BYTES, QUESTIONS_AT_ONCE) as client:

                async def ask(item: tuple[str, Question]) -> None:
                    nonlocal done
                    name, question = item
                    said = self._read(await retries.call(partial(self._said, client, question)))
                    self._known[name] = said
                    kept.add({"key": name, "model": self._place.model, "said": said})
                    done += 1
                    self._progress(f"judged {done} of {len(missing)}")

                await for_each(missing.items(), QUESTIONS_AT_ONCE, ask)

    async def _said(self, client: Client, question: Question) -> str:
        """What the model said. Raises Failed, also of a login page or an error's text in a reply's place."""
        body = {
            "model": self._place.model,
            "messages": [{"role": "user", "content": question.text}],
            "temperature": question.temperature,
            "max_tokens": MAX_REPLY_TOKENS,
        }
        return (await client.chat(body)).content


def last_line(reply: str) -> str:
    """The last line that is not empty, or as much of it as anybody should read."""
    lines = [line for line in reply[-MAX_REPLY_BYTES:].splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""


def fenced(*texts: str) -> tuple[str, str]:
    """The texts, each between lines of a fence that none of them can hold, and the fence."""
    digest = hashlib.sha256("\0".join(texts).encode("utf-8", "surrogatepass")).hexdigest()
    fence = f"==== {digest[:12]} ===="  # no text holds its own hash
    return "\n".join([fence, *(f"{text}\n{fence}" for text in texts)]), fence


def _kept(journal: Journal, valid: Callable[[Any], bool]) -> dict[str, Any]:
    """What is known so far."""
    known: dict[str, Any] = {}
    for row in journal.rows():
        key, said = row.get("key"), row.get("said")
        if isinstance(key, str) and "said" in row and (said is None or valid(said)):
            known[key] = said
    return known
