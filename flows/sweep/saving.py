"""What pruning saved: an estimate, since nobody made the steps that were left."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial, TrialState

from flows.sweep.costs import TrialCost
from flows.sweep.study import PARAMS_YAML, trial_name
from stages.params import RUNGS, Params, Sweep, parse_yaml

HOW = (
    "the steps that pruned and diverged trials had left, each at the mean cost of such a step in the finished trials; "
    "examinations that were spared are not counted"
)


@dataclass(frozen=True, slots=True)
class Saving:
    """Dollars and steps spared in `trials` trials."""

    trials: int
    steps: int
    usd: float


def saving(trials: Sequence[FrozenTrial], sweep: Sweep, costs: Mapping[str, TrialCost]) -> Saving:
    pruned = [trial for trial in trials if trial.state == TrialState.PRUNED]
    finished = [
        costs[name]
        for t in trials
        if t.state == TrialState.COMPLETE and (name := trial_name(sweep.name, t.number)) in costs
    ]
    left = {rung: sum(steps_left(trial, sweep, costs)[rung] for trial in pruned) for rung in RUNGS}
    usd = sum(steps * usd_per_step(f"train@{rung}", finished) for rung, steps in left.items())
    return Saving(len(pruned), sum(left.values()), usd)


def steps_left(trial: FrozenTrial, sweep: Sweep, costs: Mapping[str, TrialCost]) -> dict[str, int]:
    """By rung, the steps that nobody made; a rung that came from DVC's cache below one that was begun was made."""
    params = Params.model_validate(parse_yaml(trial.user_attrs[PARAMS_YAML]))
    name = trial_name(sweep.name, trial.number)
    made = costs[name].steps if name in costs else {}
    begun = [index for index, rung in enumerate(RUNGS) if f"train@{rung}" in made]
    last = max(begun, default=-1)
    return {
        rung: 0 if index < last else params.rungs.of(rung).steps - made.get(f"train@{rung}", 0)
        for index, rung in enumerate(RUNGS)
    }


def usd_per_step(stage: str, finished: Sequence[TrialCost]) -> float:
    """Over all steps of that rung that finished trials booked; 0 where none did."""
    booked = [cost for cost in finished if cost.steps.get(stage)]
    return sum(cost.by_stage[stage] for cost in booked) / max(1, sum(cost.steps[stage] for cost in booked))
