"""Problems made by a rule: the same settings and seed give the same ones."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from stages.errors import LadderError
from stages.params import Generated, Twins
from stages.problems import countdown, digit_sums, word_arithmetic
from stages.problems.problem import TWINS, Problem, problem_id
from stages.randomness import rng


@dataclass(frozen=True, slots=True)
class Drawn:
    """A problem's text, an accepted answer, and what a reward function is told besides."""

    text: str
    answer: str
    columns: dict[str, Any]


def generate(source: Generated, seed: int) -> list[Problem]:
    """Distinct problems a rating, the held-out ones first, so that more training never changes the examination."""
    problems = []
    for rating in source.ratings:
        random = rng(seed, "problems", source.kind, rating)
        wanted = source.heldout_per_rating + source.train_per_rating
        texts: dict[str, Drawn] = {}
        for _ in range(50 * wanted):
            if len(texts) == wanted:
                break
            drawn = _DRAW[source.kind](rating, random)
            texts.setdefault(drawn.text, drawn)
        if len(texts) < wanted:
            raise LadderError(
                f"problems.sources: {source.kind} of rating {rating} has too few distinct problems for "
                f"{source.train_per_rating} + {source.heldout_per_rating} ({len(texts)} found); ask for fewer"
            )
        for position, drawn in enumerate(texts.values()):
            problems.append(
                Problem(
                    id=problem_id(drawn.text),
                    problem=drawn.text,
                    answers=(drawn.answer,),
                    source=source.kind,
                    record=position + 1,
                    licence="generated",
                    split="heldout" if position < source.heldout_per_rating else "train",
                    rating=float(rating),
                    year=None,
                    columns=drawn.columns,
                )
            )
    return problems


def _draw_digit_sum(rating: int, random: np.random.Generator) -> Drawn:
    digits = digit_sums.draw(rating, random)
    return Drawn(digit_sums.text(digits), str(digit_sums.answer(digits)), {})


def _draw_word_arithmetic(rating: int, random: np.random.Generator) -> Drawn:
    text, answer = word_arithmetic.draw(rating, random)
    return Drawn(text, str(answer), {})


def _draw_countdown(rating: int, random: np.random.Generator) -> Drawn:
    puzzle = countdown.draw(rating, random)
    columns = {"numbers": [*puzzle.numbers], "target": puzzle.target}
    return Drawn(countdown.text(puzzle), countdown.expression(puzzle.numbers, puzzle.signs), columns)


_DRAW: dict[str, Callable[[int, np.random.Generator], Drawn]] = {
    "digit_sums": _draw_digit_sum,
    "word_arithmetic": _draw_word_arithmetic,
    "countdown": _draw_countdown,
}


def make_twins(source: Twins, seed: int) -> list[Problem]:
    """The twins of all templates with their originals, one template after another."""
    # SymPy takes a second to import, and nothing else here needs it.
    from stages.problems.twins.instances import twins
    from stages.problems.twins.templates import SYMBOLIC
    from stages.problems.twins.templates.digit_sums import TEMPLATES

    made = [
        (template, twin)
        for template in (SYMBOLIC if source.templates == "symbolic" else TEMPLATES)
        for twin in twins(template, source.per_template, seed)
    ]
    return [
        Problem(
            id=problem_id(twin.problem),
            problem=twin.problem,
            answers=(twin.answer,),
            source=f"{source.templates}{TWINS}",
            record=record,
            licence="generated" if template.benchmark is None else "MIT",
            split="heldout",
            rating=template.rating,
            year=None,
            twin_of=None if twin.kind == "original" else problem_id(template.original),
            change=None if twin.kind == "original" else twin.kind,
        )
        for record, (template, twin) in enumerate(made, 1)
    ]
