"""Problems that a set has more than once: the same text exactly, or nearly.

Exact: the same identity (stages/problems/normalise.py). Near: MinHash (Broder 1997) over runs of three canonical words finds
pairs in bands (`datasketch`); the Jaccard similarity itself, counted and not estimated, decides. A near pair with different
numbers is two problems: a variant is no copy, unless the settings say so.

Which of a cluster stays does not depend on the order of anything: the one with a given rating, then with the longer text, then
with the smaller id. A near pair is of the one that stays: clusters don't grow by chains, from a text to one like it to one
like that.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

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
    """Duplicates with different answers: one of them is wrong, and nobody can say here which."""

    kept: Problem
    others: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Deduplicated:
    """`problems` in their given order, each once; with conflicts quarantined, without any of theirs."""

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
    single: list[int] = []
    for place, problem in enumerate(ranked):
        first = exact.setdefault(identity_of(words[place], problem.problem), place)
        if first == place:
            single.append(place)
        else:
            duplicates.append(Duplicate(ranked[first], problem, "exact", 1.0))
    duplicates += _near(ranked, words, single, threshold, variants_are_copies, progress)
    duplicates = _to_the_kept(duplicates)
    conflicts = _conflicts(duplicates)
    gone = {id(duplicate.dropped) for duplicate in duplicates}
    if drop_conflicts:
        gone |= {id(conflict.kept) for conflict in conflicts}
    return Deduplicated([problem for problem in problems if id(problem) not in gone], duplicates, conflicts)


def _rank(problem: Problem) -> tuple[bool, int, str, str]:
    return problem.rating is None, -len(problem.problem), problem.id, problem.problem


def _near(
    ranked: Sequence[Problem],
    words: Sequence[list[str]],
    single: Sequence[int],
    threshold: float,
    variants_are_copies: bool,
    progress: Callable[[str], None],
) -> list[Duplicate]:
    from datasketch import MinHash, MinHashLSH  # SciPy behind it takes a second: only who deduplicates waits

    index = MinHashLSH(threshold=max(0.1, threshold - MARGIN), num_perm=PERMUTATIONS)
    shingles: dict[int, set[tuple[str, ...]]] = {}
    counted: dict[int, Any] = {}
    found = []
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
        match = _most_similar(own, others, shingles, threshold)
        if match is None:
            shingles[place] = own
            index.insert(place, sketch, check_duplication=False)
        else:
            found.append(Duplicate(ranked[match[0]], ranked[place], "near", round(match[1], 4)))
        if done % 5000 == 4999:
            progress(f"looked for near duplicates of {done + 1} of {len(single)} problems")
    return found


def _most_similar(
    own: set[tuple[str, ...]],
    others: Iterable[int],
    shingles: dict[int, set[tuple[str, ...]]],
    threshold: float,
) -> tuple[int, float] | None:
    best: tuple[int, float] | None = None
    for other in others:
        similarity = len(own & shingles[other]) / len(own | shingles[other])
        if similarity >= threshold and (best is None or similarity > best[1]):
            best = other, similarity
    return best


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


def _conflicts(duplicates: Sequence[Duplicate]) -> list[Conflict]:
    clusters: dict[int, list[Duplicate]] = defaultdict(list)
    for duplicate in duplicates:
        clusters[id(duplicate.kept)].append(duplicate)
    found = []
    for cluster in clusters.values():
        kept = cluster[0].kept
        others = tuple(one.dropped for one in cluster if not _same_answers(kept, one.dropped))
        if others:
            found.append(Conflict(kept, others))
    return found


def _same_answers(left: Problem, right: Problem) -> bool:
    """By the key of their texts, else by what the grader tells in microseconds; what only its workers can tell is a conflict."""
    if {answer_key(answer) for answer in left.answers} & {answer_key(answer) for answer in right.answers}:
        return True
    return any(
        quick_verdict(*pair) == "correct"
        for one in left.answers
        for other in right.answers
        for pair in ((one, other), (other, one))
    )
