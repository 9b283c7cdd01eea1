"""Grade a response: extract its final answer, and decide whether it equals the known one."""

import atexit
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self, cast

from stages.errors import LadderError
from stages.grading.extract import after_thinking, listed_boxes, last_boxed
from stages.grading.verdict import MAX_ANSWER_CHARACTERS, quick_verdict
from stages.grading.workers import Task, Workers

Answer = str | int | float | Sequence[str | int | float]
Why = Literal["correct", "wrong", "no_answer", "unclosed_thinking", "truncated", "timeout", "too_large"]

DEFAULT_TIMEOUT_S = 1.0
DEFAULT_WORKERS = 2
CACHED_PAIRS = 100_000


@dataclass(frozen=True, slots=True)
class Grade:
    """`reward` is 1 or 0, `extracted` the response's final answer as it is written, `why` the reason of the reward."""

    reward: int
    extracted: str | None
    why: Why


@dataclass(frozen=True, slots=True)
class GradeItem:
    response: str
    answer: Answer
    truncated: bool = False


class Grader:
    """Grades batches; open for as long as a rung lasts. Its workers start when an answer first needs one."""

    def __init__(self, timeout_s: float, require_closed_thinking: bool, workers: int = DEFAULT_WORKERS) -> None:
        self.require_closed_thinking = require_closed_thinking
        self._workers = Workers(workers, timeout_s)
        self._known: OrderedDict[Task, Why] = OrderedDict()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._workers.close()

    @property
    def worker_pids(self) -> list[int]:
        return self._workers.pids

    def grade_batch(self, items: Sequence[GradeItem]) -> list[Grade]:
        """The grades of `items`, in order."""
        answers = [accepted_answers(item.answer) for item in items]
        grades = [_without_answer(item, self.require_closed_thinking) for item in items]
        pairs = [
            [Task(known, grade.extracted) for known in accepted] if isinstance(grade.extracted, str) and grade.why == "wrong" else []
            for accepted, grade in zip(answers, grades, strict=True)
        ]
        reasons = self._decide(dict.fromkeys(task for tasks in pairs for task in tasks))
        return [_with_reasons(grade, [reasons[task] for task in tasks]) for grade, tasks in zip(grades, pairs, strict=True)]

    def _decide(self, tasks: dict[Task, None]) -> dict[Task, Why]:
        """The reason of every pair, each decided once: in this process if possible, else by the workers."""
        reasons: dict[Task, Why] = {}
        hard: list[Task] = []
        for task in tasks:
            quick: Why | None = self._known.get(task) or quick_verdict(task.known, task.given)
            if quick is None:
                hard.append(task)
            else:
                reasons[task] = quick
        for task, said in zip(hard, self._workers.decide(hard), strict=True):
            reasons[task] = self._known[task] = cast(Why, said)
        while len(self._known) > CACHED_PAIRS:
            self._known.popitem(last=False)
        return reasons


def accepted_answers(answer: Answer) -> list[str]:
    """The accepted answers as texts; an answer that was given in a box is what stands in it."""
    many = answer if isinstance(answer, Sequence) and not isinstance(answer, str) else [answer]
    texts = []
    for one in many:
        if isinstance(one, bool) or not isinstance(one, str | int | float):
            raise LadderError(f"answer: {one!r} is a {type(one).__name__}; give a string, a number or a list of them")
        text = one.strip() if isinstance(one, str) else _number_text(one)
        boxed = listed_boxes(text) if "\\boxed" in text else text
        if boxed:
            texts.append(boxed)
    return texts


def _number_text(value: int | float) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else repr(value)


def _without_answer(item: GradeItem, require_closed_thinking: bool) -> Grade:
    """What the response alone decides; otherwise `wrong`, until an accepted answer says better."""
    if item.truncated:
        return Grade(0, None, "truncated")
    said = after_thinking(item.response, require_closed_thinking)
    if said is None:
        return Grade(0, None, "unclosed_thinking")
    extracted = last_boxed(said)
    if not extracted:
        return Grade(0, None, "no_answer")
    if len(extracted) > MAX_ANSWER_CHARACTERS:
        return Grade(0, extracted[:MAX_ANSWER_CHARACTERS], "too_large")
    return Grade(0, extracted, "wrong")


def _with_reasons(grade: Grade, reasons: list[Why]) -> Grade:
    for why in ("correct", "timeout", "too_large"):
        if why in reasons:
            return Grade(int(why == "correct"), grade.extracted, cast(Why, why))
    return grade


_shared: list[Grader] = []
_shared_lock = threading.Lock()


def grade(
    response: str, answer: Answer, *, truncated: bool = False, require_closed_thinking: bool = False
) -> Grade:
    """The grade of one response, by a worker that all calls of this process share.

    A truncated response earns nothing, whatever it has said so far.
    """
    with _shared_lock:
        if not _shared:
            _shared.append(Grader(DEFAULT_TIMEOUT_S, require_closed_thinking, workers=1))
            atexit.register(_shared[0].__exit__)
        _shared[0].require_closed_thinking = require_closed_thinking
        return _shared[0].grade_batch([GradeItem(response, answer, truncated)])[0]
