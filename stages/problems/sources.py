"""Where problems come from: made by a rule, or a pinned file of records."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from stages.errors import LadderError
from stages.params import Generated, JsonFile
from stages.problems import digit_sums, word_arithmetic
from stages.problems.problem import Problem, problem_id
from stages.randomness import rng
from stages.store.digest import check_pin


def load_source(source: Generated | JsonFile, seed: int) -> list[Problem]:
    """All problems of a source. Raises LadderError where a file is missing, changed or holds a broken record."""
    return _generate(source, seed) if isinstance(source, Generated) else _read_json(source)


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
                    answer=answer,
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


def _read_json(source: JsonFile) -> list[Problem]:
    path = Path(source.path)
    check_pin(path, source.md5)
    records = json.loads(path.read_bytes())
    return [_problem(source, number, record) for number, record in enumerate(records, 1)]


def _problem(source: JsonFile, number: int, record: dict[str, Any]) -> Problem:
    try:
        text, answer, rating = record["problem"].strip(), record["answer"], record.get("difficulty")
    except (KeyError, AttributeError) as error:
        raise LadderError(f"{source.path}, record {number}: no usable field {error}; mend the file and its md5") from None
    if not text or str(answer).strip() == "":
        raise LadderError(f"{source.path}, record {number}: an empty problem or answer; mend the file and its md5")
    if isinstance(answer, float) and answer.is_integer():
        answer = int(answer)  # 142.0 in a table of numbers is the answer 142
    return Problem(
        id=problem_id(source.name, text),
        problem=text,
        answer=str(answer).strip(),
        source=source.name,
        licence=source.licence,
        split=source.split,
        rating=None if rating is None else float(rating),
    )
