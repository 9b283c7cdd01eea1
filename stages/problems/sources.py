"""Where problems come from: made by a rule, or a pinned file of records."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from stages.errors import LadderError
from stages.params import Generated, JsonFile
from stages.problems import digit_sums, word_arithmetic
from stages.problems.problem import Problem, problem_id
from stages.randomness import rng
from stages.store.digest import check_pin

Reason = Literal[
    "empty problem", "empty answer", "unreadable answer", "unreadable difficulty", "in the examination", "repeated"
]


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A record that is not used, and why: it is set aside in a table of its own, never dropped silently."""

    source: str
    record: int
    reason: Reason
    problem: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """A source's records in order, each a problem or the reason why it is none."""

    records: list[Problem | Quarantined]

    @property
    def problems(self) -> list[Problem]:
        return [record for record in self.records if isinstance(record, Problem)]


def load_source(source: Generated | JsonFile, seed: int) -> Loaded:
    """All of a source. Raises LadderError where a file is missing, changed or not a list of records."""
    return Loaded([*_generate(source, seed)]) if isinstance(source, Generated) else _read_json(source)


def _generate(source: Generated, seed: int) -> list[Problem]:
    """Distinct problems a rating, the held-out ones first, so that more training never changes the examination."""
    problems = []
    for rating in source.ratings:
        random = rng(seed, "problems", source.kind, rating)
        wanted = source.heldout_per_rating + source.train_per_rating
        texts: dict[str, str] = {}
        for _ in range(50 * wanted):
            if len(texts) == wanted:
                break
            text, answer = _DRAW[source.kind](rating, random)
            texts[text] = answer
        if len(texts) < wanted:
            raise LadderError(
                f"problems.sources: {source.kind} of rating {rating} has too few distinct problems for "
                f"{source.train_per_rating} + {source.heldout_per_rating} ({len(texts)} found); ask for fewer"
            )
        for position, (text, answer) in enumerate(texts.items()):
            problems.append(
                Problem(
                    id=problem_id(source.kind, text),
                    problem=text,
                    answers=(answer,),
                    source=source.kind,
                    licence="generated",
                    split="heldout" if position < source.heldout_per_rating else "train",
                    rating=float(rating),
                )
            )
    return problems


def _draw_digit_sum(rating: int, random: np.random.Generator) -> tuple[str, str]:
    digits = digit_sums.draw(rating, random)
    return digit_sums.text(digits), str(digit_sums.answer(digits))


def _draw_word_arithmetic(rating: int, random: np.random.Generator) -> tuple[str, str]:
    text, answer = word_arithmetic.draw(rating, random)
    return text, str(answer)


_DRAW: dict[str, Callable[[int, np.random.Generator], tuple[str, str]]] = {
    "digit_sums": _draw_digit_sum,
    "word_arithmetic": _draw_word_arithmetic,
}


def _read_json(source: JsonFile) -> Loaded:
    path = Path(source.path)
    check_pin(path, source.pin)
    return Loaded([_problem(source, number, record) for number, record in enumerate(json.loads(path.read_bytes()), 1)])


def _problem(source: JsonFile, number: int, record: dict[str, Any]) -> Problem | Quarantined:
    try:
        text, answer, rating = record["problem"].strip(), record["answer"], record.get("difficulty")
    except (KeyError, AttributeError, TypeError) as error:
        raise LadderError(
            f"{source.path}, record {number}: no usable field {error}; mend the file and its pin"
        ) from None
    given = answer if isinstance(answer, list) else [answer]
    reason = _unusable(text, given, rating)
    if reason:
        return Quarantined(source.name, number, reason, text)
    return Problem(
        id=problem_id(source.name, text),
        problem=text,
        answers=tuple(_answer(one) for one in given),
        source=source.name,
        licence=source.licence,
        split=source.split,
        rating=None if rating is None else float(rating),
    )


def _unusable(text: str, answers: list[Any], rating: Any) -> Reason | None:
    """Why a record with these fields is no problem; None for one that is."""
    if not text:
        return "empty problem"
    if not answers or any(one is None or (isinstance(one, str) and not one.strip()) for one in answers):
        return "empty answer"
    if not all(isinstance(one, str) or _is_finite_number(one) for one in answers):
        return "unreadable answer"
    if rating is not None and not _is_finite_number(rating):
        return "unreadable difficulty"
    return None


def _is_finite_number(value: Any) -> bool:
    """Python's True is an int, its JSON reads NaN and Infinity, and its ints have no bound."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _answer(value: str | int | float) -> str:
    """142.0 in a table of numbers is the answer 142."""
    return str(int(value) if isinstance(value, float) and value.is_integer() else value).strip()
