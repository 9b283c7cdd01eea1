"""A checkout as a year's work leaves it: a workspace that has climbed, saved DVC experiments, what both took.

    python -m benchmarks.filled_runs FOLDER [--runs 100] [--steps 2000]

FOLDER becomes a Git and DVC repository with this checkout's tracked files. Every run is what this checkout's own is (so
`make run` comes first), with another length, one or two other settings, series of its own, and an examination that came out a
little better or worse. An experiment is a commit below refs/exps, as `dvc exp save` leaves one; its outs lie in DVC's cache
under their md5. Models and answers are named and not there, as on a machine that never pulled them. All figures come from
the seed; how the series look: series_of.
"""

import argparse
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from ruamel.yaml import YAML

from benchmarks.filled_ledger import BEGAN_AT, BETWEEN_S, Climb, fill
from flows.experiment import FOLDER
from flows.saved import MESSAGE
from stages.accounting.ledger import LEDGER
from stages.errors import LadderError
from stages.graph import identities_of, in_order, load_graph, stages_of
from stages.params import CHECKPOINTS, RUNGS

SPIKES, SPIKE = 4, 12.0  # of a rung, and how much steeper than usual
EXAMINED = (*(f"metrics/evaluation/{name}.json" for name in CHECKPOINTS), "reports/evaluation.json")
GRADES = tuple(f"grades/{name}.parquet" for name in CHECKPOINTS)
NAMED_ONLY = (*(f"models/{rung}" for rung in RUNGS), *(f"samples/{name}.jsonl" for name in (*RUNGS, "base")))
TRACKED = ("params.yaml", "dvc.lock", "reports/bill.json")
WHO = {
    f"GIT_{who}_{what}": f"{what.lower()}@benchmark" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
}
_ENTRY = re.compile(r"(- path: (?P<path>.+)\n *hash: md5\n *md5: )(?P<md5>\S+)(\n *size: )(?P<size>\d+)")


@dataclass(frozen=True, slots=True)
class Made:
    """A run's files: those of Git and the outs, by path."""

    tracked: Mapping[str, bytes]
    outs: Mapping[str, bytes]

    @property
    def identities(self) -> dict[str, str]:
        """Of its stages, in the order of the graph."""
        locked, graph = identities_of(stages_of(self.tracked["dvc.lock"]) or {}), load_graph()
        return {
            stage: locked[stage] for stage in in_order(graph) if stage in locked and not graph[stage].always_changed
        }


def fill_runs(root: Path, runs: int, steps: int, template: Path = Path(), seed: int = 0) -> list[str]:
    """Make the repository in the empty folder `root` and return its experiments' names. Raises LadderError.

    `template` is a checkout that has climbed; `steps` are those of a run, all its rungs together.
    """
    original = _original(template)
    _copy_tracked(template, root)
    workspace = _run(original, "workspace", steps, np.random.default_rng([seed, runs]))
    for path, content in (*original.outs.items(), *workspace.outs.items(), *workspace.tracked.items()):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    _git(root, "init", "-q")
    _git(root, "add", "-A")
    _git(root, "commit", "-qm", "Start")
    base = _git(root, "rev-parse", "HEAD")
    climbs, stream = [], io.BytesIO()
    for number in range(runs):
        name = f"trial-{number:03d}"
        made = _run(original, name, steps, np.random.default_rng([seed, number]))
        _cache(root, made.outs.values())
        key = hashlib.sha256(made.tracked["params.yaml"]).hexdigest()[:16]
        stream.write(_commit(base, name, key, number, made.tracked))
        climbs.append(Climb(made.identities, str((root / FOLDER / key).resolve()), name))
    _cache(root, (*original.outs.values(), *workspace.outs.values()))
    _git(root, "fast-import", "--quiet", given=stream.getvalue())
    climbs.append(Climb(workspace.identities, str(root.resolve())))
    fill(root / LEDGER, climbs, steps, seed)
    return [climb.experiment for climb in climbs if climb.experiment]


def series_of(count: int, before: int, run_level: float, random: np.random.Generator) -> dict[str, Sequence[Any]]:
    """Columns of a rung's `count` steps, after `before` ones: random walks that look like training.

    The reward rises to a level and breathes about it, entropy falls, KL grows from the rung's start, and a few steps spike in KL
    and gradient. Lengths grow towards the context and are cut there.
    """
    at = np.arange(count)
    done = (before + at) / max(1, before + count)

    def walk(scale: float) -> np.ndarray:
        """A walk that is drawn back to 0."""
        steps, values = random.normal(0.0, scale, count), np.zeros(count)
        for place in range(1, count):
            values[place] = 0.97 * values[place - 1] + steps[place]
        return values

    spiky = np.ones(count)
    spiky[random.integers(0, count, SPIKES)] = SPIKE
    reward = np.clip(run_level * (1 - np.exp(-3 * (done + 0.02))) + walk(0.01) + random.normal(0, 0.02, count), 0, 1)
    spread = np.sqrt(reward * (1 - reward))
    entropy = np.exp(-1.2 - 0.8 * done + walk(0.03))
    kl = np.abs(0.002 + 0.04 * at / max(1, count) + walk(0.001)) * spiky
    length = 3000 + 4000 * done + 200 * walk(0.3)
    cut = np.clip(0.05 + 0.1 * walk(0.05) + random.normal(0, 0.01, count), 0, 1)
    gap = np.abs(random.normal(1e-3, 3e-4, count))
    sampled = (1024 * length).astype(int)
    return {
        "step": at + 1,
        "reward": reward,
        "reward_std": 0.8 * spread,
        "frac_reward_zero_std": np.clip(1 - 1.6 * spread, 0, 1),
        "accuracy": reward,
        "advantage_std": np.sqrt(np.clip(1.6 * spread, 0, 1)),
        "completions/mean_length": length,
        "completions/min_length": (0.02 * length).astype(int),
        "completions/max_length": np.full(count, 8192),
        "completions/p10_length": 0.3 * length,
        "completions/p50_length": 0.9 * length,
        "completions/p90_length": 1.8 * length,
        "completions/clipped_ratio": cut,
        "loss": random.normal(0, 0.02, count),
        "grad_norm": np.exp(-1.5 + walk(0.05) + random.normal(0, 0.1, count)) * spiky,
        "learning_rate": np.full(count, 1e-6),
        "entropy": entropy,
        "kl": kl,
        "kl_coef": np.full(count, 0.001),
        "kl_left_out": np.zeros(count),
        "clip_ratio/low_mean": np.abs(random.normal(1e-3, 5e-4, count)),
        "clip_ratio/high_mean": np.abs(random.normal(2e-3, 1e-3, count)),
        "sampling/sampling_logp_difference/mean": gap,
        "sampling/sampling_logp_difference/max": 30 * gap,
        "sampling/importance_sampling_ratio/mean": 1 + random.normal(0, 1e-4, count),
        "sampling/importance_sampling_ratio/max": 1 + 30 * gap,
        "skipped_updates": np.zeros(count, int),
        **{f"reward_{why}": np.zeros(count, int) for why in ("raised", "died", "timeout", "too_large")},
        "sampled_prompts": np.full(count, 128),
        "sampled_tokens": sampled,
        "trained_tokens": sampled,
    }


def _original(template: Path) -> Made:
    """What `template` has made, models and answers left aside."""
    locks = {path: template / path for path in TRACKED}
    locked = (
        {found["path"] for found in _ENTRY.finditer(locks["dvc.lock"].read_text())}
        if locks["dvc.lock"].exists()
        else set()
    )
    outs = [path for path in locked if path.startswith(("data/", "grades/", "metrics/", "reports/", "samples/train/"))]
    wanted = [*locks.values(), *(template / path for path in (*outs, *EXAMINED, *GRADES))]
    if lacking := [path for path in wanted if not path.is_file()]:
        raise LadderError(f"{lacking[0]}: missing; `make run` climbs the ladder whose results the filled runs resemble")
    return Made(
        {path: place.read_bytes() for path, place in locks.items()},
        {path: (template / path).read_bytes() for path in outs},
    )


def _run(original: Made, name: str, steps: int, random: np.random.Generator) -> Made:
    """One run after the `original`."""
    level = float(random.uniform(0.5, 0.95))
    better = float(random.normal(0, 0.02))
    outs: dict[str, bytes] = {}
    for place, rung in enumerate(RUNGS):
        before, count = _steps_of(place, steps)
        table = f"metrics/train/{rung}.csv"
        names = original.outs[table].split(b"\n", 1)[0].decode().split(",")
        outs[table] = _table(names, series_of(count, before, level, random))
        outs[f"samples/train/{rung}.jsonl"] = _logged(original.outs[f"samples/train/{rung}.jsonl"], count)
    for path in EXAMINED:
        outs[path] = _moved(original.outs[path], better)
    for path in GRADES:  # the same answers, in groups of rows of another size: a file of its own
        outs[path] = _regrouped(original.outs[path], int(random.integers(500, 5000)))
    settings = {
        "kl_coef": round(float(10 ** random.uniform(-3.9, -1.5)), 9)
    }  # of its own: no two runs are made from the same
    if random.random() < 0.5:
        settings["clip_high"] = round(float(random.uniform(0.2, 0.4)), 3)
    params = _changed_params(original.tracked["params.yaml"], settings, steps)
    lock = _with_outs(_changed_lock(original.tracked["dvc.lock"].decode(), settings, steps), name, outs)
    bill = json.loads(original.tracked["reports/bill.json"]) | {"made_usd": round(300 + 40 * level, 6)}
    written = json.dumps(bill, indent=2, sort_keys=True) + "\n"
    return Made(dict(zip(TRACKED, (params, lock.encode(), written.encode()), strict=True)), outs)


def _table(names: Sequence[str], series: Mapping[str, Sequence[Any]]) -> bytes:
    """As stages/store/files.py writes a rung's table."""
    columns = [[repr(value) for value in np.asarray(series[name]).tolist()] for name in names]
    return ("\n".join([",".join(names), *map(",".join, zip(*columns, strict=True))]) + "\n").encode()


def _logged(original: bytes, count: int, every: int = 10) -> bytes:
    """The completions that a rung of `count` steps logs: the original's, over and over."""
    rows = [json.loads(line) for line in original.splitlines()]
    first = [row for row in rows if row["step"] == rows[0]["step"]]
    by_step = [rows[place : place + len(first)] for place in range(0, len(rows), len(first))]
    logged = [
        row | {"step": step} for step in range(0, count, every) for row in by_step[step // every % len(by_step)]
    ]  # fmt: skip
    return "".join(json.dumps(row, sort_keys=True) + "\n" for row in logged).encode()


def _moved(original: bytes, by: float) -> bytes:
    """Every share of right answers in a report `by` higher."""
    shares = ("avg@", "pass@", "maj@")

    def moved(node: Any) -> Any:
        if isinstance(node, list):
            return [moved(part) for part in node]
        if not isinstance(node, dict):
            return node
        own = {"value", "low", "high"} if str(node.get("metric", "")).startswith(shares) else {"sampled", "greedy"}
        return {
            key: round(min(1.0, max(0.0, value + by)), 6)
            if isinstance(value, float) and (key in own or key.startswith(shares))
            else moved(value)
            for key, value in node.items()
        }

    return (json.dumps(moved(json.loads(original)), indent=2, sort_keys=True) + "\n").encode()


def _regrouped(original: bytes, rows: int) -> bytes:
    written = io.BytesIO()
    pq.write_table(pq.read_table(io.BytesIO(original)), written, row_group_size=rows, compression="zstd")
    return written.getvalue()


def _steps_of(place: int, steps: int) -> tuple[int, int]:
    """How many of a run's `steps` come before the rung at `place`, and how many are its own."""
    before = steps * place // len(RUNGS)
    return before, steps * (place + 1) // len(RUNGS) - before


def _changed_params(original: bytes, settings: Mapping[str, float], steps: int) -> bytes:
    yaml, written = YAML(), io.BytesIO()
    params = yaml.load(original)
    params["grpo"].update(settings)
    for place, rung in enumerate(RUNGS):
        params["rungs"][f"r{rung}"]["steps"] = _steps_of(place, steps)[1]
    yaml.dump(params, written)
    return written.getvalue()


def _changed_lock(text: str, settings: Mapping[str, float], steps: int) -> str:
    """As DVC would have written it with these settings, its form kept: by lines, since its thousands are slow to parse."""
    for name, value in settings.items():
        text = re.sub(rf"^( +{name}): .+$", rf"\g<1>: {value!r}", text, flags=re.MULTILINE)
    for place, rung in enumerate(RUNGS):
        count = _steps_of(place, steps)[1]
        text = re.sub(rf"^( +rungs\.r{rung}\.steps): \d+", rf"\g<1>: {count}", text, flags=re.MULTILINE)
    return text


def _with_outs(lock: str, name: str, outs: Mapping[str, bytes]) -> str:
    """dvc.lock with the md5 and the size of `outs`, and another md5 for what is named alone, wherever it is out or dependency."""

    def entry(found: re.Match[str]) -> str:
        path, digest, size = found["path"], found["md5"], found["size"]
        if path in outs:
            digest, size = hashlib.md5(outs[path]).hexdigest(), str(len(outs[path]))
        elif path in NAMED_ONLY:
            digest = hashlib.md5(f"{name} {path}".encode()).hexdigest() + (".dir" if digest.endswith(".dir") else "")
        return f"{found[1]}{digest}{found[4]}{size}"

    return _ENTRY.sub(entry, lock)


def _cache(root: Path, contents: Sequence[bytes]) -> None:
    for content in contents:
        digest = hashlib.md5(content).hexdigest()
        place = root / ".dvc/cache/files/md5" / digest[:2] / digest[2:]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)


def _commit(base: str, name: str, key: str, number: int, tracked: Mapping[str, bytes]) -> bytes:
    """A saved experiment, in the words of `git fast-import`."""
    who = f"committer benchmark <benchmark> {BEGAN_AT + (number + 1) * BETWEEN_S:.0f} +0000"
    said = (MESSAGE + key).encode()
    parts = [f"commit refs/exps/{base[:2]}/{base[2:]}/{name}\n{who}\n".encode(), _data(said), f"from {base}\n".encode()]
    parts += [f"M 100644 inline {path}\n".encode() + _data(content) for path, content in tracked.items()]
    return b"".join(parts)


def _data(content: bytes) -> bytes:
    return f"data {len(content)}\n".encode() + content + b"\n"


def _copy_tracked(template: Path, root: Path) -> None:
    for name in _git(template, "ls-files", "-co", "--exclude-standard").splitlines():
        if (template / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(template / name, root / name)


def _git(root: Path, *arguments: str, given: bytes | None = None) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, env=os.environ | WHO, input=given, capture_output=True)
    if done.returncode:
        raise LadderError(f"git {' '.join(arguments)}: {done.stderr.decode().strip()}")
    return done.stdout.decode().strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--steps", type=int, default=2000, help="of a run, its rungs together")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    fill_runs(options.folder, options.runs, options.steps)


if __name__ == "__main__":
    main()
