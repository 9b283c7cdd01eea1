"""How well is a miniature run's cost foreseen from the first 30 % of each rung's steps? And what else a projection answers.

    python -m benchmarks.projection [--seeds 220 ...] [--controls 220 ...] [--record FILE]

Every seed climbs the ladder of profiles/mini.yaml in a workspace of its own under runs/benchmarks/projection/ (the stages
prepare, base, curriculum and train, one after the other, each a process that books into the workspace's ledger). Fitted on the
first steps alone, the rest is predicted and held against what was measured: seconds of the steps, on a machine as busy as it was.

- `rest`: the aim (the truth inside the 90 % interval in at least 8 of 10 runs, median error at most 15 %);
- `rollouts`: the controls' seeds climb once more with 16 rollouts a prompt, which is predicted from the whole run with 8;
- `longest_first`: 24k from the first day, predicted from the run, against that control in benchmarks/results/miniature.json
  where it has the seed: sampled tokens, and the ratio of the ladder's minutes, which were measured on another day.

The method was chosen on the seeds 101 to 107 and on no other. A finished run is kept and not made again. `--record` writes the
runs' steps to FILE: tests/accounting/projection/runs.json is made so.
"""

import argparse
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from benchmarks.record import RESULTS, write_result
from stages.accounting.ledger import Ledger
from stages.accounting.projection import (
    Change,
    DeviceFacts,
    Estimate,
    MeasuredRung,
    MeasuredStep,
    PlannedRung,
    Projection,
    rest_of_run,
    what_if,
)
from stages.accounting.projection.futures import FUTURES, Ladder
from stages.accounting.projection.reading import planned_rungs, read_measured
from stages.params import RUNGS, Params, load_params, read_yaml
from stages.store.digest import md5
from stages.store.files import write_bytes

PROFILE = Path("profiles/mini.yaml")
KEPT = Path("runs/benchmarks/projection")
SHARE = 0.3
ROLLOUTS = 16
PRICES = {"cpu-core": DeviceFacts(0.04, None)}
COLUMNS = ("sample", "grade", "reference", "update", "idle", "save", "sampled_tokens", "trained_tokens", "rollouts")
Runs = Mapping[str, Sequence[MeasuredRung]]


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
        projection = what_if(Ladder(tuple(runs[seed]), plan), Change(longest_first=True), PRICES)
        arms = measured["seeds"][seed]
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


def measure(seed: int, rollouts: int | None) -> Path:
    """The workspace in which the ladder of `seed` has been climbed, now or before."""
    settings = _settings(seed, rollouts)
    workspace = _workspace(settings)
    if (workspace / "finished").exists():
        return workspace
    shutil.rmtree(workspace, ignore_errors=True)
    shutil.copytree("stages", workspace / "stages", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", "compute.txt"):
        shutil.copy2(name, workspace / name)
    with (workspace / "params.yaml").open("w") as file:
        YAML(typ="safe", pure=True).dump(settings, file)
    environment = {key: value for key, value in os.environ.items() if key not in ("LADDER_LEDGER", "PYTHONPATH")}
    load = []
    for command in ("prepare", "base", *(f"{stage} {rung}" for rung in RUNGS for stage in ("curriculum", "train"))):
        subprocess.run([sys.executable, "-m", *f"stages.{command}".split()], cwd=workspace, env=environment, check=True)
        load.append(os.getloadavg()[0])
    for name in ("models", "data", "samples"):
        shutil.rmtree(workspace / name)
    (workspace / "finished").write_text(json.dumps({"load": load}))
    return workspace


def _settings(seed: int, rollouts: int | None) -> dict[str, Any]:
    settings: dict[str, Any] = read_yaml(PROFILE) | {"seed": seed}
    if rollouts is not None:
        settings["rungs"] = {name: rung | {"rollouts_per_prompt": rollouts} for name, rung in settings["rungs"].items()}
    return settings


def _workspace(settings: Mapping[str, Any]) -> Path:
    """Named by what decides how long a run takes: settings, compute packages and the code that computes."""
    code = [
        md5(Path(path))
        for path in ("stages/engines", "stages/grading", "stages/grpo", "stages/train.py", "compute.txt")
    ]
    key = hashlib.sha256(json.dumps([code, settings], sort_keys=True).encode()).hexdigest()[:12]
    return KEPT / f"{settings['seed']}-{key}"


def _rungs(workspace: Path) -> list[MeasuredRung]:
    ledger = Ledger(workspace / "runs/ledger.db")
    here, _ = read_measured(load_params(workspace / "params.yaml"), ledger)
    ledger.close()
    return here


def write_runs(path: Path, runs: Runs) -> None:
    """The runs' steps as JSON, a line a step: seconds (to 0.1 ms) by phase, and counts."""
    recorded = {
        seed: [
            {
                "name": rung.name,
                "context": rung.context,
                "rollouts_per_prompt": rung.rollouts_per_prompt,
                "prompts_per_step": rung.prompts_per_step,
                "device": rung.device,
                "devices": rung.devices,
                "other_seconds": round(rung.other_seconds, 4),
                "steps": [_row(step) for step in rung.steps],
            }
            for rung in run
        ]
        for seed, run in runs.items()
    }
    text = json.dumps({"columns": COLUMNS, "runs": recorded}, separators=(",", ":"))
    write_bytes(path, (text.replace("[[", "[\n[").replace("],[", "],\n[") + "\n").encode())


def _row(step: MeasuredStep) -> list[float]:
    counts = [step.sampled_tokens, step.trained_tokens, step.rollouts]
    return [round(step.seconds.get(phase, 0.0), 4) for phase in COLUMNS[:-3]] + counts


def read_runs(path: Path) -> dict[str, list[MeasuredRung]]:
    recorded = json.loads(path.read_bytes())
    return {seed: [_rung(rung) for rung in run] for seed, run in recorded["runs"].items()}


def _rung(recorded: dict[str, Any]) -> MeasuredRung:
    steps = tuple(
        MeasuredStep(number, dict(zip(COLUMNS[:-3], row[:-3], strict=True)), *row[-3:])
        for number, row in enumerate(recorded["steps"], 1)
    )
    return MeasuredRung(**(recorded | {"steps": steps}))


def _configuration(params: Params, arguments: argparse.Namespace, loads: dict[str, list[float]]) -> dict[str, Any]:
    return {
        "profile": str(PROFILE),
        "steps": {rung.name: rung.steps for rung in planned_rungs(params)},
        "fitted_share": SHARE,
        "futures": FUTURES,
        "seeds": arguments.seeds,
        "seeds_of_the_choice_of_method": list(range(101, 108)),
        "control_rollouts": ROLLOUTS,
        "load_average_by_stage": loads,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.projection", description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(220, 230)))
    parser.add_argument("--controls", type=int, nargs="*", default=[220, 221, 222])
    parser.add_argument("--record", type=Path, help="also write the runs' steps to this file")
    arguments = parser.parse_args()
    params = load_params(PROFILE)
    plan = planned_rungs(params)
    workspaces = {str(seed): measure(seed, None) for seed in arguments.seeds}
    runs = {seed: _rungs(workspace) for seed, workspace in workspaces.items()}
    controls = {str(seed): _rungs(measure(seed, ROLLOUTS)) for seed in arguments.controls}
    loads = {seed: json.loads((path / "finished").read_bytes())["load"] for seed, path in workspaces.items()}
    if arguments.record:
        write_runs(arguments.record, runs)
    measured = json.loads((RESULTS / "miniature.json").read_bytes())["figures"]
    found = {
        "rest": figures(runs, plan),
        "rollouts": with_more_rollouts(runs, controls, plan),
        "longest_first": longest_first(runs, plan, measured),
    }
    print(
        write_result("projection", ["torch", "transformers", "numpy"], _configuration(params, arguments, loads), found)
    )


if __name__ == "__main__":
    main()
