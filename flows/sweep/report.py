"""What a sweep found: reports/sweep.md for people, reports/sweep.json for programs. Neither is hashed by DVC."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from flows.sweep.costs import TrialCost, trial_costs
from flows.sweep.saving import HOW, Saving, saving
from flows.sweep.study import GUARD, MAX_KL, WHY, feasible, pareto_front, ranked, trial_name
from stages.params import Params, Sweep
from stages.store.files import write_bytes, write_json

REPORT_MD, REPORT_JSON = Path("reports/sweep.md"), Path("reports/sweep.json")
BEST = 10  # rows of the first table
FEWEST = 4  # finished trials below which an importance says nothing
STATES = ("complete", "pruned", "diverged", "failed", "under way")
NO_COST = TrialCost()


@dataclass(frozen=True, slots=True)
class StateCost:
    """What the trials of one state took together."""

    trials: int
    usd: float
    seconds: float
    sampled_tokens: int
    trained_tokens: int


def write_report(study: Study, params: Params) -> None:
    sweep, costs = params.sweep, trial_costs(params.sweep.name)
    trials = study.get_trials(deepcopy=False)
    by_state = cost_by_state(trials, sweep.name, costs)
    saved = saving(trials, sweep, costs)
    found = importance(study, sweep.objectives, sweep.seed)
    report = {
        "sweep": sweep.name,
        "objectives": sweep.objectives,
        "sampler": sweep.sampler,
        "seed": sweep.seed,
        "best": [trial.number for trial in ranked(study)],
        "pareto_front": [trial.number for trial in pareto_front(study)] if len(sweep.objectives) > 1 else None,
        "importance": found,
        "cost_by_state": {state: asdict(cost) for state, cost in by_state.items()},
        "saved_by_pruning": asdict(saved) | {"how": HOW},
        "trials": [_as_data(trial, sweep, costs) for trial in trials],
    }
    write_json(REPORT_JSON, report)
    write_bytes(REPORT_MD, _page(study, sweep, costs, by_state, saved, found).encode())


def importance(study: Study, objectives: Sequence[str], seed: int) -> dict[str, dict[str, float]] | None:
    """By objective, each setting's share of the variance among the finished trials: fANOVA (Hutter et al. 2014) over Optuna's
    forest. None where there are too few of them, or all came to the same.
    """
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(complete) < FEWEST or any(
        len(set(column)) == 1 for column in zip(*(t.values for t in complete), strict=True)
    ):
        return None
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances  # imports scikit-learn

    def of(index: int) -> dict[str, float]:
        evaluator = FanovaImportanceEvaluator(seed=seed)
        return get_param_importances(study, evaluator=evaluator, target=lambda trial: float(trial.values[index]))

    return {objective: of(index) for index, objective in enumerate(objectives)}


def state_of(trial: FrozenTrial) -> str:
    if trial.state == TrialState.PRUNED:
        return "diverged" if trial.constraints.get(GUARD, 0) > 0 else "pruned"
    return {TrialState.COMPLETE: "complete", TrialState.FAIL: "failed"}.get(trial.state, "under way")


def cost_by_state(trials: Sequence[FrozenTrial], sweep: str, costs: Mapping[str, TrialCost]) -> dict[str, StateCost]:
    """Of the states that there are."""
    parts: dict[str, StateCost] = {}
    for state in STATES:
        mine = [costs.get(trial_name(sweep, t.number), NO_COST) for t in trials if state_of(t) == state]
        if mine:
            parts[state] = StateCost(
                len(mine),
                sum(cost.usd for cost in mine),
                sum(cost.seconds for cost in mine),
                sum(cost.sampled_tokens for cost in mine),
                sum(cost.trained_tokens for cost in mine),
            )
    return parts


def best_so_far(study: Study, sweep: Sweep) -> list[str]:
    """The best trial's name; with two objectives the names of the Pareto front."""
    front = pareto_front(study)
    return [trial_name(sweep.name, trial.number) for trial in (front if len(sweep.objectives) > 1 else front[:1])]


def trial_line(study: Study, sweep: Sweep, number: int, costs: Mapping[str, TrialCost], elapsed_s: float) -> str:
    """What is said of a trial once it has ended."""
    trial = study.trials[number]
    state = state_of(trial)
    said = _values(trial, sweep) if state == "complete" else trial.user_attrs.get(WHY, "")
    if state == "complete" and not feasible(trial):
        said += " (breaks a constraint)"
    best = ", ".join(best_so_far(study, sweep)) or "none"
    name = trial_name(sweep.name, number)
    usd = costs.get(name, NO_COST).usd
    return f"[{elapsed_s:5.0f} s] {name}  {_point(trial)}  {state}: {said}  ${usd:.4f}  best so far: {best}" + (
        f" ({_values(front[0], sweep)})" if (front := pareto_front(study)) else ""
    )


def _as_data(trial: FrozenTrial, sweep: Sweep, costs: Mapping[str, TrialCost]) -> dict[str, Any]:
    cost = costs.get(trial_name(sweep.name, trial.number), NO_COST)
    return {
        "number": trial.number,
        "name": trial_name(sweep.name, trial.number),
        "state": state_of(trial),
        "params": trial.params,
        "values": dict(zip(sweep.objectives, trial.values, strict=True)) if state_of(trial) == "complete" else None,
        "feasible": feasible(trial),
        "max_kl": trial.user_attrs.get(MAX_KL),
        "why": trial.user_attrs.get(WHY, ""),
        "usd": cost.usd,
        "seconds": cost.seconds,
        "sampled_tokens": cost.sampled_tokens,
        "trained_tokens": cost.trained_tokens,
        "steps": dict(cost.steps),
    }


def _page(
    study: Study,
    sweep: Sweep,
    costs: Mapping[str, TrialCost],
    by_state: Mapping[str, StateCost],
    saved: Saving,
    found: Mapping[str, Mapping[str, float]] | None,
) -> str:
    parts = [
        f"# The sweep {sweep.name}",
        f"{sum(part.trials for part in by_state.values())} trials by {sweep.sampler}, seed {sweep.seed}, for "
        f"{' and '.join(sweep.objectives)}. `python -m flows.sweep apply NUMBER` puts a trial's settings into params.yaml; "
        "`dvc repro` then gives its bytes again.",
        "## The best trials",
        _best_table(study, sweep, costs),
        "## What matters",
        *_what_matters(list(sweep.space), found),
        "## What it cost",
        _cost_table(by_state),
        f"Pruning saved about ${saved.usd:.4f} ({saved.steps} steps of {saved.trials} trials): {HOW}.",
    ]
    stopped = [t for t in study.get_trials(deepcopy=False) if state_of(t) in ("pruned", "diverged", "failed")]
    if stopped:
        listed = [f"- {t.number} ({_point(t)}) {state_of(t)}: {t.user_attrs.get(WHY, '')}" for t in stopped]
        parts += ["## Those without a result", "\n".join(listed)]
    return "\n\n".join(parts) + "\n"


def _best_table(study: Study, sweep: Sweep, costs: Mapping[str, TrialCost]) -> str:
    """The best by accuracy; of two objectives the whole Pareto front too."""
    front, two = {trial.number for trial in pareto_front(study)}, len(sweep.objectives) > 1
    header = ["trial", *sweep.objectives, "max KL", *sweep.space, "dollars", *(["Pareto front"] if two else [])]
    rows = []
    for rank, trial in enumerate(ranked(study)):
        if rank < BEST or (two and trial.number in front):
            kl = trial.user_attrs.get(MAX_KL)
            rows.append([
                f"{trial.number}",
                *(f"{value:.4f}" for value in trial.values),
                "-" if kl is None else f"{kl:.4f}" + ("" if feasible(trial) else " (breaks a constraint)"),
                *(_short(trial.params[path]) for path in sweep.space),
                f"{costs.get(trial_name(sweep.name, trial.number), NO_COST).usd:.4f}",
                *(["yes" if trial.number in front else ""] if two else []),
            ])  # fmt: skip
    return _table(header, rows or [["none has finished yet", *[""] * (len(header) - 1)]])


def _what_matters(paths: Sequence[str], found: Mapping[str, Mapping[str, float]] | None) -> list[str]:
    if found is None:
        return [f"Not known: fANOVA needs {FEWEST} finished trials that did not all come to the same."]
    order = sorted(paths, key=lambda path: -next(iter(found.values())).get(path, 0.0))
    rows = [[path, *(f"{shares.get(path, 0.0):.2f}" for shares in found.values())] for path in order]
    said = "Shares of the variance among the finished trials (fANOVA); pruned and diverged ones are not in it."
    return [_table(["setting", *found], rows), said]


def _cost_table(by_state: Mapping[str, StateCost]) -> str:
    rows = [
        [state, f"{c.trials}", f"{c.usd:.4f}", f"{c.seconds / 3600:.3f}", f"{c.sampled_tokens}", f"{c.trained_tokens}"]
        for state, c in by_state.items()
    ]
    return _table(["trials", "number", "dollars", "hours", "sampled tokens", "trained tokens"], rows)


def _values(trial: FrozenTrial, sweep: Sweep) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in zip(sweep.objectives, trial.values, strict=True))


def _point(trial: FrozenTrial) -> str:
    return " ".join(f"{path.rpartition('.')[2]}={_short(value)}" for path, value in trial.params.items())


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else f"{value}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, ["-:"] * len(header), *rows))
