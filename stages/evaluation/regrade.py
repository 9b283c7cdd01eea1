"""What another grader makes of the same answers."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from stages.errors import LadderError
from stages.evaluation.graded import Graded


@dataclass(frozen=True, slots=True)
class Regrade:
    """`changed`: the answers whose reward or reason is another now, before and after; of `answers` in all."""

    changed: tuple[tuple[Graded, Graded], ...]
    answers: int

    @property
    def to_right(self) -> int:
        return sum(old.reward < new.reward for old, new in self.changed)

    @property
    def to_wrong(self) -> int:
        return sum(old.reward > new.reward for old, new in self.changed)

    def by_reason(self) -> dict[str, int]:
        """How many changed from one reason to another, most first: "no_answer -> correct"."""
        counts = Counter(f"{old.why} -> {new.why}" for old, new in self.changed)
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def regrade(old: Sequence[Graded], new: Sequence[Graded]) -> Regrade:
    """What changed from `old` to `new`, two gradings of the same answers in whatever order, with their responses.

    Raises LadderError where they are not of the same answers.
    """
    before, after = _by_answer(old), _by_answer(new)
    for key in [*before, *after]:
        if key not in before or key not in after:
            which = "new" if key not in after else "old"
            raise LadderError(f"{_named(key)} is missing in the {which} table; give two gradings of the same samples")
        if before[key].response != after[key].response:
            raise LadderError(f"{_named(key)} has another text in the new table; give two gradings of the same samples")
    pairs = ((before[key], after[key]) for key in before)
    changed = tuple((was, now) for was, now in pairs if (was.reward, was.why) != (now.reward, now.why))
    return Regrade(changed, len(before))


Key = tuple[str, str, bool, int]


def _by_answer(rows: Sequence[Graded]) -> dict[Key, Graded]:
    return {(row.benchmark, row.problem_id, row.greedy, row.index): row for row in rows}


def _named(key: Key) -> str:
    benchmark, problem, greedy, index = key
    return f"grades: answer {index}{' (greedy)' if greedy else ''} to problem {problem} of {benchmark}"
