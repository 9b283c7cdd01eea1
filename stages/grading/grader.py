"""Grade responses: the cheap ones here, the others in workers, every pair of answers once."""

import atexit
import os
import threading
from collections.abc import Iterable, Sequence
from typing import Self

from stages.grading.grade import Answer, Grade, GradeItem, Why, accepted_answers, grade_of_response
from stages.grading.verdict import quick_verdict
from stages.grading.workers import Task, Workers

DEFAULT_TIMEOUT_S = 1.0
DEFAULT_WORKERS = 2
CACHED_PAIRS = 100_000


class Grader:
    """Grades batches; open for as long as a rung lasts. Its workers start when an answer first needs one, and stay."""

    def __init__(self, timeout_s: float, require_closed_thinking: bool, workers: int = DEFAULT_WORKERS) -> None:
        self._require_closed_thinking = require_closed_thinking
        self._workers = Workers(workers, timeout_s)
        self._decided: dict[Task, Why] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._workers.close()

    @property
    def worker_pids(self) -> list[int]:
        """The processes that run now: none, until an answer needs one."""
        return self._workers.pids

    def grade_batch(self, items: Sequence[GradeItem]) -> list[Grade]:
        """The grades of `items`, in order."""
        grades = [grade_of_response(item, self._require_closed_thinking) for item in items]
        pairs = [_pairs(item, grade) for item, grade in zip(items, grades, strict=True)]
        reasons = self._decide(dict.fromkeys(task for tasks in pairs for task in tasks))
        return [_decided(grade, [reasons[task] for task in tasks]) for grade, tasks in zip(grades, pairs, strict=True)]

    def _decide(self, tasks: Iterable[Task]) -> dict[Task, Why]:
        """The reason of every pair: in this process if possible, else by the workers, who are asked once for each."""
        reasons: dict[Task, Why] = {}
        hard: list[Task] = []
        for task in tasks:
            reason: Why | None = self._decided.get(task) or quick_verdict(task.known, task.given)
            if reason is None:
                hard.append(task)
            else:
                reasons[task] = reason
        if len(self._decided) + len(hard) > CACHED_PAIRS:
            self._decided.clear()
        decided = dict(zip(hard, self._workers.decide(hard), strict=True))
        self._decided.update(decided)
        return reasons | decided


def _pairs(item: GradeItem, grade: Grade) -> list[Task]:
    """An accepted answer and the extracted one, for every accepted answer that is still to be compared."""
    accepted = accepted_answers(item.answer)
    return [Task(known, grade.extracted) for known in accepted] if grade.why == "wrong" and grade.extracted else []


def _decided(grade: Grade, reasons: Sequence[Why]) -> Grade:
    """The best of what was said of the accepted answers."""
    if "correct" in reasons:
        return Grade(1, grade.extracted, "correct")
    if "timeout" in reasons:
        return Grade(0, grade.extracted, "timeout")
    return Grade(0, grade.extracted, "too_large") if "too_large" in reasons else grade


_shared: dict[bool, Grader] = {}  # by require_closed_thinking
_shared_lock = threading.RLock()


def grade_together(items: Sequence[GradeItem], *, require_closed_thinking: bool = False) -> list[Grade]:
    """The grades of `items` by workers that this process shares: for who has no `Grader` open."""
    with _shared_lock:
        if require_closed_thinking not in _shared:
            _shared[require_closed_thinking] = Grader(DEFAULT_TIMEOUT_S, require_closed_thinking, workers=1)
        return _shared[require_closed_thinking].grade_batch(items)


def grade(response: str, answer: Answer, *, truncated: bool = False, require_closed_thinking: bool = False) -> Grade:
    """The grade of one response. A truncated response earns nothing, whatever it has said so far."""
    return grade_together([GradeItem(response, answer, truncated)], require_closed_thinking=require_closed_thinking)[0]


def _close_shared() -> None:
    while _shared:
        _shared.popitem()[1].__exit__()


atexit.register(_close_shared)
os.register_at_fork(after_in_child=_shared.clear)  # the parent's workers answer the parent alone
