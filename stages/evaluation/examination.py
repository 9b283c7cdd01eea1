"""A checkpoint's examination as matrices: what it answered to every problem, at one context.

P: problems, N: samples of each.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from stages.errors import LadderError
from stages.evaluation.estimators import SILENT, Classes, Flags
from stages.evaluation.graded import Graded
from stages.problems.problem import Problem, is_of_twins

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Answers:
    """N answers to each of P problems. A cut one is wrong and has no vote."""

    right_PN: Flags
    cut_PN: Flags
    tokens_PN: Counts
    class_PN: Classes

    @property
    def samples(self) -> int:
        return int(self.right_PN.shape[1])

    @property
    def silent_PN(self) -> Flags:
        """What ended without an answer: no box, or thinking that never closed."""
        silent_PN: Flags = (self.class_PN == SILENT) & ~self.cut_PN
        return silent_PN

    def at(self, context: int) -> "Answers":
        """The same answers where the context ends after so many response tokens: longer ones are cut."""
        cut_PN = self.cut_PN | (self.tokens_PN > context)
        return Answers(
            right_PN=self.right_PN & ~cut_PN,
            cut_PN=cut_PN,
            tokens_PN=np.minimum(self.tokens_PN, context),
            class_PN=np.where(cut_PN, SILENT, self.class_PN),
        )

    def only(self, places: Counts) -> "Answers":
        return Answers(self.right_PN[places], self.cut_PN[places], self.tokens_PN[places], self.class_PN[places])


@dataclass(frozen=True, slots=True)
class Examination:
    """The answers to `problems`, in their order; `greedy` are those at temperature 0, one each, where they were asked for."""

    problems: tuple[Problem, ...]
    context: int
    sampled: Answers
    greedy: Answers | None

    def at(self, context: int) -> "Examination":
        """As it would have ended at a shorter context: a token's random number depends on its position alone."""
        greedy = None if self.greedy is None else self.greedy.at(context)
        return Examination(self.problems, context, self.sampled.at(context), greedy)

    def only(self, keep: Sequence[bool]) -> "Examination":
        """Of the problems that are marked."""
        places = np.flatnonzero(keep)
        greedy = None if self.greedy is None else self.greedy.only(places)
        chosen = tuple(self.problems[place] for place in places)
        return replace(self, problems=chosen, sampled=self.sampled.only(places), greedy=greedy)

    def by(self, name_of: Callable[[Problem], str]) -> dict[str, "Examination"]:
        """The examination on every group of problems, in alphabetical order of the groups' names."""
        names = [name_of(problem) for problem in self.problems]
        return {name: self.only([one == name for one in names]) for name in sorted(set(names))}

    def by_benchmark(self) -> dict[str, "Examination"]:
        """On every benchmark."""
        return self.of_benchmarks().by(lambda problem: problem.source)

    def of_benchmarks(self) -> "Examination":
        """Without the sources of twins: several twins of one problem are no independent problems, and have figures of their own.

        Where there is nothing else, everything.
        """
        keep = [not is_of_twins(problem) for problem in self.problems]
        return self.only(keep) if any(keep) else self


def examination_of(graded: Sequence[Graded], problems: Sequence[Problem], context: int) -> Examination:
    """The matrices of `graded`, problems in the order of benchmark and id; `context`: response tokens at most.

    Raises LadderError where a problem has no answers, an answer no problem, or the numbers of answers differ.
    """
    ordered = tuple(sorted(problems, key=lambda problem: (problem.source, problem.id)))
    sampled = _answers([row for row in graded if not row.greedy], ordered)
    greedy = [row for row in graded if row.greedy]
    whole = Examination(ordered, context, sampled, _answers(greedy, ordered) if greedy else None)
    return whole.at(context)


def _answers(graded: Sequence[Graded], problems: tuple[Problem, ...]) -> Answers:
    answered: dict[tuple[str, str], dict[int, Graded]] = {(problem.source, problem.id): {} for problem in problems}
    for row in graded:
        key = (row.benchmark, row.problem_id)
        if key not in answered:
            raise LadderError(f"grades: problem {row.problem_id} of {row.benchmark} is not held out; {_MEND}")
        if row.index in answered[key]:
            raise LadderError(
                f"grades: problem {row.problem_id} of {row.benchmark} has answer {row.index} twice; {_MEND}"
            )
        answered[key][row.index] = row
    samples = max(map(len, answered.values()))
    for (benchmark, problem), rows in answered.items():
        if len(rows) != samples:
            raise LadderError(
                f"grades: problem {problem} of {benchmark} has {len(rows)} answers, others {samples}; {_MEND}"
            )
    table = [[rows[index] for index in sorted(rows)] for rows in answered.values()]
    return Answers(
        right_PN=np.array([[row.reward == 1 for row in rows] for rows in table]),
        cut_PN=np.array([[row.truncated for row in rows] for rows in table]),
        tokens_PN=np.array([[row.tokens for row in rows] for rows in table], dtype=np.int64),
        class_PN=np.array([[row.answer_class for row in rows] for rows in table], dtype=np.int64),
    )


_MEND = "`dvc repro` makes them of the problems that are held out now"
