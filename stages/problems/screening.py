"""From all sources' records to what is learned from and what is examined on: each problem once, none in both.

Within a benchmark the same text counts once; two benchmarks may share a problem. Training problems are deduplicated, then
screened by the leak gate (stages/problems/leaks.py) against every problem of every benchmark. What is set aside is told with its
reason.

Generated problems are made apart: by one rule, as many and as alike as asked for. They are compared with their own kind by their
texts alone, and with all others as everybody is. A twin is found by its text too, copied or nearly, and not by evidence: a
benchmark's problem with other numbers is like many a problem, and nobody has published it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from stages.params import Duplicates, Leaks
from stages.problems.duplicates import Conflict, Duplicate, deduplicate
from stages.problems.leaks import Kind, Leak, Screened, Step, find_copies
from stages.problems.problem import Problem, is_generated, rule_of
from stages.problems.sources import Loaded, Quarantined, Reason

_LEAK: dict[Kind, Reason] = {
    "copy": "leak: copy", "near": "leak: near", "paraphrase": "leak: paraphrase", "variant": "leak: variant",
}  # fmt: skip


class Gate(Protocol):
    def __call__(self, train: Sequence[Problem], benchmark: Sequence[Problem]) -> Screened:
        """`find_leaks` with its settings, its encoder and its judge."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A training problem and one of a benchmark that it may be. `grey`: for a person to read; `removed` from what is learned."""

    train: Problem
    benchmark: Problem
    kind: Kind
    score: float
    step: Step
    grey: bool
    removed: bool


@dataclass(frozen=True, slots=True)
class Prepared:
    train: list[Problem]
    heldout: list[Problem]
    quarantined: list[Quarantined]
    duplicates: list[Duplicate] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    leaks: list[Pair] = field(default_factory=list)


def screen(
    loaded: Sequence[Loaded],
    duplicates: Duplicates,
    leaks: Leaks,
    gate: Gate,
    progress: Callable[[str], None] = lambda message: None,
) -> Prepared:
    """`quarantined` is in the order of the sources and of their records, like the tables."""
    everything = [record for part in loaded for record in part.records]
    problems = [record for record in everything if isinstance(record, Problem)]
    aside: dict[int, Quarantined] = {}  # by the problem's identity as an object: two records may be equal

    def set_aside(problem: Problem, reason: Reason, other: Problem) -> None:
        place = f"{other.source} {other.record}"
        aside.setdefault(
            id(problem), Quarantined(problem.source, problem.record, reason, problem.problem, because_of=place)
        )

    heldout: dict[tuple[str, str], Problem] = {}
    for problem in (problem for problem in problems if problem.split == "heldout"):
        first = heldout.setdefault((problem.source, problem.id), problem)
        if first is not problem:
            set_aside(problem, "repeated", first)
    train = [problem for problem in problems if problem.split == "train"]
    found = deduplicate(
        [problem for problem in train if not is_generated(problem)],
        duplicates.threshold,
        variants_are_copies=duplicates.variants_are_copies,
        drop_conflicts=duplicates.drop_conflicts,
        progress=progress,
    )
    repeated = [*_repeated_generated(train), *found.duplicates]
    for duplicate in repeated:
        set_aside(duplicate.dropped, "repeated" if duplicate.kind == "exact" else "nearly repeated", duplicate.kept)
    if duplicates.drop_conflicts:
        for conflict in found.conflicts:
            for problem in conflict.others:
                set_aside(problem, "conflicting answers", conflict.kept)
                set_aside(conflict.kept, "conflicting answers", problem)
    pairs = _leaks([problem for problem in train if id(problem) not in aside], [*heldout.values()], leaks, gate)
    for pair in pairs:
        if pair.removed:
            set_aside(pair.train, _LEAK[pair.kind], pair.benchmark)
    return Prepared(
        [problem for problem in train if id(problem) not in aside],
        [*heldout.values()],
        [one for record in everything if (one := record if isinstance(record, Quarantined) else aside.get(id(record)))],
        repeated,
        found.conflicts,
        pairs,
    )


def _repeated_generated(train: Iterable[Problem]) -> list[Duplicate]:
    """Generated problems whose very text another one has: of somebody's else that one stays, of a generator the first."""
    ranked = sorted(train, key=is_generated)
    first: dict[str, Problem] = {}
    return [
        Duplicate(kept, problem, "exact", 1.0)
        for problem in ranked
        if (kept := first.setdefault(problem.id, problem)) is not problem and is_generated(problem)
    ]


def _leaks(train: Sequence[Problem], heldout: Sequence[Problem], settings: Leaks, gate: Gate) -> list[Pair]:
    """In the order of the training problems."""
    examined: dict[str, Problem] = {}
    for problem in heldout:
        examined.setdefault(problem.id, problem)
    rows = {problem.id: problem for problem in train}
    pairs: list[Pair] = []
    for kind in dict.fromkeys(map(rule_of, train)):
        mine = [problem for problem in train if rule_of(problem) == kind]
        others = [
            problem
            for problem in examined.values()
            if (kind is None or rule_of(problem) != kind) and not problem.twin_of
        ]
        screened_ids = {problem.id for problem in others}
        alike = [problem for problem in examined.values() if problem.id not in screened_ids]
        if kind is None:
            pairs += [_pair(leak, rows, examined, removed=True) for leak in find_copies(mine, alike)]
        else:
            texts = {problem.id for problem in alike}
            pairs += [
                Pair(problem, examined[problem.id], "copy", 1.0, "identity", False, True)
                for problem in mine
                if problem.id in texts
            ]
        if mine and others:
            screened = gate(mine, others)
            for leak in screened.leaks:
                pairs.append(_pair(leak, rows, examined, leak.kind != "variant" or settings.remove_variants))
            pairs += [_pair(leak, rows, examined, removed=False) for leak in screened.cleared]
    order = {problem.id: place for place, problem in enumerate(train)}
    return sorted(pairs, key=lambda pair: order[pair.train.id])


def _pair(leak: Leak, train: dict[str, Problem], examined: dict[str, Problem], removed: bool) -> Pair:
    return Pair(train[leak.train], examined[leak.benchmark], leak.kind, leak.score, leak.step, leak.grey, removed)
