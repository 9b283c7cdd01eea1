"""A ladder's rungs, simulated many times over: what is measured stays, what is to come is drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stages.accounting.projection.lengths import future_lengths_FS, lengths_again_FS
from stages.accounting.projection.measured import WORKING, Floats, MeasuredRung, PlannedRung
from stages.accounting.projection.pace import DRIFT, fit_wander
from stages.accounting.projection.seconds import Scaling, fit_scaling, future_seconds, warmed
from stages.randomness import rng

FUTURES = 2000
EXTRAPOLATION = 0.15
"""Of seconds at other rollouts than were measured (standard deviation of the logarithm, for each e-fold of rollouts)."""
OTHER_SPREAD = 0.3
"""Of an attempt's start and end (standard deviation of the logarithm): files, imports and exports, on whatever machine."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """One run: its rungs as measured (on one device, at least one with steps enough) and as planned, both from short to long."""

    measured: tuple[MeasuredRung, ...]
    plan: tuple[PlannedRung, ...]
    futures: int = FUTURES
    seed: int = 0

    @property
    def device(self) -> str:
        """That of what was measured."""
        return self.telling[0].device

    @property
    def telling(self) -> list[MeasuredRung]:
        """Those with steps enough to tell a pace."""
        return [rung for rung in self.measured if rung.enough]

    def own(self, planned: PlannedRung) -> MeasuredRung | None:
        """The steps of `planned` that are done, if there are any."""
        return next((rung for rung in self.measured if rung.present and rung.steps and _same(rung, planned)), None)

    def template(self, planned: PlannedRung) -> MeasuredRung:
        """The rung whose lengths and pace `planned` takes over: its own, or one of its name and context, or the nearest."""

        def distance(rung: MeasuredRung) -> tuple[bool, float, bool]:
            return not _same(rung, planned), abs(float(np.log(rung.context / planned.context))), not rung.present

        return min(self.telling, key=distance)

    def random(self, *names: str | int) -> np.random.Generator:
        return rng("projection", self.seed, *names)


def _same(rung: MeasuredRung, planned: PlannedRung) -> bool:
    return rung.name == planned.name and rung.context == planned.context


@dataclass(frozen=True, slots=True)
class RungFutures:
    """`steps` of a rung, simulated: seconds (F,) by phase and `other`, tokens (F,) where known. It rests on `measured_steps`.

    `watts` are those of all its devices, None where nobody knows them.
    """

    name: str
    measured_steps: int
    steps: int
    device: str
    devices: int
    seconds_F: Mapping[str, Floats]
    tokens_F: Floats | None
    spent_s: float = 0.0
    watts: float | None = None

    def total_F(self) -> Floats:
        return np.asarray(np.sum(list(self.seconds_F.values()), axis=0))


def rest(ladder: Ladder, planned: PlannedRung) -> RungFutures:
    """The steps of `planned` that are still to come; what it took so far is `spent_s`."""
    own, template = ladder.own(planned), ladder.template(planned)
    done = len(own.steps) if own else 0
    lengths_FS = lengths_of(ladder, planned)[:, done:]
    spent_s = own.step_seconds + own.other_seconds if own else 0.0
    other_F = _other_F(ladder, own, planned) - (own.other_seconds if own else 0.0)
    return _simulated(ladder, planned, template, lengths_FS, other_F, spent_s)


def whole(ladder: Ladder, planned: PlannedRung) -> RungFutures:
    """All steps of `planned`: the measured ones as they were (at other rollouts a prompt, rescaled), then those to come."""
    own, template = ladder.own(planned), ladder.template(planned)
    done = min(len(own.steps), planned.steps) if own else 0
    lengths_FS = lengths_of(ladder, planned)
    after = _simulated(ladder, planned, template, lengths_FS[:, done:], _other_F(ladder, own, planned), 0.0)
    if own is None:
        return after
    kept = own.first(done)
    grown, unsure_F = planned.rollouts / own.rollouts, _of_another_size_F(ladder, planned, own)
    scaling = scaling_of(ladder, planned, own)
    seconds = dict(after.seconds_F)
    for phase in WORKING:
        before_FN, now_FN = (scaling.relative(phase, factor * kept.tokens_N()) for factor in (1.0, grown))
        seconds[phase] = seconds[phase] + unsure_F * (kept.seconds_N(phase) * now_FN / before_FN).sum(axis=1)
    seconds["save"] = seconds["save"] + kept.seconds_N("save").sum()
    tokens_F = lengths_FS.sum(axis=1) * _sampled_rollouts(planned, own)
    return replace(after, measured_steps=len(own.steps), steps=planned.steps, seconds_F=seconds, tokens_F=tokens_F)


def at_the_last_context(ladder: Ladder, steps: int, lengths_power_F: Floats) -> RungFutures:
    """`steps` steps in the place of all rungs, with the last rung's context and pace.

    Lengths are drawn from the last rung's, L; a power w of (F,) moves them to L * (L / M) ** (w - 1), M being the ladder's mean.
    """
    last = ladder.plan[-1]
    own = ladder.template(last)
    last_FS = lengths_of(ladder, last)
    mean_F = np.mean([lengths_of(ladder, planned).mean(axis=1) for planned in ladder.plan], axis=0)
    rows_F1 = np.arange(ladder.futures)[:, None]
    picked_FS = ladder.random("first day").integers(0, last_FS.shape[1], (ladder.futures, steps))
    moved_F = (last_FS.mean(axis=1) / mean_F) ** (lengths_power_F - 1)
    lengths_FS = np.minimum(last.context, last_FS[rows_F1, picked_FS] * moved_F[:, None])
    planned = PlannedRung(last.name, last.context, last.rollouts_per_prompt, last.prompts_per_step, steps)
    return _simulated(ladder, planned, own, lengths_FS, _other_F(ladder, None, planned), 0.0)


def lengths_of(ladder: Ladder, planned: PlannedRung) -> Floats:
    """Mean tokens a response (F, S) of all steps of `planned`, the measured ones first."""
    template, own = ladder.template(planned), ladder.own(planned)
    random = ladder.random("lengths", planned.name)
    kept_N = own.lengths_N()[: planned.steps] if own else np.zeros(0)
    to_come = planned.steps - len(kept_N)
    if template is own:
        ahead_FS = future_lengths_FS(template.lengths_N(), template.context, to_come, ladder.futures, random)
    elif _same(template, planned):
        again_FS = lengths_again_FS(template.lengths_N(), template.context, planned.steps, ladder.futures, random)
        ahead_FS = again_FS[:, len(kept_N) :]
    else:
        elsewhere_FS = future_lengths_FS(template.lengths_N(), template.context, to_come, ladder.futures, random)
        grows_F = (planned.context / template.context) ** random.uniform(0, 1, ladder.futures)
        ahead_FS = np.minimum(planned.context, elsewhere_FS * grows_F[:, None])
    return np.concatenate([np.broadcast_to(kept_N, (ladder.futures, len(kept_N))), ahead_FS], axis=1)


def scaling_of(ladder: Ladder, planned: PlannedRung, template: MeasuredRung) -> Scaling:
    """The rung's own where it does what it did, that of all rungs where it is to do more or less at once."""
    same = template.enough and _same(template, planned) and planned.rollouts == template.rollouts
    rungs: Sequence[MeasuredRung] = [template] if same else ladder.telling
    return fit_scaling(rungs, ladder.futures, ladder.random("scaling", template.name if same else "all"))


def _simulated(
    ladder: Ladder,
    planned: PlannedRung,
    template: MeasuredRung,
    lengths_FS: Floats,
    other_F: Floats,
    spent_s: float,
) -> RungFutures:
    steps = lengths_FS.shape[1]
    tokens_FS = lengths_FS * _sampled_rollouts(planned, template)
    scaling = scaling_of(ladder, planned, template)
    unsure_F = _of_another_size_F(ladder, planned, template)
    wander = fit_wander([warmed(rung) for rung in ladder.telling])
    random = ladder.random("seconds", planned.name)
    seconds = {
        phase: unsure_F * taken for phase, taken in future_seconds(template, scaling, wander, tokens_FS, random).items()
    }
    saved_N = np.concatenate([rung.seconds_N("save") for rung in ladder.telling])
    seconds["save"] = np.full(ladder.futures, steps * saved_N.mean())  # checkpoints come at regular steps
    seconds["other"] = other_F
    return RungFutures(
        planned.name,
        len(template.steps),
        steps,
        template.device,
        template.devices,
        seconds,
        tokens_FS.sum(axis=1),
        spent_s,
        template.watts,
    )


def _sampled_rollouts(planned: PlannedRung, template: MeasuredRung) -> float:
    """Responses a step; what a measured step sampled besides (refilled prompts), a planned one samples too."""
    return planned.rollouts * float(np.mean([step.rollouts for step in template.steps])) / template.rollouts


def _of_another_size_F(ladder: Ladder, planned: PlannedRung, template: MeasuredRung) -> Floats:
    """A factor about 1 for steps of so many responses as nobody measured, in another run at another time."""
    grown = planned.rollouts / template.rollouts
    if grown == 1:
        return np.ones(ladder.futures)
    spread = np.hypot(DRIFT, EXTRAPOLATION * np.log(grown))
    return np.asarray(np.exp(spread * ladder.random("size").standard_normal(ladder.futures)))


def _other_F(ladder: Ladder, own: MeasuredRung | None, planned: PlannedRung) -> Floats:
    """Seconds of an attempt outside its steps, start and end: its own where it ended, else as those that did.

    Where none has ended yet, one that is under way has had what it is known for: its start.
    """
    asked = {rung.name: rung.steps for rung in ladder.plan}
    ended = [rung for rung in ladder.telling if len(rung.steps) >= asked.get(rung.name, 1)]
    if own is not None and (not ended or len(own.steps) >= planned.steps):
        return np.full(ladder.futures, own.other_seconds)
    mean = float(np.mean([rung.other_seconds for rung in ended or ladder.telling]))
    other_F = mean * np.exp(OTHER_SPREAD * ladder.random("other").standard_normal(ladder.futures))
    return np.maximum(other_F, own.other_seconds if own else 0.0)
