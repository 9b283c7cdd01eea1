"""Which problems a rung sees: those of its bands of difficulty, each band with its share.

Of a rung's bands the scarcest is used up; of the others as many are drawn as their shares allow. Whether a problem is drawn
depends on its id and on how many there are, not on the order of anything. Every problem is told with its reason, in or out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor

from stages.errors import LadderError
from stages.params import Band, Rung
from stages.problems.problem import Problem
from stages.randomness import rng


@dataclass(frozen=True, slots=True)
class Candidate:
    """A training problem as a rung's curriculum sees it.

    `difficulty` is None where it is not known; `unfit` says why the problem is out whatever its difficulty, if it is.
    """

    problem: Problem
    difficulty: float | None
    prompt_tokens: int
    unfit: str | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """A candidate with the reason why it is in the rung's table, or why it is not."""

    candidate: Candidate
    reason: str


@dataclass(frozen=True, slots=True)
class Curriculum:
    """In the order of the candidates."""

    within: list[Placed]
    left_out: list[Placed]


def pick(candidates: Sequence[Candidate], name: str, rung: Rung, seed: int) -> Curriculum:
    """The curriculum of the rung `name`. Raises LadderError where a band, or the whole, has no problem."""
    by_band: dict[int | None, list[Candidate]] = {place: [] for place in range(len(rung.difficulty))}
    for candidate in candidates:
        if candidate.unfit is None:
            by_band.setdefault(band_of(candidate.difficulty, rung.difficulty), []).append(candidate)
    for place, band in enumerate(rung.difficulty):
        if not by_band[place]:
            raise LadderError(
                f"params.yaml: rungs.r{name}.difficulty.{place}: no problem has a difficulty within {_range(band)} "
                f"({_known(candidates)}); widen the band or take it out"
            )
    kept = _draw(by_band, rung.difficulty, (seed, "curriculum", name))
    if rung.unrated:
        kept |= {one.problem.id for one in by_band.get(None, []) if one.difficulty is None}
    if not kept:
        raise LadderError(
            f"params.yaml: rungs.r{name}: no problem is left to learn from ({_known(candidates)}); let more in"
        )
    return Curriculum(
        [Placed(one, _why_in(one, rung.difficulty)) for one in candidates if one.problem.id in kept],
        [Placed(one, _why_out(one, rung.difficulty)) for one in candidates if one.problem.id not in kept],
    )


def band_of(difficulty: float | None, bands: Sequence[Band]) -> int | None:
    """The band's place; a border of two belongs to the upper. None where no band has it."""
    if difficulty is None:
        return None
    places = [place for place, band in enumerate(bands) if band.low <= difficulty <= band.high]
    return places[-1] if places else None


def _draw(by_band: dict[int | None, list[Candidate]], bands: Sequence[Band], key: tuple[str | int, ...]) -> set[str]:
    """The ids of the problems that the bands' shares leave."""
    total = min((len(by_band[place]) / band.share for place, band in enumerate(bands)), default=0.0)
    drawn: set[str] = set()
    for place, band in enumerate(bands):
        lots = sorted((float(rng(*key, one.problem.id).random()), one.problem.id) for one in by_band[place])
        drawn |= {problem_id for _, problem_id in lots[: max(1, floor(band.share * total + 1e-9))]}  # no band vanishes
    return drawn


def _why_in(candidate: Candidate, bands: Sequence[Band]) -> str:
    place = band_of(candidate.difficulty, bands)
    if place is None:
        return "no known difficulty, and such are let in"
    return f"difficulty {candidate.difficulty:g} is within {_range(bands[place])}"


def _why_out(candidate: Candidate, bands: Sequence[Band]) -> str:
    place = band_of(candidate.difficulty, bands)
    if candidate.unfit:
        return candidate.unfit
    if candidate.difficulty is None:
        return "no known difficulty"
    return "difficulty is in no band" if place is None else f"the share of {_range(bands[place])} is full"


def _range(band: Band) -> str:
    return f"[{band.low:g}, {band.high:g}]"


def _known(candidates: Sequence[Candidate]) -> str:
    """What there is, for whoever has to mend the bands."""
    fit = [candidate for candidate in candidates if candidate.unfit is None]
    known = [candidate.difficulty for candidate in fit if candidate.difficulty is not None]
    span = f"of a difficulty from {min(known):g} to {max(known):g}" if known else "of no known difficulty"
    return f"{len(fit)} of {len(candidates)} problems are fit, {len(known)} of them {span}"
