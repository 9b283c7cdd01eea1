"""The workers that compare answers: what kills three of them is graded as too large."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

from stages.grading.pool import Lost, Pool
from stages.grading.verdict import Verdict

Outcome = Verdict | Literal["timeout"]
MAX_DEATHS = 3


@dataclass(frozen=True, slots=True)
class Task:
    known: str
    given: str


class Workers:
    """At most `count` processes (worker.py), each answer within `limit_s`."""

    def __init__(self, count: int, limit_s: float) -> None:
        self._pool = Pool(["stages.grading.worker"], count)
        self._limit_s = limit_s

    @property
    def pids(self) -> list[int]:
        return self._pool.pids

    def close(self) -> None:
        self._pool.close()

    def decide(self, tasks: Sequence[Task]) -> list[Outcome]:
        """Every task's verdict, or `timeout`, in order."""
        asked = [json.dumps([task.known, task.given, self._limit_s]) for task in tasks]
        return [_outcome(said) for said in self._pool.ask(asked, self._limit_s, MAX_DEATHS)]


def _outcome(said: str | Lost) -> Outcome:
    if isinstance(said, Lost):
        return "timeout" if said is Lost.LATE else "too_large"
    return cast(Outcome, said)
