"""Questions to a language model behind an OpenAI-compatible endpoint, each asked once.

Its key is in the environment variable LADDER_JUDGE_KEY and nowhere else. What was read of a reply is kept by the hash of the
model's name, the question, the temperature and the reply's number, in a file of JSON lines that only grows: a rerun asks nothing.
What comes back is hostile text: it is bounded, and only `read` decides what of it is kept.
"""

import hashlib
import json
import os
import re
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.error import HTTPError

from stages.errors import LadderError

KEY_VARIABLE = "LADDER_JUDGE_KEY"
MAX_REPLY_BYTES = 65_536
MAX_REPLY_TOKENS = 512
QUESTIONS_AT_ONCE = 16
TRIES = 3

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
        if not re.match(r"https?://[^\s/]", place.url):
            raise LadderError(f"judge: {place.url!r} is no http(s) address; give the base that ends in /v1")
        self._url = place.url.rstrip("/") + "/chat/completions"
        self._place = place
        self._read = read
        self._progress = progress
        self._timeout_s = timeout_s
        self._known: dict[str, Read | None] = _kept(place.kept, valid)

    def answers(self, questions: Sequence[Question]) -> list[Read | None]:
        """What was read of each reply, in order. Raises LadderError where the endpoint gives none; what it gave is kept."""
        keys = [self._key(question) for question in questions]
        missing = {key: one for key, one in zip(keys, questions, strict=True) if key not in self._known}
        if missing:
            self._ask_all(missing)
        return [self._known[key] for key in keys]

    def _key(self, question: Question) -> str:
        said = json.dumps([self._place.model, question.text, question.temperature, question.number])
        return hashlib.sha256(said.encode()).hexdigest()

    def _ask_all(self, missing: dict[str, Question]) -> None:
        self._place.kept.parent.mkdir(parents=True, exist_ok=True)
        with self._place.kept.open("a") as file, ThreadPoolExecutor(QUESTIONS_AT_ONCE) as pool:
            try:
                replies = pool.map(self._ask, missing.values())
                for done, (key, reply) in enumerate(zip(missing, replies, strict=True), 1):
                    self._known[key] = self._read(reply)
                    file.write(json.dumps({"key": key, "model": self._place.model, "said": self._known[key]}) + "\n")
                    file.flush()
                    self._progress(f"judged {done} of {len(missing)}")
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _ask(self, question: Question) -> str:
        body = {
            "model": self._place.model,
            "messages": [{"role": "user", "content": question.text}],
            "temperature": question.temperature,
            "max_tokens": MAX_REPLY_TOKENS,
        }
        key = os.environ.get(KEY_VARIABLE)
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        request = urllib.request.Request(self._url, json.dumps(body).encode(), headers)
        problem: Exception | None = None
        for _ in range(TRIES):
            try:
                with urllib.request.urlopen(request, timeout=self._timeout_s) as response:
                    return _content(response.read(MAX_REPLY_BYTES))
            except HTTPError as error:
                problem = error
                if error.code < 500 and error.code != 429:
                    break
            except (OSError, HTTPException) as error:  # a refused connection, a time-out, half an answer
                problem = error
        raise LadderError(f"judge: {self._url}: {type(problem).__name__}: {problem}; replies so far are kept")


def last_line(reply: str) -> str:
    """The last line that is not empty, or as much of it as anybody should read."""
    lines = [line for line in reply[-MAX_REPLY_BYTES:].splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""


def fenced(*texts: str) -> tuple[str, str]:
    """The texts, each between lines of a fence that none of them can hold, and the fence."""
    digest = hashlib.sha256("\0".join(texts).encode("utf-8", "surrogatepass")).hexdigest()[
        :12
    ]  # no text holds its own hash
    fence = f"==== {digest} ===="
    return "\n".join([fence, *(f"{text}\n{fence}" for text in texts)]), fence


def _content(body: bytes) -> str:
    """What the model said; nothing where the reply is none of its kind."""
    try:
        content = json.loads(body)["choices"][0]["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        return ""
    return content if isinstance(content, str) else ""


def _kept(path: Path, valid: Callable[[Any], bool]) -> dict[str, Any]:
    """What is known so far; a line that was cut off by a kill is asked again."""
    known: dict[str, Any] = {}
    if not path.exists():
        return known
    for line in path.read_text(errors="replace").splitlines():
        try:
            row = json.loads(line)
            if row["said"] is None or valid(row["said"]):
                known[row["key"]] = row["said"]
        except (ValueError, KeyError, TypeError):
            continue
    return known
