"""What a proof of benchmarks/gpu_proofs.py is, and what several of them need: rungs in processes, updates of drawn responses."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu_forced import random_rollouts
from benchmarks.gpu_rung import here
from benchmarks.gpu_shape import make_model, work
from stages.engines.protocols import Rollout, TrainEngine, TrainingRow, Update
from stages.grpo.loss import loss_sums
from stages.params import Params, load_params
from stages.process import die_with_parent

PROFILE = Path("profiles/deepscaler.yaml")
RUNG_S = 200  # that a rung in a process may take


@dataclass(frozen=True, slots=True)
class Proved:
    """Whether it holds, what was compared with what, and the figures."""

    ok: bool
    compared: str
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Event:
    """A line of a rung in a process (benchmarks/gpu_rung.py)."""

    name: str
    what: Mapping[str, Any]


def follow_rung(folder: Path, watch: Callable[[Event, int], None] = lambda event, pid: None, **options: Any) -> Event:
    """Run one to its end, of whatever kind, and return its last event. `watch` is told each, and its process's id."""
    told = json.dumps({"folder": str(folder), **options})
    errors = folder / f"{options.get('name', 'rung')}.err"
    with errors.open("ab") as stderr:
        child = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.gpu_rung", told], stdout=subprocess.PIPE, stderr=stderr, text=True,
            preexec_fn=partial(die_with_parent, os.getpid()),
        )  # fmt: skip
        assert child.stdout is not None
        last = Event("nothing", {})
        for line in child.stdout:
            if line.startswith('{"event"'):
                what = json.loads(line)
                last = Event(what.pop("event"), what)
                watch(last, child.pid)
        child.wait()
    if last.name not in ("end", "failed") and child.returncode != -signal.SIGKILL:
        raise RuntimeError(f"a rung ended with {child.returncode}: {errors.read_text()[-1500:]}")
    return last


def recipe(shape: str, lora: bool = False, **changes: Mapping[str, Any]) -> Params:
    """The recipe's settings for a model of `shape` (benchmarks/gpu_shape.py), with sections' `changes`."""
    values: dict[str, Any] = load_params(PROFILE).model_dump()
    on_gpu = {"device": "cuda", "dtype": "bfloat16"} if here() == "cuda" else {"device": "cpu", "dtype": "float32"}
    plain = {"compile": False, "gradient_checkpointing": False, "threads": 8 if here() == "cuda" else 2}
    values["engine"] |= on_gpu | plain
    values["grpo"] |= {"lora": {"rank": 32, "alpha": 64, "target_modules": ["all-linear"]} if lora else None}
    for section, its in changes.items():
        values[section] |= its
    return Params.model_validate(values)


@dataclass(frozen=True, slots=True)
class Lesson:
    """Responses to train on again and again, with the log-probabilities that they had at first: what is learnt shows."""

    rollouts: list[Rollout]
    old: list[torch.Tensor]

    def update(self, trainer: TrainEngine, params: Params) -> Update:
        weight = 1 / sum(len(rollout.token_ids) for rollout in self.rollouts)
        rows = [
            TrainingRow(rollout, 1.0 if number % 2 else -1.0, weight, old, None)
            for number, (rollout, old) in enumerate(zip(self.rollouts, self.old, strict=True))
        ]
        return trainer.update(rows, partial(loss_sums, settings=params.grpo, kl_coef=0.0), params.grpo.learning_rate)


def drawn(shape: str, prompts: int, group: int = 4, longest: int = 10**6) -> list[Rollout]:
    """Random responses of the recipe's lengths (its 8k rung), cut at `longest` tokens."""
    rollouts = random_rollouts(work(shape, "8k", prompts, group, 0), shape, 0)
    return [replace(one, token_ids=one.token_ids[:longest], logp_T=one.logp_T[:longest]) for one in rollouts]


def on(shape: str) -> torch.nn.Module:
    return make_model(shape, torch.device(here()), seed=0)
