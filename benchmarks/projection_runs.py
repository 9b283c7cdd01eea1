"""Miniature runs for benchmarks.projection: climbed in workspaces of their own, kept, and recorded step by step."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from stages.accounting.projection import MeasuredRung, MeasuredStep
from stages.accounting.projection.present import Present
from stages.accounting.projection.reading import read_measured
from stages.accounting.reading import EVERYTHING, reading
from stages.params import RUNGS, load_params, read_yaml
from stages.store.digest import md5
from stages.store.files import write_bytes

PROFILE = Path("profiles/mini.yaml")
KEPT = Path("runs/benchmarks/projection")
COLUMNS = ("sample", "grade", "reference", "update", "idle", "save", "sampled_tokens", "trained_tokens", "rollouts")
Runs = Mapping[str, Sequence[MeasuredRung]]


def measure(seed: int, rollouts: int | None) -> Path:
    """The workspace in which the ladder of `seed` has been climbed, now or before."""
    settings = _settings(seed, rollouts)
    workspace = _workspace(settings)
    if (workspace / "finished").exists():
        return workspace
    shutil.rmtree(workspace, ignore_errors=True)
    shutil.copytree("stages", workspace / "stages", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", "compute.txt", "prices.yaml"):
        shutil.copy2(name, workspace / name)
    with (workspace / "params.yaml").open("w") as file:
        yaml = YAML(typ="safe", pure=True)
        yaml.default_flow_style = False  # DVC reads no plain `md5:...` between braces
        yaml.dump(settings, file)
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


def rungs_of(workspace: Path) -> list[MeasuredRung]:
    """As its newest attempts took them: nothing has changed in it since."""
    with reading(workspace / "runs/ledger.db") as ledger:
        newest = {attempt.stage: attempt.identity for attempt in ledger.attempts() if attempt.identity}
        climbed = Present(tuple(newest), newest, frozenset(newest))
        here, _ = read_measured(load_params(workspace / "params.yaml"), ledger, climbed, EVERYTHING)
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
