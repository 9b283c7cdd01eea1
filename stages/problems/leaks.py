"""The leak gate: which training problems are problems of a benchmark, in the same words or in others.

Every training problem is compared with every problem of the benchmark, in up to four steps, the surest first:

identity    the canonical texts are equal (stages/problems/normalise.py)
ngram       the texts share runs of words, and their alignment says how (stages/problems/ngrams.py)
embedding   the answers are equal, and cosine, numbers and formulas are evidence enough (stages/problems/evidence.py)
judge       where the texts alone don't tell, a language model is asked, if there is one (stages/problems/judge.py)

Same text, other numbers is a *variant*: named, and no leak unless the settings say so. Without a judge a grey pair is decided
by its evidence and marked, for a person to read. A row's verdict depends on the row and the benchmark alone.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import exp
from typing import Literal, Protocol

import numpy as np

from stages.grading.verdict import quick_verdict
from stages.problems import evidence
from stages.problems.document import Asked, Document, embedded_text, read_document
from stages.problems.embedding import EmbeddingCache, Embeddings
from stages.problems.ngrams import NgramIndex, align, relation

Kind = Literal["copy", "near", "paraphrase", "variant"]
Step = Literal["identity", "ngram", "embedding", "judge"]
Verdict = Literal["same", "variant", "different"]
Progress = Callable[[str], None]

ROWS_AT_ONCE = 2048
CLOSE = 0.6  # cosine from which the grader compares answers that are written differently
CLOSEST = 0.8  # cosine from which two texts are aligned, whatever else they share


@dataclass(frozen=True, slots=True)
class GateSettings:
    """What of it is a setting of an experiment is in `problems.leaks` of params.yaml."""

    jaccard: float = 0.25
    """8-gram Jaccard from which two texts are aligned."""
    threshold: float = 0.0
    """Evidence z from which a pair with the same answer is a paraphrase."""
    grey: float = 1.5
    """Pairs whose z is this close to the threshold are marked, for a person to read."""
    judged_below: float = 4.0
    """A judge is asked about all pairs whose z is above the threshold or this little below it."""
    neighbours: int = 10
    """How many of a benchmark problem's nearest training problems a judge is asked about, besides."""


@dataclass(frozen=True, slots=True)
class Leak:
    """`score` is 0 to 1: how much of the text is shared, or how likely the evidence makes it. `grey`: for a person to read."""

    train: str
    benchmark: str
    kind: Kind
    score: float
    step: Step
    grey: bool


@dataclass(frozen=True, slots=True)
class Screened:
    """`leaks`: one a pair, in the order of the training set, then of the benchmark. `cleared`: grey pairs that are none."""

    leaks: list[Leak]
    cleared: list[Leak]


class Judge(Protocol):
    def verdicts(self, pairs: Sequence[tuple[Asked, Asked]]) -> list[Verdict | None]:
        """Of a training and a benchmark problem each; None where it said nothing that can be read."""


def find_leaks(
    train: Sequence[Asked],
    benchmark: Sequence[Asked],
    settings: GateSettings,
    cache: EmbeddingCache,
    judge: Judge | None = None,
    progress: Progress = lambda message: None,
) -> Screened:
    """Every training problem against every benchmark problem; ids are unique in either."""

    def embedding(done: int, of: int) -> None:
        progress(f"embedded {done} of {of} texts")

    below = settings.judged_below if judge else settings.grey
    gate = _Gate(
        benchmark,
        settings,
        settings.threshold - below,
        cache.embed([embedded_text(problem) for problem in benchmark], embedding),
    )
    leaks: list[Leak] = []
    cleared: list[Leak] = []
    asked: dict[tuple[int, int], Leak] = {}  # pairs for the judge, and what they are without one
    nearest = _Nearest(len(benchmark), settings.neighbours if judge else 0)
    for start in range(0, len(train), ROWS_AT_ONCE):
        rows = train[start : start + ROWS_AT_ONCE]
        embeddings = cache.embed([embedded_text(problem) for problem in rows], embedding)
        cosines = embeddings @ gate.embeddings.T
        nearest.add(start, cosines)
        for row, place, leak in gate.examine(rows, cosines):
            if judge and leak.step == "embedding":
                asked[start + row, place] = leak
            else:
                (leaks if gate.is_one(leak) else cleared).append(leak)
        progress(f"compared {start + len(rows)} of {len(train)} problems")
    if judge:
        for leak in _judged(train, benchmark, leaks, asked, nearest, judge):
            if gate.is_one(leak):
                leaks.append(leak)
            elif leak.grey:
                cleared.append(leak)
    order = {problem.id: place for place, problem in enumerate(train)}
    known = {problem.id: place for place, problem in enumerate(benchmark)}

    def by_place(leak: Leak) -> tuple[int, int]:
        return order[leak.train], known[leak.benchmark]

    return Screened(sorted(leaks, key=by_place), sorted(cleared, key=by_place))


def find_copies(train: Sequence[Asked], benchmark: Sequence[Asked]) -> list[Leak]:
    """The pairs that the first two steps, which need no model, call a copy or nearly one."""
    gate = _Gate(benchmark, GateSettings(), float("inf"), np.zeros((len(benchmark), 1), np.float32))
    found: list[Leak] = []
    for start in range(0, len(train), ROWS_AT_ONCE):
        rows = train[start : start + ROWS_AT_ONCE]
        leaks = gate.examine(rows, np.zeros((len(rows), len(benchmark)), np.float32))
        found += [leak for _, _, leak in leaks if leak.kind != "variant"]
    return found


class _Gate:
    """The benchmark, read once."""

    def __init__(
        self, benchmark: Sequence[Asked], settings: GateSettings, floor: float, embeddings: Embeddings
    ) -> None:
        self.embeddings = embeddings
        self._floor = floor  # pairs whose z is below it are not worth a word
        self._least = _probability(settings.threshold)
        self._settings = settings
        self._documents = [read_document(problem) for problem in benchmark]
        self._index = NgramIndex(self._documents, settings.jaccard)
        self._by_identity: dict[str, list[int]] = defaultdict(list)
        self._by_answer: dict[str, list[int]] = defaultdict(list)
        self._equal: dict[tuple[str, str], bool] = {}
        for place, document in enumerate(self._documents):
            self._by_identity[document.identity].append(place)
            for key in document.answer_keys:
                self._by_answer[key].append(place)

    def is_one(self, leak: Leak) -> bool:
        """The threshold is the evidence's: what other steps have found is found."""
        return leak.step != "embedding" or leak.score >= self._least

    def examine(self, rows: Sequence[Asked], cosines: Embeddings) -> Iterator[tuple[int, int, Leak]]:
        """(row, place, leak) of every pair that is one or lies in the grey band below."""
        documents = [read_document(problem) for problem in rows]
        pairs = self._same_answer(documents, cosines)
        close = np.argwhere(cosines >= CLOSE)
        for row, place in close.tolist():
            document, known = documents[row], self._documents[place]
            if cosines[row, place] >= CLOSEST or self._same_answers(document, known):
                pairs.add((row, place))
        for row, document in enumerate(documents):
            pairs.update((row, place) for place in self._by_identity.get(document.identity, ()))
            pairs.update((row, place) for place in self._index.candidates(document))
        for row, place in sorted(pairs):
            leak = self._decide(documents[row], self._documents[place], float(cosines[row, place]))
            if leak:
                yield row, place, leak

    def _same_answer(self, documents: Sequence[Document], cosines: Embeddings) -> set[tuple[int, int]]:
        """The pairs with the same answer whose evidence may reach the grey band."""
        weights = np.array([document.number_weight for document in documents])
        by_answer: dict[str, list[int]] = defaultdict(list)
        for row, document in enumerate(documents):
            for key in document.answer_keys & self._by_answer.keys():
                by_answer[key].append(row)
        foreign = np.array([document.foreign for document in documents])
        found: set[tuple[int, int]] = set()
        for key, rows in by_answer.items():
            for place in self._by_answer[key]:
                known = self._documents[place]
                least = (
                    evidence.FOREIGN_COSINE if known.foreign else np.where(foreign[rows], evidence.FOREIGN_COSINE, -1)
                )
                near = np.maximum(cosines[rows, place], least)
                reachable = (
                    evidence.bounds(near, evidence.rarity(known), weights[rows], known.number_weight) >= self._floor
                )
                found.update((rows[index], place) for index in np.flatnonzero(reachable).tolist())
        return found

    def _same_answers(self, left: Document, right: Document) -> bool | None:
        """By their keys, else by what the grader tells in microseconds; None where either has none."""
        if not left.answer_keys or not right.answer_keys:
            return None
        if left.answer_keys & right.answer_keys:
            return True
        return any(self._equal_answers(known, given) for known in right.answers for given in left.answers)

    def _equal_answers(self, known: str, given: str) -> bool:
        if (known, given) not in self._equal:
            self._equal[known, given] = quick_verdict(known, given) == "correct"
        return self._equal[known, given]

    def _decide(self, train: Document, known: Document, cosine: float) -> Leak | None:
        """What the pair is, the surest step first."""
        if train.identity == known.identity:
            return Leak(train.id, known.id, "copy", 1.0, "identity", False)
        same = self._same_answers(train, known)
        found = align(train, known)
        if kind := relation(train, known, found, same):
            return Leak(train.id, known.id, kind, round(found.score, 4), "ngram", False)
        z = evidence.weigh(train, known, cosine) if same else -float("inf")
        if z < self._floor:
            return None
        grey = abs(z - self._settings.threshold) <= self._settings.grey
        return Leak(train.id, known.id, "paraphrase", _probability(z), "embedding", grey)


class _Nearest:
    """Of every benchmark problem the training problems with the highest cosines so far."""

    def __init__(self, benchmark: int, keep: int) -> None:
        self._keep = keep
        self._best: list[list[tuple[float, int]]] = [[] for _ in range(benchmark)]

    def add(self, start: int, cosines: Embeddings) -> None:
        if not self._keep:
            return
        keep = min(self._keep, len(cosines))
        rows = np.argpartition(-cosines, keep - 1, axis=0)[:keep]
        for place, best in enumerate(self._best):
            best += [(float(cosines[row, place]), start + int(row)) for row in rows[:, place]]
            best.sort(reverse=True)
            del best[self._keep :]

    def pairs(self) -> Iterator[tuple[int, int]]:
        return ((row, place) for place, best in enumerate(self._best) for _, row in best)


def _judged(
    train: Sequence[Asked],
    benchmark: Sequence[Asked],
    leaks: Sequence[Leak],
    asked: dict[tuple[int, int], Leak],
    nearest: _Nearest,
    judge: Judge,
) -> list[Leak]:
    """What the judge says of these pairs and of the nearest ones; where it is silent, the pair as it was."""
    decided = {(leak.train, leak.benchmark) for leak in leaks}
    pairs = [
        (row, place)
        for row, place in dict.fromkeys((*asked, *nearest.pairs()))
        if (train[row].id, benchmark[place].id) not in decided
    ]
    verdicts = judge.verdicts([(train[row], benchmark[place]) for row, place in pairs])
    found = []
    for (row, place), verdict in zip(pairs, verdicts, strict=True):
        if verdict in ("same", "variant"):
            kind: Kind = "paraphrase" if verdict == "same" else "variant"
            found.append(Leak(train[row].id, benchmark[place].id, kind, 1.0, "judge", False))
        elif verdict is None and (row, place) in asked:
            found.append(asked[row, place])
    return found


def _probability(z: float) -> float:
    return round(1 / (1 + exp(-z)), 4)
