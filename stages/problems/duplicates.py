"""Problems that a set has more than once: the same text exactly, or nearly.

Exact: the same identity (stages/problems/normalise.py). Near: MinHash (Broder 1997) over runs of three canonical words finds
pairs in bands (`datasketch`); the Jaccard similarity itself, counted and not estimated, decides. A near pair with different
numbers is two problems: a variant is no copy, unless the settings say so. So is one with different answers ("how many girls",
"how many boys"; find a, find d), but it is reported: it may be one problem with a wrong answer. A text that is like two others
is a copy of the one with its answer, however much more it is like the other.

Which of a cluster stays does not depend on the order of anything: the one with a given rating, then with the longer text, then
with the smaller id, then of the source whose name comes first. A near pair is of the one that stays: clusters don't grow by
chains, from a text to one like it to one like that.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from stages.grading.verdict import quick_verdict
from stages.problems.document import NUMBER, grams
from stages.problems.normalise import answer_key, has_diagram, identity_of, is_number, numbers, tokens
from stages.problems.problem import Problem

SHINGLE = 3
PERMUTATIONS = 128
SEED = 1
MARGIN = 0.2  # the bands miss half of what lies at their own threshold: they look this far below
MAX_NEIGHBOURS = 500  # of one text that are compared; more are alike only where a generator made them


@dataclass(frozen=True, slots=True)
class Duplicate:
    """`dropped` is in the set again as `kept`. `similarity`: Jaccard of three-word runs, 1 where exact."""

    kept: Problem
    dropped: Problem
    kind: Literal["exact", "near"]
    similarity: float


@dataclass(frozen=True, slots=True)
class Conflict:
    """One text, or nearly, with different answers: an answer may be wrong, and nobody can say here which."""

    kept: Problem
    others: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Deduplicated:
    """`problems` in their given order, each once; without any in `conflicts` where these are dropped."""

    problems: list[Problem]
    duplicates: list[Duplicate]
    conflicts: list[Conflict]


def deduplicate(
    problems: Sequence[Problem],
    threshold: float,
    *,
    variants_are_copies: bool,
    drop_conflicts: bool,
    progress: Callable[[str], None] = lambda message: None,
) -> Deduplicated:
    """Near from a Jaccard similarity of `threshold` on."""
    ranked = sorted(problems, key=_rank)
    words = [tokens(problem.problem) for problem in ranked]
    exact: dict[str, int] = {}
    duplicates: list[Duplicate] = []
    conflicting: dict[int, list[Problem]] = defaultdict(list)
    single: list[int] = []
    for place, problem in enumerate(ranked):
        first = exact.setdefault(identity_of(words[place], problem.problem), place)
        if first == place:
            single.append(place)
            continue
        duplicates.append(Duplicate(ranked[first], problem, "exact", 1.0))
        if not _same_answers(ranked[first], problem):
            conflicting[first].append(problem)
    for match in _near(ranked, words, single, threshold, variants_are_copies, progress):
        if match.agrees:
            duplicates.append(Duplicate(ranked[match.first], ranked[match.place], "near", match.similarity))
        else:
            conflicting[match.first].append(ranked[match.place])
    conflicts = _conflicts_of_the_kept(ranked, conflicting, duplicates)
    duplicates = _to_the_kept(duplicates)
    gone = {id(duplicate.dropped) for duplicate in duplicates}
    if drop_conflicts:
        gone |= {id(problem) for conflict in conflicts for problem in (conflict.kept, *conflict.others)}
    return Deduplicated([problem for problem in problems if id(problem) not in gone], duplicates, conflicts)


@dataclass(frozen=True, slots=True)
class _Match:
    """Places in the ranked list: of a text, and of what it is most like among those before it.

    `agrees`: they are copies. Otherwise no text like this one has its answer, and it stays.
    """

    first: int
    place: int
    similarity: float
    agrees: bool


@dataclass(frozen=True, slots=True)
class _Alike:
    place: int
    similarity: float


def _rank(problem: Problem) -> tuple[bool, int, str, str, str, int]:
    return (
        problem.rating is None, -len(problem.problem), problem.id, problem.problem, problem.source, problem.record,
    )  # fmt: skip


def _near(
    ranked: Sequence[Problem],
    words: Sequence[list[str]],
    single: Sequence[int],
    threshold: float,
    variants_are_copies: bool,
    progress: Callable[[str], None],
) -> Iterator[_Match]:
    from datasketch import MinHash, MinHashLSH  # SciPy behind it takes a second: only who deduplicates waits

    index = MinHashLSH(threshold=max(0.1, threshold - MARGIN), num_perm=PERMUTATIONS)
    shingles: dict[int, set[tuple[str, ...]]] = {}
    counted: dict[int, Counter[str] | None] = {}
    for done, place in enumerate(single):
        read = [NUMBER if variants_are_copies and is_number(word) else word for word in words[place]]
        own = grams(read, min(SHINGLE, max(1, len(read))))
        sketch = MinHash(PERMUTATIONS, seed=SEED)
        sketch.update_batch([" ".join(gram).encode("utf-8", "surrogatepass") for gram in sorted(own)])
        counted[place] = None if variants_are_copies else numbers(words[place])
        others = [
            other
            for other in sorted(index.query(sketch))[:MAX_NEIGHBOURS]
            if counted[other] == counted[place] and not _other_diagram(ranked[other], ranked[place])
        ]
        alike = _alike(own, others, shingles, threshold)
        copied = next(
            (one for one in alike if variants_are_copies or _same_answers(ranked[one.place], ranked[place])), None
        )
        if nearest := copied or next(iter(alike), None):
            yield _Match(nearest.place, place, round(nearest.similarity, 4), agrees=copied is not None)
        if copied is None:  # one in conflict too: it stays, and may have copies of its own
            shingles[place] = own
            index.insert(place, sketch, check_duplication=False)
        if done % 5000 == 4999:
            progress(f"looked for near duplicates of {done + 1} of {len(single)} problems")


def _alike(
    own: set[tuple[str, ...]],
    others: Iterable[int],
    shingles: dict[int, set[tuple[str, ...]]],
    threshold: float,
) -> list[_Alike]:
    """The most similar first, of equal ones the first in the ranked list."""
    found = [_Alike(other, len(own & shingles[other]) / len(own | shingles[other])) for other in others]
    return sorted((one for one in found if one.similarity >= threshold), key=lambda one: (-one.similarity, one.place))


def _other_diagram(left: Problem, right: Problem) -> bool:
    """One has a drawing and the other has none: "the angle in the figure" may be any."""
    return has_diagram(left.problem) != has_diagram(right.problem)


def _to_the_kept(duplicates: Sequence[Duplicate]) -> list[Duplicate]:
    """An exact copy of a text that is itself the near copy of another is of that other."""
    keeper = {id(duplicate.dropped): duplicate for duplicate in duplicates if duplicate.kind == "near"}
    mended = []
    for duplicate in duplicates:
        above = keeper.get(id(duplicate.kept))
        mended.append(
            duplicate if above is None else Duplicate(above.kept, duplicate.dropped, "near", above.similarity)
        )
    return mended


def _conflicts_of_the_kept(
    ranked: Sequence[Problem], conflicting: dict[int, list[Problem]], duplicates: Sequence[Duplicate]
) -> list[Conflict]:
    """What a text that is itself a near copy of another contradicts is told of that other, where it contradicts it too."""
    places = {id(problem): place for place, problem in enumerate(ranked)}
    keeper = {id(duplicate.dropped): duplicate.kept for duplicate in duplicates if duplicate.kind == "near"}
    lifted: dict[int, list[Problem]] = defaultdict(list)
    for place, others in sorted(conflicting.items()):
        kept = keeper.get(id(ranked[place]))
        if kept is None:
            lifted[place] += others
        elif contradicting := [other for other in others if not _same_answers(kept, other)]:
            lifted[places[id(kept)]] += contradicting
    return [Conflict(ranked[place], tuple(others)) for place, others in sorted(lifted.items())]


def _same_answers(left: Problem, right: Problem) -> bool:
    """By the key of their texts, else by what the grader tells in microseconds; what only its workers can tell is a conflict."""
    if not left.answers and not right.answers:  # a function judges, and knows more than the text
        return left.columns == right.columns
    if {answer_key(answer) for answer in left.answers} & {answer_key(answer) for answer in right.answers}:
        return True
    return any(
        quick_verdict(*pair) == "correct"
        for one in left.answers
        for other in right.answers
        for pair in ((one, other), (other, one))
    )
