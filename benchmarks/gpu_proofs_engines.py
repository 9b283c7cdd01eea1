"""Proofs that vLLM follows the trainer and that DeepSpeed trains as torch does (benchmarks/gpu_proofs.py)."""

import json
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from benchmarks.gpu_proof import Lesson, Proved, drawn, follow_rung, on, recipe
from benchmarks.gpu_rung import RESPONSE_TOKENS, here, lay_start, problems, settings
from benchmarks.gpu_shape import make_tokenizer
from benchmarks.vllm_server import supervised_server
from stages.engines.build import Start, make_trainer
from stages.engines.checkpoint import Checkpoint, load_checkpoint
from stages.engines.device import prepare_device
from stages.engines.prompts import encode_prompts
from stages.engines.protocols import Rollout, Sampling
from stages.engines.vllm.proof import Proof
from stages.errors import LadderError

NOWHERE = Path("no folder")
UPDATES = 8
NOISE_FLOOR = 1e-6  # of a float32 loss that is summed in another order
SHAPE = {"cuda": "small", "cpu": "tiny"}


def _seconds(act: Callable[..., Any], *arguments: Any) -> float:
    began = perf_counter()
    act(*arguments)
    if here() == "cuda":
        torch.cuda.synchronize()
    return perf_counter() - began


def _free() -> int:
    return torch.cuda.mem_get_info()[0] if here() == "cuda" else 0


def _addresses(worker: Any) -> list[int]:
    return [parameter.data_ptr() for parameter in worker.get_model().parameters()]


def vllm_in_process(folder: Path) -> Proved:
    """It sleeps, has no weights until it is given the trainer's, in place, is proved, and layers left behind are noticed."""
    from stages.engines.vllm.engine import VllmRollout

    params = settings({"rollout": "vllm"}, {}, 1)
    prepare_device(params.engine)
    path = lay_start(folder)
    start = load_checkpoint(path, torch.device("cpu"))
    prompts = encode_prompts(problems(), start.tokenizer, "", 32)
    sampling = Sampling(8, 1.0, RESPONSE_TOKENS)
    proof = Proof(prompts, sampling, params.engine.dtype, params.engine.device)
    began = perf_counter()
    sampler = VllmRollout(path, start.eos_token_id, 128, params.engine, params.operations, proof)
    started_s = perf_counter() - began
    torch.nn.Module.to(start.model, here())
    trainer: Any = make_trainer(Start(start, path, path), params)
    first = sampler.generate(prompts, sampling, ("a",))
    figures: dict[str, Any] = {"start_s": started_s, "rollouts": len(first)}
    (before_addresses,) = sampler._llm.collective_rpc(_addresses)
    refused = "not on a CPU: vLLM has no sleep there"
    if here() == "cuda":
        free = _free()
        figures |= {"level_1_sleep_s": _seconds(sampler._llm.sleep, 1), "level_1_freed_gib": (_free() - free) / 2**30}
        figures["level_1_wake_s"] = _seconds(sampler._llm.wake_up)
        free = _free()
        figures |= {"level_2_sleep_s": _seconds(sampler.sleep), "level_2_freed_gib": (_free() - free) / 2**30}
        try:
            sampler.generate(prompts, sampling, ("a",))
            refused = ""
        except RuntimeError as error:
            refused = str(error)
    figures["sync_s"] = _seconds(sampler.sync, trainer)
    (after_addresses,) = sampler._llm.collective_rpc(_addresses)
    again = sampler.generate(prompts, sampling, ("a",))
    figures["same_samples_after_sleep"] = sum(one == other for one, other in zip(first, again, strict=True))
    _learn(trainer, again)
    sampler.sleep()
    whole = trainer.weights
    trainer.weights = lambda: (pair for pair in whole() if ".layers." not in pair[0])
    noticed = ""
    try:
        sampler.sync(trainer)
    except LadderError as error:
        noticed = str(error)
    trainer.weights = whole
    sampler.sleep()
    sampler.sync(trainer)
    gaps = _gaps(trainer, sampler.generate(prompts, sampling, ("b",)))
    figures |= {"gap_mean": gaps.mean().item(), "gap_max": gaps.max().item()}
    figures |= {"in_place": before_addresses == after_addresses, "asleep": refused, "stale_layers": noticed[:160]}
    sampler.close()
    return Proved(
        bool(refused and noticed and gaps.mean() < 0.1 and figures["in_place"]),
        "samples' log-probabilities with the trainer's after sleep (level 2), sync and an update; layers left behind",
        figures,
    )


def _learn(trainer: Any, rollouts: list[Rollout]) -> None:
    params = recipe("tiny", grpo={"learning_rate": 0.003, "kl_coef": 0.0})
    Lesson(rollouts, trainer.log_probs(rollouts)).update(trainer, params)


def _gaps(trainer: Any, rollouts: list[Rollout]) -> torch.Tensor:
    pairs = zip(rollouts, trainer.log_probs(rollouts), strict=True)
    return torch.cat([(torch.from_numpy(rollout.logp_T) - logp_T).abs() for rollout, logp_T in pairs])


def vllm_server(folder: Path) -> Proved:
    """Two steps of a rung by `vllm serve`, each sampled with the weights of the step before, which are proved."""
    with supervised_server(lay_start(folder), 128, folder / "server.log") as server:
        rows: list[dict[str, Any]] = []
        end = follow_rung(
            folder,
            lambda event, pid: rows.append(event.what["metrics"]) if event.name == "step" else None,
            name="served",
            engine={"rollout": "vllm_server"},
            operations={"vllm_servers": [server.address]},
            steps=2,
        )
    gaps = [row["sampling/sampling_logp_difference/mean"] for row in rows]
    ok = end.name == "end" and len(gaps) == 2 and max(gaps) < 0.1
    return Proved(
        ok, "samples' log-probabilities with the trainer's in two steps", {"gap_mean": gaps, "end": dict(end.what)}
    )


def deepspeed_is_torch(folder: Path) -> Proved:
    """ZeRO 2 and 3, on the GPU and with the optimizer on the CPU: torch's loss curve, within what two torch runs differ by."""
    shape = SHAPE[here()]
    rollouts = drawn(shape, 8, longest=1024)
    old: list[torch.Tensor] = []
    curves: dict[str, dict[str, Any]] = {}
    state: dict[str, torch.Tensor] = {}
    arms = {"torch": (0, False), "torch, smaller micro-batches": (0, False)}
    arms |= {"zero 2": (2, False), "zero 3": (3, False), "zero 2, offloaded": (2, True), "zero 3, offloaded": (3, True)}
    start: torch.Tensor | None = None
    for name, (zero, offloaded) in arms.items():
        engine = {"train": "deepspeed" if zero else "torch", "rollout": "torch"}
        operations = {"zero_stage": zero, "offload_optimizer": offloaded}
        operations["micro_batch_tokens"] = (2048 if here() == "cuda" else 64) if "smaller" in name else 8192
        grpo = {"learning_rate": 1e-4, "kl_coef": 0.0}
        params = recipe(shape, engine=engine, operations=operations, grpo=grpo)
        prepare_device(params.engine)
        model: Any = on(shape)
        whole = torch.cat([parameter.detach().flatten().cpu() for parameter in model.parameters()])
        start = whole if start is None else start
        trainer = make_trainer(Start(bare(model), NOWHERE, NOWHERE), params)
        old = old or trainer.log_probs(rollouts)
        lesson = Lesson(rollouts, old)
        began = perf_counter()
        updates = [lesson.update(trainer, params) for _ in range(UPDATES // 2)]
        if name == "torch":
            state = {key: value.clone().cpu() for key, value in trainer.state().items()}
        elif offloaded:  # and it goes on from torch's state
            trainer.load_state(state)
        updates += [lesson.update(trainer, params) for _ in range(UPDATES - UPDATES // 2)]
        found = torch.cat([weight.flatten().cpu() for _, weight in trainer.weights()])
        curves[name] = {
            "loss": [update.loss for update in updates],
            "grad_norm": [update.grad_norm for update in updates],
            "s": perf_counter() - began,
            "moved": (found - start).norm().item(),
            "weights": found,
        }
        del trainer, model
        if here() == "cuda":
            torch.cuda.empty_cache()
    plain, moved = curves["torch"], curves["torch"]["moved"]
    apart: dict[str, Any] = {
        name: {
            "loss": max(abs(a - b) for a, b in zip(curve["loss"], plain["loss"], strict=True)),
            "weights": (curve.pop("weights") - plain["weights"]).norm().item() / moved,
            "s": curve["s"],
        }
        for name, curve in list(curves.items())[1:]
    }
    noise = apart["torch, smaller micro-batches"]
    ok = all(
        found["loss"] <= 3 * noise["loss"] + NOISE_FLOOR and found["weights"] <= 3 * noise["weights"] + 1e-3
        for found in apart.values()
    )
    plain.pop("weights")
    span = max(plain["loss"]) - min(plain["loss"])
    (folder / "curves.json").write_text(json.dumps(curves))
    return Proved(
        ok,
        f"loss over {UPDATES} updates with torch's; noise is torch with smaller micro-batches, the floor 3 times that",
        {"from_torch": apart, "loss_span": span, "torch_s": plain["s"], "curves": curves},
    )


def bare(model: Any) -> Checkpoint:
    """The model with a tokenizer that nobody asks."""
    return Checkpoint(model, make_tokenizer("tiny"))
