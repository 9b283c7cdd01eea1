"""Step 1 of the leak gate: texts that share runs of words.

Any shared 13-gram (GPT-3's rule, Brown et al. 2020) or an 8-gram Jaccard above a bound makes a *candidate* here, no leak: on
competition problems the first alone calls half of the variants and three quarters of the problems with the same opening a leak.
Numbers count as one sign, so that a variant is found too. A candidate's two texts are aligned, and the alignment decides.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby
from typing import Literal

from stages.problems.document import NUMBER, Document, grams, same_number, says_little
from stages.problems.normalise import is_number, numbers

Relation = Literal["copy", "near", "variant"]

LONG, SHORT = 13, 8
MAX_SHARERS = 40  # an n-gram in more benchmark problems than this is a phrase of the trade
MAX_ALIGNED = 600  # words of a text that are aligned: the time is quadratic
MIN_WORDS = 5
WHOLE, ALIKE, MOSTLY, PARTLY = 0.9, 0.75, 0.6, 0.2  # shares of a text's words that stand in the other in the same order


@dataclass(frozen=True, slots=True)
class Alignment:
    """How far two texts run alike: shares of either one's words, and what differs within and beside them.

    `unmatched` are the words of either, without its numbers, that stand in none of the other's in the same order.
    """

    of_train: float
    of_benchmark: float
    matched: int
    changed_numbers: int
    spare_numbers: int
    unmatched: tuple[str, ...]

    @property
    def score(self) -> float:
        return max(min(self.of_train, self.of_benchmark), 0.9 * max(self.of_train, self.of_benchmark))


NOTHING = Alignment(0, 0, 0, 0, 0, ())


class NgramIndex:
    """The benchmark's n-grams; `candidates` are the benchmark's problems that share enough with a text."""

    def __init__(self, benchmark: Sequence[Document], jaccard: float) -> None:
        self._jaccard = jaccard
        self._sizes = [len(grams(document.masked, SHORT)) for document in benchmark]
        self._long = _index(benchmark, LONG)
        self._short = _index(benchmark, SHORT)
        self._tiny: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for place, document in enumerate(benchmark):
            if MIN_WORDS <= len(document.masked) <= LONG:
                self._tiny[tuple(document.masked)].append(place)

    def candidates(self, document: Document) -> set[int]:
        short = grams(document.masked, SHORT)
        shared = Counter(place for gram in short for place in self._short.get(gram, ()))
        found = {
            place
            for place, count in shared.items()
            if count / (len(short) + self._sizes[place] - count) >= self._jaccard
            or count / min(len(short), self._sizes[place]) >= 0.5
        }
        for gram in grams(document.masked, LONG):
            found.update(self._long.get(gram, ()))
        if len(document.masked) <= 2 * LONG:
            for size in range(MIN_WORDS, LONG + 1):
                for gram in grams(document.masked, size):
                    found.update(self._tiny.get(gram, ()))
        return found


def _index(benchmark: Sequence[Document], size: int) -> dict[tuple[str, ...], list[int]]:
    index: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for place, document in enumerate(benchmark):
        for gram in grams(document.masked, size):
            index[gram].append(place)
    return {gram: places for gram, places in index.items() if len(places) <= MAX_SHARERS}


def align(train: Document, benchmark: Document) -> Alignment:
    left, right = train.masked[:MAX_ALIGNED], benchmark.masked[:MAX_ALIGNED]
    if (Counter(left) & Counter(right)).total() < ALIKE * min(len(left), len(right)):
        return NOTHING  # whatever their order: no rule below asks for less, and most pairs end here
    blocks = SequenceMatcher(None, left, right, autojunk=False).get_matching_blocks()
    matched, changed, in_left, in_right = 0, 0, 0, 0
    unmatched: list[str] = []
    left_end, right_end = 0, 0
    for block in blocks:
        matched += block.size
        unmatched += left[left_end : block.a] + right[right_end : block.b]
        left_end, right_end = block.a + block.size, block.b + block.size
        for step in range(block.size):
            if left[block.a + step] == NUMBER:
                in_left += 1
                in_right += 1
                changed += not same_number(train.words[block.a + step], benchmark.words[block.b + step])
    if changed and _digits(train.words) == _digits(benchmark.words):  # x^220 is x^2 20 that lost its braces
        changed = 0
    spare = left.count(NUMBER) - in_left + right.count(NUMBER) - in_right
    return Alignment(
        matched / max(1, len(left)),
        matched / max(1, len(right)),
        matched,
        changed,
        spare,
        tuple(word for word in unmatched if word != NUMBER),
    )


def _digits(words: Sequence[str]) -> str:
    return "".join(word for word in words if is_number(word))


def _same_numbers(train: Document, benchmark: Document, same_answer: bool | None) -> bool:
    """Whether no number was changed, whatever its spelling: 0.5 is 1/2.

    In another order they may be another problem ("3 red and 5 blue", "5 red and 3 blue"): there the answer decides.
    """
    if train.numbers != benchmark.numbers:
        return False
    return bool(same_answer) or _in_order(train.words) == _in_order(benchmark.words)


def _in_order(words: Sequence[str]) -> list[list[tuple[str, int]]]:
    """The values of every run of words that can spell a number together."""
    runs = groupby(words, key=lambda word: is_number(word) or word in "/-")
    return [list(found.items()) for spells, run in runs if spells and (found := numbers(list(run)))]


def _is_restated(left: Sequence[str], right: Sequence[str]) -> bool:
    """Whether one alone ends with "... in the form m/n. Find m + n", as AIME makes a whole number of any answer."""
    return _ends_with_a_sum(left) != _ends_with_a_sum(right)


def _ends_with_a_sum(words: Sequence[str]) -> bool:
    end = words[-8:]
    return any(
        sign == "+" and len(one) == len(other) == 1 and one.isalpha() and other.isalpha()
        for one, sign, other in zip(end, end[1:], end[2:], strict=False)
    )


def relation(train: Document, benchmark: Document, found: Alignment, same_answer: bool | None) -> Relation | None:
    """What the alignment says of the two; None where it says nothing (other steps may).

    same_answer: None where one of them has no answer.
    """
    both, most = min(found.of_train, found.of_benchmark), max(found.of_train, found.of_benchmark)
    if min(len(train.words), len(benchmark.words)) < MIN_WORDS:
        return None
    changed, spare, unmatched = found.changed_numbers, found.spare_numbers, found.unmatched
    if (changed or spare) and _same_numbers(train, benchmark, same_answer):
        changed, spare = 0, 0
        unmatched = tuple(word for word in unmatched if word not in "/-")  # 1/2 and 0.5, twenty-one and 21
    if changed:
        return "variant" if both >= ALIKE else None
    if both == 1:
        return "near" if found.changed_numbers else "copy"
    restated = same_answer is False and not spare and _is_restated(train.words, benchmark.words)
    if restated and most >= WHOLE and both >= MOSTLY:
        return "near"  # though the answers differ: 3/7 there, 10 here
    if found.of_benchmark == 1 and both >= ALIKE:
        return "copy" if same_answer else "near"  # all of it, and a little more
    if both >= ALIKE and same_answer is False:
        if both >= WHOLE and not spare and all(map(says_little, unmatched)):
            return "near"  # the benchmark's text with a wrong answer, or with one that is asked in another way
        return "variant"  # a word was changed, "girls" to "boys", and the answer with it
    if both >= WHOLE:
        return "near" if spare else "copy"
    if (
        most >= WHOLE
        and both >= (PARTLY if same_answer else ALIKE)
        and found.matched >= SHORT
        and same_answer is not False
    ):
        return "copy"  # a sentence cut at its end, or something put before it
    return "near" if both >= ALIKE and same_answer and not spare else None
