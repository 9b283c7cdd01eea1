"""What an attempt's seconds were good for: by phase, and of each phase what was wasted, by reason.

An attempt that ended without a result is wasted, but for the steps that a later attempt went on from. Of the steps that count:

- `skipped`: updates that were not finite, with their reference passes;
- `padding`: the share of the positions of update and reference passes that hold no token;
- `zero_std`: the share of tokens (sampled, then trained) in groups whose rewards are all equal, which teach nothing;
- `truncated`: the share of tokens in completions that the context cut, of the other groups;
- `idle`: within a step, but in none of its phases.

A second belongs to one reason at most, in this order. Shares are over all of the attempt's steps together.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from stages.accounting.reading import LedgerReader
from stages.accounting.records import Attempt, Totals

WORK = "work"  # of an attempt without steps
SETUP = "setup"  # of one with steps: before, after and beside them, and the step in flight when it was stopped


@dataclass(frozen=True, slots=True)
class PhaseUse:
    """Seconds of a phase and those of them that were wasted, by reason (an unfinished attempt's status is one)."""

    phase: str
    seconds: float
    wasted: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class StepUse:
    """An attempt's steps: the sums of those that count, and of those that were lost. None where there are none."""

    kept: Totals | None
    lost: Totals | None


NO_STEPS = StepUse(None, None)


def step_uses(reader: LedgerReader, attempts: Sequence[Attempt]) -> dict[int, StepUse]:
    """The steps of `attempts` (all that share an identity with one of them are needed, oldest first)."""
    totals = reader.totals()
    lost_from = _lost_from(attempts, totals)
    uses = {}
    for attempt in attempts:
        own = totals.get(attempt.id)
        first_lost = lost_from.get(attempt.id)
        if own is None:
            continue
        if first_lost is None or first_lost > own.last_step:
            uses[attempt.id] = StepUse(own, None)
        elif first_lost <= own.first_step:
            uses[attempt.id] = StepUse(None, own)
        else:
            lost = reader.totals_from(attempt.id, first_lost)
            kept = reader.totals_from(attempt.id, own.first_step, first_lost - 1)
            uses[attempt.id] = StepUse(kept, lost)
    return uses


def _lost_from(attempts: Sequence[Attempt], totals: Mapping[int, Totals]) -> dict[int, float]:
    """The first step of each unfinished attempt that was lost: where the next one of the same identity began that booked a step.

    Nobody went on from it: all are lost. Somebody did, or ended well without a step of its own: what he didn't repeat counts.
    """
    found: dict[int, float] = {}
    # By identity and workspace (another one has other checkpoints): the first step that those after it took who went on to a
    # result, or are at it.
    later: dict[tuple[str, str | None], float] = {}
    for attempt in reversed(attempts):
        key = (attempt.identity, attempt.origin.workspace)
        begins = totals[attempt.id].first_step if attempt.id in totals else float("inf")
        if not attempt.unfinished:
            later[key] = begins
        elif key in later:
            found[attempt.id] = later[key]
            later[key] = min(later[key], begins)
        else:
            found[attempt.id] = 0.0
    return found


def phase_uses(attempt: Attempt, steps: StepUse) -> list[PhaseUse]:
    """The attempt's wall seconds, divided among its phases; their sum is `attempt.wall_s`."""
    rest: dict[str, float] = {attempt.status: 1.0} if attempt.unfinished else {}
    if steps.kept is None and steps.lost is None:
        return [PhaseUse(WORK, attempt.wall_s, _part(attempt.wall_s, rest))]
    uses: dict[str, PhaseUse] = {}
    for use in [*_kept(steps.kept), *_lost(steps.lost, attempt.status)]:
        before = uses.get(use.phase)
        uses[use.phase] = (
            PhaseUse(use.phase, before.seconds + use.seconds, _sum(before.wasted, use.wasted)) if before else use
        )
    in_steps = sum(use.seconds for use in uses.values())
    if in_steps > attempt.wall_s:  # two clocks never agree to the last digit
        scale = attempt.wall_s / in_steps
        return [replace(use, seconds=use.seconds * scale, wasted=_part(scale, use.wasted)) for use in uses.values()]
    outside = attempt.wall_s - in_steps
    return [*uses.values(), PhaseUse(SETUP, outside, _part(outside, rest))]


def _kept(totals: Totals | None) -> Iterable[PhaseUse]:
    if totals is None:
        return
    trained = _shares(totals.trained_zero_std_tokens, totals.trained_truncated_tokens, totals.trained_tokens)
    skipped = totals.skipped_s / passes if (passes := totals.update_s + totals.reference_s) else 0.0
    padding = (1 - skipped) * totals.padding_tokens / max(1, totals.computed_tokens)
    learning = {"skipped": skipped, "padding": padding} | _part(1 - skipped - padding, trained)
    sampling = _shares(totals.zero_std_tokens, totals.truncated_tokens, totals.sampled_tokens)
    wasted = {"sample": sampling, "reference": learning, "update": learning, "idle": {"idle": 1.0}}
    for phase, seconds in totals.seconds().items():
        if seconds:
            yield PhaseUse(phase, seconds, _part(seconds, wasted.get(phase, {})))


def _lost(totals: Totals | None, status: str) -> Iterable[PhaseUse]:
    if totals is not None:
        yield from (PhaseUse(phase, s, {status: s}) for phase, s in totals.seconds().items() if s)


def _shares(zero_std: int, truncated: int, tokens: int) -> dict[str, float]:
    return {"zero_std": zero_std / max(1, tokens), "truncated": truncated / max(1, tokens)}


def _part(factor: float, shares: Mapping[str, float]) -> dict[str, float]:
    return {reason: factor * share for reason, share in shares.items() if factor * share}


def _sum(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    return {reason: one.get(reason, 0.0) + other.get(reason, 0.0) for reason in {**one, **other}}
