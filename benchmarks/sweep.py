"""A sweep of the miniature over KL coefficient x upper clip x learning rate: which corner diverges, what its best is worth on new
seeds, what pruning saves.

    python -m benchmarks.sweep [--trials 24] [--parallel 2 [--stages 2]] [--seeds 400 401 402 403 404] [--steps 30]

Two sweeps of as many trials with the same sampler and seed, each in a copy of this checkout of its own under
runs/benchmarks/sweep, with a cache of its own (a finished one is not made again; delete the folder for a new start):

- `pruned`: the median of the finished trials decides every 5 steps, and guards stop what diverges;
- `unpruned`: every trial runs to its end, whatever becomes of it.

The tables, the base and its examination are made before both, so that neither pays for them. The learning rates reach so high
that some trials diverge. Dollars are the ledger's, of all attempts of a sweep. Then the best of `pruned` and the settings of
profiles/mini.yaml run side by side with new seeds (flows/ablate).
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from benchmarks.record import commit, device, write_result
from stages.accounting.origin import COMMIT
from stages.params import RUNGS, read_yaml
from stages.store.files import write_json

WORK = Path("runs/benchmarks/sweep").resolve()
BEGUN = WORK / "begun"  # what both arms are copies of
NOT_COPIED = {
    ".git",
    ".venv",
    "runs",
    ".prefect",
    "data",
    "models",
    "samples",
    "grades",
    "metrics",
    "dvc_plots",
    "external",
}
SPACE = {
    "grpo.kl_coef": {"low": 0.0001, "high": 0.1, "log": True},
    "grpo.clip_high": {"low": 0.1, "high": 0.5},
    "grpo.learning_rate": {"low": 0.0001, "high": 0.01, "log": True},
}
GUARDS = {"max_kl": 2.0, "zero_reward_steps": 5}
PRUNER = {"kind": "median", "startup_trials": 5, "warmup_steps": 10, "every_steps": 5, "patience": 2}
ARMS: dict[str, dict[str, Any]] = {
    "pruned": {"pruner": PRUNER, "guards": GUARDS},
    "unpruned": {"pruner": PRUNER | {"kind": "none"}, "guards": {"max_kl": None, "zero_reward_steps": None}},
}
BEFORE = ("evaluate@base", "curriculum@8k")  # and what they need
CONTRASTS = ("metric", "variant", "against", "difference", "interval", "p_value", "least_p")
NOBODY = {f"GIT_{who}_{what}": "benchmark@localhost" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def run(place: Path, *command: str) -> None:
    """`python -m COMMAND` in a copy; its failure is ours."""
    environment = os.environ | NOBODY | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run([sys.executable, "-m", *command], cwd=place, env=environment)
    if done.returncode:
        sys.exit(done.returncode)


def commit_all(place: Path, message: str) -> None:
    for command in (["add", "--all"], ["commit", "--quiet", "--allow-empty", "--message", message]):
        subprocess.run(["git", *command], cwd=place, env=os.environ | NOBODY, check=True)


def begin(arguments: argparse.Namespace) -> None:
    """This checkout's files as a repository of its own, in which what both arms share is made."""
    here = str(Path.cwd())

    def left_out(folder: str, names: list[str]) -> set[str]:
        if folder == here:
            return {name for name in names if name in NOT_COPIED or name.endswith("_cache")}
        return {
            name
            for name in names
            if name == "__pycache__" or (Path(folder).name == ".dvc" and name in ("cache", "tmp", "config.local"))
        }

    shutil.rmtree(BEGUN, ignore_errors=True)  # of a run that was stopped
    shutil.copytree(here, BEGUN, ignore=left_out)
    (BEGUN / "dvc.lock").unlink(missing_ok=True)
    (BEGUN / "reports/bill.json").unlink(missing_ok=True)
    write_yaml(BEGUN / "params.yaml", settings("pruned", arguments))
    subprocess.run(["git", "init", "--quiet"], cwd=BEGUN, check=True)
    commit_all(BEGUN, "Start")
    for stage in BEFORE:
        run(BEGUN, "dvc", "repro", "--quiet", stage)
    commit_all(BEGUN, "Make the base")


def settings(arm: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """The miniature's, with the sweep of this arm."""
    values: dict[str, Any] = read_yaml(Path("profiles/mini.yaml"))
    values["guards"] |= ARMS[arm]["guards"]
    values["operations"] |= {"parallel_stages": arguments.stages or arguments.parallel}
    for rung in RUNGS:
        values["rungs"][f"r{rung}"]["steps"] = arguments.steps
    values["sweep"] |= {
        "name": arm,
        "sampler": "tpe",
        "trials": arguments.trials,
        "parallel": arguments.parallel,
        "space": SPACE,
        "objectives": ["accuracy"],
        "pruner": ARMS[arm]["pruner"],
    }
    return values


def sweep(arm: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """The report of the arm's sweep."""
    place, kept = WORK / arm, WORK / f"{arm}.json"
    if not place.exists():
        partial = WORK / f"{arm}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(BEGUN, partial, symlinks=True)
        write_yaml(partial / "params.yaml", settings(arm, arguments))
        commit_all(partial, f"Sweep {arm}")
        partial.rename(place)
    if not kept.exists():
        run(place, "flows.sweep", "run")
        write_json(kept, {"device": device(), **json.loads((place / "reports/sweep.json").read_bytes())})
    report: dict[str, Any] = json.loads(kept.read_bytes())
    return report


def best_against_default(best: Mapping[str, Any], arguments: argparse.Namespace) -> dict[str, Any]:
    """The best trial's settings less the profile's, on new seeds: the ablation's report."""
    place = WORK / "pruned"
    ablation = place / "profiles/ablations/sweep-best.yaml"
    compared = {
        "name": "sweep-best",
        "profile": None,
        "seeds": arguments.seeds,
        "shared": {},
        "reference": "default",
        "variants": {"default": {}, "best": dict(best)},
    }
    write_yaml(ablation, compared)
    commit_all(place, "Compare the best with the default")
    run(place, "flows.ablate", str(ablation.relative_to(place)))
    report: dict[str, Any] = json.loads((place / "reports/ablation-sweep-best.json").read_bytes())
    return report


def figures_of(reports: Mapping[str, Mapping[str, Any]], compared: Mapping[str, Any]) -> dict[str, Any]:
    """Ratios first; then the best against the default, and every trial of both sweeps: the map of what is stable."""
    totals = {arm: totals_of(report) for arm, report in reports.items()}
    pruned, unpruned = totals["pruned"], totals["unpruned"]
    return {
        "pruned_over_unpruned": {
            key: pruned[key] / unpruned[key] for key in ("usd", "trained_tokens", "sampled_tokens")
        },
        "made_on": {arm: report["device"] for arm, report in reports.items()},
        "best_accuracy": {arm: best_of(report)["values"]["accuracy"] for arm, report in reports.items()},
        "best_params": {arm: best_of(report)["params"] for arm, report in reports.items()},
        "totals": totals,
        "saved_by_pruning": reports["pruned"]["saved_by_pruning"],
        "importance": {arm: report["importance"] for arm, report in reports.items()},
        "best_against_default": [{name: one[name] for name in CONTRASTS} for one in compared["contrasts"]],
        "best_and_default": {"variants": compared["variants"], "runs": compared["runs"]},
        "map": {arm: [on_map(trial) for trial in report["trials"]] for arm, report in reports.items()},
    }


def totals_of(report: Mapping[str, Any]) -> dict[str, float]:
    parts: Sequence[Mapping[str, float]] = list(report["cost_by_state"].values())
    return {
        key: sum(part[key] for part in parts)
        for key in ("trials", "usd", "seconds", "trained_tokens", "sampled_tokens")
    }


def best_of(report: Mapping[str, Any]) -> dict[str, Any]:
    if not report["best"]:
        sys.exit(f"the sweep {report['sweep']}: no trial has finished; take more trials")
    trial: dict[str, Any] = report["trials"][report["best"][0]]
    return trial


def on_map(trial: Mapping[str, Any]) -> dict[str, Any]:
    accuracy = trial["values"]["accuracy"] if trial["values"] else None
    kept = ("number", "state", "params", "max_kl", "steps", "why", "usd")
    return {"accuracy": accuracy} | {name: trial[name] for name in kept}


def write_yaml(path: Path, value: Any) -> None:
    with path.open("w") as file:
        yaml = YAML(typ="safe", pure=True)
        yaml.default_flow_style = False  # DVC reads no plain `md5:...` between braces
        yaml.dump(value, file)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sweep", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=24, help="of each sweep")
    parser.add_argument("--parallel", type=int, default=2, help="trials at once")
    parser.add_argument("--stages", type=int, help="stages at once, a thread each (default: as many as trials)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[400, 401, 402, 403, 404], help="of the comparison")
    parser.add_argument("--steps", type=int, default=30, help="of each rung")
    arguments = parser.parse_args()
    os.environ[COMMIT] = commit()
    if not (WORK / "pruned").exists():
        begin(arguments)
    reports = {arm: sweep(arm, arguments) for arm in ARMS}
    compared = best_against_default(best_of(reports["pruned"])["params"], arguments)
    configuration = {**vars(arguments), "space": SPACE, "arms": ARMS, "profile": read_yaml(Path("profiles/mini.yaml"))}
    path = write_result("sweep", ["optuna", "torch", "prefect", "dvc"], configuration, figures_of(reports, compared))
    print(path)


if __name__ == "__main__":
    main()
