"""Problems made by a rule: the same settings and seed give the same ones."""

from collections.abc import Callable

import numpy as np

from stages.errors import LadderError
from stages.params import Generated, Twins
from stages.problems import digit_sums, word_arithmetic
from stages.problems.problem import TWINS, Problem, problem_id
from stages.randomness import rng


def generate(source: Generated, seed: int) -> list[Problem]:
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
                    id=problem_id(text),
                    problem=text,
                    answers=(answer,),
                    source=source.kind,
                    record=position + 1,
                    licence="generated",
                    split="heldout" if position < source.heldout_per_rating else "train",
                    rating=float(rating),
                    year=None,
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
