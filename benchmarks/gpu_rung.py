"""A small rung as a process of its own (benchmarks/gpu_proofs.py): it may be killed, fail, go on, and be compared by its bytes.

    python -m benchmarks.gpu_rung '{"folder": "/tmp/rung", "rollout": "vllm", "steps": 4}'

It is stages/train.py's `run` on a Qwen2 of random weights that says the miniature's 20 symbols, asked sums; answers earn by their
length (DAPO's penalty), so that groups teach. It tells what happens as lines of JSON: `visited`, `sampled`, `step`, and `end` or
`failed`.
With `operations.devices` above 1 it starts as many ranks, and the main one tells.
"""

import argparse
import hashlib
import json
import os
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch

from stages import train
from stages.accounting.records import StepCost
from stages.engines.build import Start
from stages.engines.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from stages.engines.device import prepare_device
from stages.engines.launch import run_ranks
from stages.engines.rank_process import as_rank, is_rank
from stages.engines.ranks import ALONE, Ranks, init_ranks
from stages.engines.tiny_qwen2 import build_model, build_tokenizer
from stages.grpo.checkpoints import RungCheckpoints
from stages.grpo.metrics import StepMetrics
from stages.grpo.order import ProblemOrder
from stages.params import MiniatureBase, Params, load_params
from stages.problems import digit_sums
from stages.problems.problem import Problem
from stages.stage import cause_of

PROFILE = Path("profiles/mini.yaml")
SUMS = [[a, b, c] for a in (1, 4, 7) for b in (2, 5, 8) for c in (3, 9)]
RESPONSE_TOKENS = 64
SHAPES = {
    "cpu": {"layers": 2, "hidden_size": 64, "heads": 2, "intermediate_size": 128},
    "cuda": {"layers": 12, "hidden_size": 512, "heads": 8, "intermediate_size": 2048},
}
WEIGHTS = {"cpu": 1.0, "cuda": 0.4}  # times the miniature's, whose spread is made for a narrow model
LEARNING_RATE = {"cpu": 1e-4, "cuda": 1e-5}  # a wider one would end every answer at once after a step
ARMED_STEPS = 45  # of vLLM after a rung's step: past the proof's 32 tokens, in the middle of a rollout


def here() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def settings(engine: dict[str, Any], operations: dict[str, Any], steps: int) -> Params:
    """The miniature's, at the size of this benchmark, on the device that is here."""
    values: dict[str, Any] = load_params(PROFILE).model_dump()
    device = here()
    on_gpu = {"dtype": "bfloat16", "attention": "varlen", "threads": 8} if device == "cuda" else {"threads": 2}
    values["base"] |= SHAPES[device]
    values["engine"] |= {"device": device, "deterministic": True} | on_gpu | engine
    values["grpo"] |= {
        "prompts_per_step": 8, "mini_batch_prompts": 4, "log_completions_steps": 1, "truncated": "soft-penalty",
        "overlong_buffer_tokens": 40, "importance_cap": 2.0, "learning_rate": LEARNING_RATE[device], "lr_scheduler": "constant",
    }  # fmt: skip
    for name in ("r8k", "r16k", "r24k"):
        values["rungs"][name] |= {"max_response_tokens": RESPONSE_TOKENS, "rollouts_per_prompt": 8, "steps": steps}
    values["evaluation"]["max_response_tokens"] = RESPONSE_TOKENS
    values["operations"] |= {
        "rollout_batch_rows": 64, "micro_batch_tokens": 2048, "vllm_gpu_memory": 0.2, "checkpoint_every_steps": 1,
    }  # fmt: skip
    values["operations"] |= operations
    return Params.model_validate(values)


def problems() -> list[Problem]:
    return [
        Problem(
            digit_sums.text(one), digit_sums.text(one), (str(digit_sums.answer(one)),), "", 1, "", "train", None, None
        )
        for one in SUMS
    ]


def lay_start(folder: Path) -> Path:
    """The checkpoint of random weights that every rung of `folder` starts from, made where there is none."""
    path = folder / "start"
    if not path.exists():
        base = settings({}, {}, 1).base
        assert isinstance(base, MiniatureBase)
        tokenizer = build_tokenizer()
        model = build_model(base, tokenizer, seed=3)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.ndim == 2:
                    parameter.mul_(WEIGHTS[here()])
        save_checkpoint(Checkpoint(model, tokenizer), path)
    return path


def weights_sha256(model: torch.nn.Module) -> str:
    digest = hashlib.sha256()
    for parameter in model.parameters():
        digest.update(parameter.detach().float().cpu().numpy().tobytes())
    return digest.hexdigest()


def tell(event: str, **what: Any) -> None:
    print(json.dumps({"event": event, **what}), flush=True)


class Fault:
    """Has vLLM's engine meet a real CUDA error so many of its steps after the rung's first step."""

    def __init__(self) -> None:
        self.left: int | None = None

    def install(self) -> None:
        from stages.engines.vllm import engine

        begin = engine._start

        def start(*arguments: Any) -> Any:
            llm = begin(*arguments)
            step = llm.llm_engine.step
            llm.llm_engine.step = partial(self._step, step)
            return llm

        engine._start = start

    def _step(self, step: Any) -> Any:
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                torch.zeros(4, device="cuda")[torch.tensor([10**6], device="cuda")]
                torch.cuda.synchronize()
        return step()


def run(options: dict[str, Any], ranks: Ranks) -> None:
    params = settings(options.get("engine", {}), options.get("operations", {}), options["steps"])
    prepare_device(params.engine)
    if ranks.is_main:
        lay_start(Path(options["folder"]))
    ranks.from_main(None)  # it is there
    path = lay_start(Path(options["folder"]))
    start = Start(load_checkpoint(path, torch.device("cpu")), path, path)
    resume = Path(options["folder"]) / f"resume-{options.get('name', 'rung')}"
    resume.mkdir(parents=True, exist_ok=True)
    fault = Fault()
    if options.get("fault"):
        fault.install()

    visit = ProblemOrder.visit

    def visited(order: ProblemOrder, count: int) -> list[int]:
        found = list(visit(order, count))
        if ranks.is_main:
            tell("visited", problems=found)
        return found

    ProblemOrder.visit = visited  # type: ignore[method-assign]  # to be told of

    def stepped(metrics: StepMetrics, cost: StepCost) -> None:
        if ranks.is_main:
            tell("step", step=metrics.step, metrics=metrics.row(), cost=asdict(cost))
        fault.left = ARMED_STEPS

    def sampled(steps: int, total: int, done: int) -> None:
        if ranks.is_main:
            tell("sampled", done=done, total=total)

    climbed = train.run("8k", params, start, problems(), RungCheckpoints(resume, 2), stepped, sampled, ranks)
    if not ranks.is_main:
        return
    tell("completions", rows=climbed.completions)
    said = json.dumps([metrics.row() for metrics in climbed.metrics])
    tell(
        "end",
        weights_sha256=weights_sha256(start.checkpoint.model),
        metrics_sha256=hashlib.sha256(said.encode()).hexdigest(),
        steps=len(climbed.metrics),
    )


def one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_rung", description=__doc__)
    parser.add_argument("options", type=json.loads)
    options = parser.parse_args().options
    devices = options.get("operations", {}).get("devices", 1)
    if is_rank():
        with as_rank(one_line, cause_of):
            run(options, init_ranks(here()))
        return
    try:
        if devices > 1:
            run_ranks([sys.executable, "-m", "benchmarks.gpu_rung", sys.argv[1]], devices)
        else:
            run(options, ALONE)
    except Exception as error:  # whatever it is: its cause is what is asked for
        tell("failed", cause=cause_of(error), message=one_line(error))
        sys.stdout.flush()
        os._exit(2)  # a device that has failed may keep the interpreter from its end


if __name__ == "__main__":
    main()
