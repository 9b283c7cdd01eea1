"""Proofs that what goes wrong is made good, with the same bytes (benchmarks/gpu_proofs.py)."""

import gc
import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu_proof import Event, Lesson, Proved, drawn, follow_rung, on, recipe
from benchmarks.gpu_proofs_engines import NOWHERE, bare
from benchmarks.gpu_rung import lay_start, weights_sha256
from benchmarks.vllm_server import VllmServer, supervised_server
from stages.engines.build import Start, make_trainer
from stages.engines.device import prepare_device
from stages.grpo.loss import loss_sums

STEPS = 3
MICRO_TOKENS = 16_384


def out_of_memory(folder: Path) -> Proved:
    """An update that has no memory for its micro-batches takes smaller ones, and ends with the bytes of those."""
    rollouts = drawn("small", 12, longest=2048)

    def taken(micro_batch_tokens: int, cap_bytes: int | None) -> dict[str, Any]:
        params = recipe(
            "small",
            engine={"rollout": "torch", "deterministic": True},
            operations={"micro_batch_tokens": micro_batch_tokens},
            grpo={"learning_rate": 1e-4, "kl_coef": 0.0},
        )
        prepare_device(params.engine)
        gc.collect()  # of the run before
        model: Any = on("small")
        trainer: Any = make_trainer(Start(bare(model), NOWHERE, NOWHERE), params)
        lesson = Lesson(rollouts, [torch.zeros(len(rollout.token_ids)) - 10.4 for rollout in rollouts])
        trainer.update([], partial(loss_sums, settings=params.grpo, kl_coef=0.0), 0.0)  # the moments take their memory
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(1.0 if cap_bytes is None else cap_bytes / total)
        update = lesson.update(trainer, params)
        torch.cuda.set_per_process_memory_fraction(1.0)
        return {
            "micro_batch_tokens": trainer._micro_batch_tokens,
            "peak": torch.cuda.max_memory_reserved(),
            "loss": update.loss,
            "weights_sha256": weights_sha256(model),
        }

    whole, small = taken(MICRO_TOKENS, None), taken(MICRO_TOKENS // 4, None)
    short = taken(MICRO_TOKENS, (whole["peak"] + small["peak"]) // 2)
    same = taken(short["micro_batch_tokens"], None)
    ok = short["micro_batch_tokens"] < MICRO_TOKENS and short["weights_sha256"] == same["weights_sha256"]
    return Proved(
        ok,
        "weights after a capped update with those of one that had its smaller micro-batches from the start",
        {
            "whole": whole,
            "capped": short,
            "from_the_start": same,
            "loss_from_whole": abs(short["loss"] - whole["loss"]),
        },
    )


def server_killed(folder: Path) -> Proved:
    """`vllm serve` is killed in mid-rollout, started again by its supervisor, given the weights anew, and asked again."""
    rows: list[dict[str, Any]] = []

    def rung(server: VllmServer, name: str, kill: bool) -> Event:
        steps = 0
        killed: list[float] = []

        def watch(event: Event, pid: int) -> None:
            nonlocal steps
            if event.name == "step":
                steps += 1
                rows.append({"rung": name, **event.what["metrics"], "sample_s": event.what["cost"]["sample_s"]})
            elif kill and steps == 1 and event.what.get("done", 0) >= 8 and not killed:
                killed.append(time.time())
                server.kill()

        engine, operations = {"rollout": "vllm_server"}, {"vllm_servers": [server.address], "rollout_batch_rows": 16}
        return follow_rung(folder, watch, name=name, engine=engine, operations=operations, steps=2)

    with supervised_server(lay_start(folder), 128, folder / "server.log") as server:
        plain, killed = rung(server, "plain", kill=False), rung(server, "killed", kill=True)
    said = (folder / "killed.err").read_text()
    gaps = [row["sampling/sampling_logp_difference/mean"] for row in rows if row["rung"] == "killed"]
    ok = killed.name == "end" and len(gaps) == 2 and max(gaps) < 0.1 and "waiting for its return" in said
    return Proved(
        ok,
        "samples' log-probabilities with the trainer's, in the step in which the server died and came back",
        {
            "gap_mean": gaps,
            "same_bytes_as_undisturbed": killed.what.get("weights_sha256") == plain.what.get("weights_sha256"),
            "step_s": [row["sample_s"] for row in rows],
            "end": dict(killed.what),
        },
    )


def killed(folder: Path) -> Proved:
    """kill -9 as the second step samples (torch: has sampled); the rung goes on from its checkpoint."""
    rollout = vllm_if_here()
    plain = follow_rung(folder, name="plain", engine={"rollout": rollout}, steps=STEPS)
    kills = 0

    def at(step: int) -> Callable[[Event, int], None]:
        done = 0

        def watch(event: Event, pid: int) -> None:
            nonlocal done, kills
            done += event.name == "step"
            if event.name == "sampled" and done == step:
                kills += 1
                os.kill(pid, signal.SIGKILL)

        return watch

    first = follow_rung(folder, at(1), name="killed", engine={"rollout": rollout}, steps=STEPS)
    last = follow_rung(folder, name="killed", engine={"rollout": rollout}, steps=STEPS)
    same = last.what.get("weights_sha256") == plain.what["weights_sha256"]
    return Proved(
        kills > 0 and first.name != "end" and last.name == "end" and same,
        f"weights after {STEPS} steps with those of a rung that was not killed ({rollout} samples)",
        {"kills": kills, "undisturbed": dict(plain.what), "resumed": dict(last.what)},
    )


def cuda_error(folder: Path) -> Proved:
    """A real CUDA error inside vLLM in mid-rollout ends the attempt with a cause that flows try again; it goes on as above."""
    engine = {"rollout": "vllm"}
    plain = follow_rung(folder, name="plain", engine=engine, steps=STEPS)
    failed = follow_rung(folder, name="failing", engine=engine, steps=STEPS, fault=True)
    last = follow_rung(folder, name="failing", engine=engine, steps=STEPS)
    ok = failed.name == "failed" and failed.what["cause"] == "device" and last.name == "end"
    same = last.what.get("weights_sha256") == plain.what["weights_sha256"]
    return Proved(
        ok and same,
        "the cause, and the weights after another attempt with those of a rung without the error",
        {"failed": dict(failed.what), "undisturbed": dict(plain.what), "resumed": dict(last.what)},
    )


def vllm_if_here() -> str:
    """vLLM where it is installed."""
    from importlib.util import find_spec

    return "vllm" if find_spec("vllm") else "torch"
