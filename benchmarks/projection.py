"""How well is a miniature run's cost foreseen from the first 30 % of each rung's steps? And what else a projection answers.

    python -m benchmarks.projection [--seeds 230 ...] [--controls 220 ...] [--more-rollouts 102] [--record FILE]

Every seed climbs the ladder of profiles/mini.yaml in a workspace of its own under runs/benchmarks/projection/ (the stages
prepare, base, curriculum and train, one after the other, each a process that books into the workspace's ledger). Fitted on the
first steps alone, the rest is predicted and held against what was measured: seconds of the steps, on a machine as busy as it was.

- `rest`: the aim (the truth inside the 90 % interval in at least 8 of 10 runs, median error at most 15 %);
- `longest_first`: 24k from the first day, predicted from the ladders of the controls' seeds, against that control as it was
  measured (benchmarks/results/miniature.json): sampled tokens, and the ratio of minutes, measured on another day. A ladder that
  went another way here than there (other processors, other last bits) is left out;
- `rollouts`: 16 rollouts a prompt, predicted from the whole run with 8, against the same seed climbed with 16.

The method was chosen on the seeds CHOSEN_ON and on no other. A finished run is kept and not made again. `--record` writes the
steps of the seeds and the controls to FILE: tests/accounting/projection/runs.json is made so.
"""

import argparse
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.projection_runs import PROFILE, Runs, measure, rungs_of, write_runs
from benchmarks.record import RESULTS, write_result
from stages.accounting.projection import (
    Change,
    DeviceFacts,
    Estimate,
    MeasuredRung,
    PlannedRung,
    Projection,
    rest_of_run,
    what_if,
)
from stages.accounting.projection.futures import FUTURES, Ladder
from stages.accounting.projection.reading import planned_rungs
from stages.accounting.records import BookedPrice
from stages.params import Params, load_params

SHARE = 0.3
ROLLOUTS = 16
SAME_LADDER = 0.05
"""By how much the tokens of a ladder may differ from those of the same seed elsewhere, if it is to be the same ladder."""
CHOSEN_ON = (*range(101, 108), *range(220, 230))
PRICES = {"cpu-core": DeviceFacts(BookedPrice(0.04, None, "own", "undated", "of no matter here"), None)}


def figures(runs: Runs, plan: tuple[PlannedRung, ...], share: float = SHARE) -> dict[str, Any]:
    """Coverage, errors and widths of the rest after the first `share` of every rung's steps, over all runs and by rung."""
    by_run = {seed: _foreseen(run, plan, share) for seed, run in runs.items()}
    return {
        **_summary([run["total"] for run in by_run.values()]),
        "by_rung": {rung.name: _summary([run[rung.name] for run in by_run.values()]) for rung in plan},
        "by_run": by_run,
    }


def _foreseen(run: Sequence[MeasuredRung], plan: tuple[PlannedRung, ...], share: float) -> dict[str, Any]:
    first = {planned.name: round(share * planned.steps) for planned in plan}
    ladder = Ladder(tuple(rung.first(first[rung.name]) for rung in run), plan)
    projection = rest_of_run(ladder, PRICES)
    took = {rung.name: rung.step_seconds - rung.first(first[rung.name]).step_seconds for rung in run}
    by_rung = {rung.name: _held_against(rung.seconds, took[rung.name]) for rung in projection.by_rung}
    return {"total": _held_against(projection.seconds, sum(took.values())), **by_rung}


def _held_against(foreseen: Estimate, truth: float) -> dict[str, Any]:
    return {
        "truth": truth,
        "foreseen": foreseen.value,
        "low": foreseen.low,
        "high": foreseen.high,
        "inside": foreseen.low <= truth <= foreseen.high,
        "error": foreseen.value / truth - 1,
        "width": (foreseen.high - foreseen.low) / foreseen.value,
    }


def _summary(cases: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "inside": sum(case["inside"] for case in cases),
        "of": len(cases),
        "median_absolute_error": statistics.median(abs(case["error"]) for case in cases),
        "median_relative_width": statistics.median(case["width"] for case in cases),
    }


def with_more_rollouts(runs: Runs, controls: Runs, plan: tuple[PlannedRung, ...]) -> dict[str, Any]:
    """The steps' seconds of the whole run with more rollouts a prompt, foreseen from the run without, and as measured."""
    cases = {}
    for seed, control in controls.items():
        projection = what_if(Ladder(tuple(runs[seed]), plan), Change(rollouts=ROLLOUTS), PRICES)
        cases[seed] = _held_against(_steps_alone(projection, runs[seed]), sum(rung.step_seconds for rung in control))
    return {**_summary(list(cases.values())), "by_run": cases}


def _steps_alone(projection: Projection, run: Sequence[MeasuredRung]) -> Estimate:
    """Without starts and ends of the attempts: those of a finished run are known, and the same in every future."""
    other = sum(rung.other_seconds for rung in run)
    seconds = projection.seconds
    return Estimate(seconds.value - other, seconds.low - other, seconds.high - other)


def longest_first(runs: Runs, plan: tuple[PlannedRung, ...], measured: Mapping[str, Any]) -> dict[str, Any]:
    """Tokens of 24k from the first day, foreseen and as `measured` (benchmarks.miniature's figures), and the ratio of times."""
    cases = {}
    for seed in sorted(set(runs) & set(measured["seeds"])):
        arms = measured["seeds"][seed]
        there = sum(rung["train_tokens"] for rung in arms["ladder"].values())
        here = sum(float(rung.tokens_N().sum()) for rung in runs[seed])
        if abs(here / there - 1) > SAME_LADDER:
            continue
        projection = what_if(Ladder(tuple(runs[seed]), plan), Change(longest_first=True), PRICES)
        minutes = {
            arm: sum(rung["train_minutes"] for rung in arms[arm].values()) for arm in ("ladder", "longest_first")
        }
        tokens = projection.by_rung[0].sampled_tokens
        assert tokens is not None
        assert projection.compared is not None
        ratio = minutes["longest_first"] / minutes["ladder"]
        cases[seed] = {
            "tokens": _held_against(tokens, sum(rung["train_tokens"] for rung in arms["longest_first"].values())),
            "time_over_ladder": _held_against(projection.compared.seconds_ratio, ratio),
        }
    names = ("tokens", "time_over_ladder") if cases else ()
    return {**{name: _summary([case[name] for case in cases.values()]) for name in names}, "by_run": cases}


def _configuration(params: Params, arguments: argparse.Namespace, loads: dict[str, list[float]]) -> dict[str, Any]:
    return {
        "profile": str(PROFILE),
        "steps": {rung.name: rung.steps for rung in planned_rungs(params)},
        "fitted_share": SHARE,
        "futures": FUTURES,
        "seeds": arguments.seeds,
        "method_chosen_on_seeds": list(CHOSEN_ON),
        "controls": arguments.controls,
        "more_rollouts": arguments.more_rollouts,
        "control_rollouts": ROLLOUTS,
        "load_average_by_stage": loads,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.projection", description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(230, 240)))
    parser.add_argument("--controls", type=int, nargs="*", default=list(range(220, 225)))
    parser.add_argument(
        "--more-rollouts", type=int, nargs="*", default=[102], help="seeds to climb with 16 rollouts too"
    )
    parser.add_argument("--record", type=Path, help="also write the runs' steps to this file")
    arguments = parser.parse_args()
    params = load_params(PROFILE)
    plan = planned_rungs(params)
    seeds = [*arguments.seeds, *arguments.controls, *arguments.more_rollouts]
    workspaces = {str(seed): measure(seed, None) for seed in seeds}
    climbed = {seed: rungs_of(workspace) for seed, workspace in workspaces.items()}
    runs = {str(seed): climbed[str(seed)] for seed in arguments.seeds}
    controls = {str(seed): climbed[str(seed)] for seed in arguments.controls}
    with_more = {str(seed): rungs_of(measure(seed, ROLLOUTS)) for seed in arguments.more_rollouts}
    loads = {seed: json.loads((path / "finished").read_bytes())["load"] for seed, path in workspaces.items()}
    if arguments.record:
        write_runs(arguments.record, runs | controls)
    measured = json.loads((RESULTS / "miniature.json").read_bytes())["figures"]
    found = {
        "rest": figures(runs, plan),
        "longest_first": longest_first(controls, plan, measured),
        **({"rollouts": with_more_rollouts(climbed, with_more, plan)} if with_more else {}),
    }
    print(
        write_result("projection", ["torch", "transformers", "numpy"], _configuration(params, arguments, loads), found)
    )


if __name__ == "__main__":
    main()
