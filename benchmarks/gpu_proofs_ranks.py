"""Proofs that a rung on several GPUs is the rung on one, and what becomes of one whose rank is lost (benchmarks/gpu_proofs.py).

On a CPU two processes are the ranks, and torch samples.
"""

import json
import os
import signal
import sys
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import psutil
import torch

from benchmarks.gpu_proof import Event, Lesson, Proved, drawn, follow_rung, on, recipe
from benchmarks.gpu_proofs_engines import NOISE_FLOOR, NOWHERE, SHAPE, UPDATES, bare
from benchmarks.gpu_proofs_faults import vllm_if_here
from benchmarks.gpu_rung import here
from stages.engines.build import Start, make_trainer
from stages.engines.device import prepare_device
from stages.engines.launch import run_ranks
from stages.engines.rank_process import as_rank, is_rank
from stages.engines.ranks import ALONE, Ranks, init_ranks
from stages.stage import cause_of

STEPS = 4
EXACT = ("reward", "completions/mean_length")
LOST_S = 60.0  # within which a rung whose rank is gone has ended
ARMS = {"torch": (0, 8192), "torch, smaller micro-batches": (0, 2048), "zero 2": (2, 8192), "zero 3": (3, 8192)}


def world() -> int:
    """As many ranks as there are GPUs; two on a CPU."""
    return torch.cuda.device_count() if here() == "cuda" else 2


def ranks_train_alike(folder: Path) -> Proved:
    """The same answers, trained on by all ranks together: torch's loss curve on one, within what two torch runs differ by."""
    curves: dict[str, dict[str, Any]] = {}
    for name, (zero, _) in ARMS.items():
        out = folder / f"{len(curves)}.json"
        command = [sys.executable, "-m", "benchmarks.gpu_proofs", "--rank-updates", name, "--out", str(out)]
        run_ranks(command, world() if zero else 1)
        curves[name] = json.loads(out.read_text())
    plain = curves["torch"]
    apart = {
        name: {
            "loss": max(abs(a - b) for a, b in zip(curve["loss"], plain["loss"], strict=True)),
            "grad_norm": max(abs(a / b - 1) for a, b in zip(curve["grad_norm"], plain["grad_norm"], strict=True)),
            "s": curve["s"],
        }
        for name, curve in curves.items()
    }
    noise = apart["torch, smaller micro-batches"]["loss"]
    return Proved(
        all(found["loss"] <= 3 * noise + NOISE_FLOOR for found in apart.values()),
        f"loss over {UPDATES} updates on {world()} ranks with torch's on one; noise is torch with smaller micro-batches, the "
        "floor 3 times that",
        {"ranks": world(), "from_torch": apart, "loss_span": max(plain["loss"]) - min(plain["loss"]), "curves": curves},
    )


def rank_updates(name: str, out: Path) -> None:
    """In one of `ARMS`' ranks: train on the same answers again and again."""
    with as_rank(lambda error: f"{type(error).__name__}: {error}", cause_of):
        ranks: Ranks = init_ranks(here()) if is_rank() and os.environ["WORLD_SIZE"] != "1" else ALONE
        zero, tokens = ARMS[name]
        if here() == "cpu":
            tokens //= 64
        engine = {"train": "deepspeed" if zero else "torch", "rollout": "torch"}
        operations = {"zero_stage": zero, "micro_batch_tokens": tokens, "devices": ranks.world}
        params = recipe(
            SHAPE[here()], engine=engine, operations=operations, grpo={"learning_rate": 1e-4, "kl_coef": 0.0}
        )
        prepare_device(params.engine)
        trainer = make_trainer(Start(bare(on(SHAPE[here()])), NOWHERE, NOWHERE), params, ranks)
        rollouts = drawn(SHAPE[here()], 8, longest=1024)
        lesson = Lesson(rollouts, trainer.log_probs(rollouts))
        began = perf_counter()
        updates = [lesson.update(trainer, params) for _ in range(UPDATES)]
        if ranks.is_main:
            curve = {"loss": [one.loss for one in updates], "grad_norm": [one.grad_norm for one in updates]}
            out.write_text(json.dumps(curve | {"s": perf_counter() - began}))


def rank_killed(folder: Path) -> Proved:
    """A rung on one rank, and the same on all of them, one of which is killed (kill -9) after two steps: its first step's answers
    are those of one rank, it ends soon and says which was lost, and goes on with fewer, on the same problems in the same order.

    In float32: in bfloat16 a batch of another size rounds otherwise, and vLLM draws another token now and then.
    """
    runs: dict[str, dict[str, Any]] = {
        name: {"visits": [], "table": {}, "kept": []} for name in ("alone", "lost", "resumed")
    }
    killed_at: float | None = None

    def watch(run: str, event: Event, pid: int) -> None:
        nonlocal killed_at
        if event.name == "visited":
            runs[run]["visits"].append(event.what["problems"])
        elif event.name == "completions":
            runs[run]["kept"] = event.what["rows"]
        elif event.name == "step":
            runs[run]["table"][event.what["step"]] = event.what["metrics"]
            if event.what["step"] == 2 and run == "lost":
                children = psutil.Process(pid).children()
                victim = next(one for one in children if one.environ().get("RANK") == str(world() - 1))
                killed_at = perf_counter()
                os.kill(victim.pid, signal.SIGKILL)

    def rung(run: str, devices: int) -> Event:
        name = "alone" if run == "alone" else "lost"
        engine = {"train": "deepspeed", "rollout": vllm_if_here(), "dtype": "float32", "attention": "sdpa"}
        operations = {"devices": devices, "zero_stage": 2}
        return follow_rung(folder, partial(watch, run), name=name, steps=STEPS, engine=engine, operations=operations)

    alone, lost = rung("alone", 1), rung("lost", world())
    ended_s = perf_counter() - killed_at if killed_at is not None else None
    fewer = max(1, world() // 2)
    resumed = rung("resumed", fewer)
    named = f"rank {world() - 1} was killed by SIGKILL" in lost.what.get("message", "")
    order, before, after = (runs[name]["visits"] for name in ("alone", "lost", "resumed"))
    in_order = before == order[: len(before)] and after == order[-len(after) :]  # what was under way is begun again
    table, other = runs["alone"]["table"], runs["lost"]["table"] | runs["resumed"]["table"]
    apart = {
        name: max((abs(table[step][name] - other[step][name]) for step in other), default=0.0)
        for name in (*EXACT, "loss", "grad_norm")
    }
    same = 1 in other and all(table[1][name] == other[1][name] for name in EXACT)
    return Proved(
        alone.name == resumed.name == "end"
        and named
        and ended_s is not None
        and ended_s < LOST_S
        and in_order
        and same,
        f"the first step's rewards and lengths, and the problems' order, on one rank with those on {world()}, of which one was "
        f"killed, and on {fewer} that went on",
        {
            "ranks": world(),
            "ended_after_s": ended_s,
            "lost": dict(lost.what),
            "resumed": dict(resumed.what),
            "in_order": in_order,
            "apart": apart,
            "answers_kept": len(runs["alone"]["kept"]),
            "answers_the_same": sum(
                a == b for a, b in zip(runs["alone"]["kept"], runs["resumed"]["kept"], strict=False)
            ),
            "visits": {name: run["visits"] for name, run in runs.items()},
            "tables": {name: run["table"] for name, run in runs.items()},
        },
    )
