"""GRPO on a CPU by our rung and by TRL's GRPOTrainer: seconds a response token and memory, in one run.

    python -m benchmarks.grpo_cpu

The model is the miniature's base (profiles/mini.yaml), taught anew; problems, group size, context and settings are those of its
24k rung. Both sample at temperature 1, grade with this project's grader and take one on-policy update a step, in float32 on one
thread. Each run is a process of its own, the two take turns, and the first steps are not timed. Their random numbers differ, and
so do lengths: what is compared is a step's time for each token of its responses, as processor seconds (other processes on the
machine change those less), the least of the repeats; seconds by the clock stand beside it.

`ratio_like_for_like`: both with the KL term, both train on every group. `ratio_with_skipping`: both
without it, and ours leaves out groups whose rewards are all equal, which TRL can't; the gradient is the same.

TRL runs as its user would on a CPU (without vLLM), in the fastest of the configurations in `TRL_VARIANTS`.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.record import write_result
from stages.params import load_params
from stages.problems.problem import Problem
from stages.problems.sources import load_source
from stages.randomness import rng

PARAMS = load_params(Path("profiles/mini.yaml"))
RUNG = PARAMS.rungs.r24k
OPERATIONS = PARAMS.operations.model_copy(update={"micro_batch_tokens": 2048})
WARM_STEPS, TIMED_STEPS, REPEATS = 2, 18, 3
TRL_VARIANTS: dict[str, dict[str, Any]] = {
    "one batch": {},
    "4 micro-batches": {"per_device_train_batch_size": 32, "gradient_accumulation_steps": 4},
    "16 micro-batches": {"per_device_train_batch_size": 8, "gradient_accumulation_steps": 16},
    "static cache": {"cache_implementation": "static"},
}
COMPARED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "like_for_like": ({"kl_coef": 0.001}, {"beta": 0.001}),
    "with_skipping": ({"kl_coef": 0.0, "skip_zero_std": True}, {"beta": 0.0}),
}


@dataclass(frozen=True, slots=True)
class Run:
    """What one process took for its timed steps."""

    wall_s: float
    cpu_s: float
    tokens: int
    mean_reward: float
    peak_mib: float

    @property
    def wall_us_per_token(self) -> float:
        return 1e6 * self.wall_s / self.tokens

    @property
    def cpu_us_per_token(self) -> float:
        return 1e6 * self.cpu_s / self.tokens


class Clock:
    """Counts the timed steps' seconds and tokens, and the rewards of all."""

    def __init__(self) -> None:
        self._steps = self._tokens = 0
        self._start = (0.0, 0.0)
        self._rewards: list[float] = []

    def answered(self, tokens: int, rewards: Sequence[float]) -> None:
        if self._steps >= WARM_STEPS:
            self._tokens += tokens
        self._rewards += rewards

    def stepped(self) -> None:
        self._steps += 1
        if self._steps == WARM_STEPS:
            self._start = (time.perf_counter(), time.process_time())

    def run(self) -> Run:
        wall_s, cpu_s = time.perf_counter() - self._start[0], time.process_time() - self._start[1]
        # Not ru_maxrss: a process inherits its parent's, whose peak is the teaching of the base.
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        peak_mib = int(status["VmHWM"].split()[0]) / 1024
        return Run(wall_s, cpu_s, self._tokens, sum(self._rewards) / len(self._rewards), peak_mib)


def problems() -> list[Problem]:
    """Those of all steps, in order."""
    source = PARAMS.problems.sources[0]
    train = [problem for problem in load_source(source, PARAMS.seed).problems if problem.split == "train"]
    mixed = [train[index] for index in rng("benchmarks.grpo_cpu").permutation(len(train))]
    return list(islice(mixed, PARAMS.grpo.prompts_per_step * (WARM_STEPS + TIMED_STEPS)))


def run_ours(checkpoint: Path, settings: Mapping[str, Any]) -> Run:
    from stages.accounting.records import StepCost
    from stages.engines.build import Start, make_sampler, make_trainer
    from stages.engines.checkpoint import load_checkpoint
    from stages.engines.device import prepare_device
    from stages.engines.prompts import encode_prompts
    from stages.engines.protocols import Sampling
    from stages.engines.shape import shape_of
    from stages.grading import Grader
    from stages.grpo.metrics import StepMetrics
    from stages.grpo.rung import GrpoRung, RungSettings

    grpo = PARAMS.grpo.model_copy(update={"log_completions_steps": 0, **settings})
    params = PARAMS.model_copy(update={"grpo": grpo, "operations": OPERATIONS})
    rung = RUNG.model_copy(update={"steps": WARM_STEPS + TIMED_STEPS})
    start = load_checkpoint(checkpoint, prepare_device(params.engine))
    asked = problems()
    prompts = encode_prompts(asked, start.tokenizer, "{problem}", grpo.max_prompt_tokens)
    sampling = Sampling(rung.rollouts_per_prompt, grpo.temperature, rung.max_response_tokens)
    clock = Clock()

    def stepped(metrics: StepMetrics, cost: StepCost) -> None:
        clock.answered(metrics.sampled_tokens, [metrics.accuracy])
        clock.stepped()

    with Grader(params.grading.timeout_s, params.grading.require_closed_thinking) as grader:
        GrpoRung(
            RungSettings("24k", params.seed, grpo, rung, params.guards, params.task),
            asked,
            prompts,
            start.tokenizer,
            make_trainer(Start(start, checkpoint, checkpoint), params),
            make_sampler(start, checkpoint, prompts, sampling, params, trained=True),
            grader,
            shape_of(start.model),
        ).climb(None, rung.steps, stepped)
    return clock.run()


def run_trl(checkpoint: Path, settings: Mapping[str, Any]) -> Run:
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    from stages.grading.adapters import accuracy_reward

    torch.set_num_threads(1)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(checkpoint)
    clock, group = Clock(), RUNG.rollouts_per_prompt

    class Steps(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *arguments: object, **named: object) -> None:
            clock.stepped()

    def reward(completions: Any, completion_ids: list[list[int]], **columns: Any) -> list[float | None]:
        rewards = accuracy_reward(completions, **columns)
        clock.answered(sum(map(len, completion_ids)), [found or 0.0 for found in rewards])
        return rewards

    rows = [{"prompt": f"<user>{problem.problem}<think>", "answer": problem.answers[0]} for problem in problems()]
    config: dict[str, Any] = {
        "per_device_train_batch_size": PARAMS.grpo.prompts_per_step * group, "num_generations": group,
        "max_completion_length": RUNG.max_response_tokens, "max_steps": WARM_STEPS + TIMED_STEPS,
        "learning_rate": PARAMS.grpo.learning_rate, "lr_scheduler_type": "constant", "weight_decay": 0.0,
        "loss_type": "dapo", "use_cpu": True, "bf16": False, "gradient_checkpointing": False, "shuffle_dataset": False,
        "report_to": "none", "save_strategy": "no", "logging_strategy": "no", "disable_tqdm": True, "disable_dropout": True,
        "dataloader_num_workers": 0, "dataloader_pin_memory": False, "use_bias_correction_kl": False,
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        trainer = GRPOTrainer(
            model=AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32),
            reward_funcs=reward,
            args=GRPOConfig(output_dir=folder, **(config | dict(settings))),
            train_dataset=Dataset.from_list(rows),
            processing_class=tokenizer,
            callbacks=[Steps()],
        )
        trainer.train()
    return clock.run()


def in_a_process(peer: str, checkpoint: Path, settings: Mapping[str, Any]) -> Run:
    """One run on one thread; its last line is the result."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.grpo_cpu", peer, str(checkpoint), json.dumps(settings)],
        env=environment, check=True, text=True, stdout=subprocess.PIPE,
    )  # fmt: skip
    return Run(**json.loads(done.stdout.splitlines()[-1]))


def taught_base(path: Path) -> None:
    from stages.base import run
    from stages.engines.checkpoint import save_checkpoint

    source = PARAMS.problems.sources[0]
    heldout = [problem for problem in load_source(source, PARAMS.seed).problems if problem.split == "heldout"]
    save_checkpoint(run(PARAMS.base, PARAMS.engine, PARAMS.seed, heldout), path)


def best(runs: Sequence[Run]) -> dict[str, Any]:
    """Least times a token and the most memory of `runs`."""
    return {
        "cpu_us_per_token": round(min(run.cpu_us_per_token for run in runs), 1),
        "wall_us_per_token": round(min(run.wall_us_per_token for run in runs), 1),
        "cpu_ms_per_step": round(min(1e3 * run.cpu_s / TIMED_STEPS for run in runs), 1),
        "tokens_per_step": round(runs[0].tokens / TIMED_STEPS),
        "mean_reward": round(runs[0].mean_reward, 3),
        "peak_mib": round(max(run.peak_mib for run in runs)),
    }


def compare(checkpoint: Path) -> dict[str, Any]:
    variants = {
        name: best([in_a_process("trl", checkpoint, settings | {"beta": 0.001})])
        for name, settings in TRL_VARIANTS.items()
    }
    fastest = min(variants, key=lambda name: float(variants[name]["cpu_us_per_token"]))
    runs: dict[str, tuple[list[Run], list[Run]]] = {name: ([], []) for name in COMPARED}
    for _ in range(REPEATS):
        for name, (ours, trls) in COMPARED.items():
            runs[name][0].append(in_a_process("ours", checkpoint, ours))
            runs[name][1].append(in_a_process("trl", checkpoint, TRL_VARIANTS[fastest] | trls))
    found = {name: {"ours": best(ours), "trl": best(trls)} for name, (ours, trls) in runs.items()}
    ratios = {
        f"{prefix}_{name}": round(peers["trl"][figure] / peers["ours"][figure], 2)
        for prefix, figure in (
            ("ratio", "cpu_us_per_token"), ("clock_ratio", "wall_us_per_token"), ("memory_ratio", "peak_mib"),
        )
        for name, peers in found.items()
    }  # fmt: skip
    return ratios | found | {"trl_variant": fastest, "trl_variants": variants}


def main() -> None:
    if len(sys.argv) > 1:
        peer, checkpoint, settings = sys.argv[1:]
        run = {"ours": run_ours, "trl": run_trl}[peer]
        print(json.dumps(asdict(run(Path(checkpoint), json.loads(settings)))))
        return
    with tempfile.TemporaryDirectory() as folder:
        taught_base(Path(folder) / "base")
        figures = compare(Path(folder) / "base")
    configuration = {
        "warm_steps": WARM_STEPS, "timed_steps": TIMED_STEPS, "repeats": REPEATS, "threads": 1, "dtype": "float32",
        "prompts_per_step": PARAMS.grpo.prompts_per_step, "group": RUNG.rollouts_per_prompt,
        "max_response_tokens": RUNG.max_response_tokens, "micro_batch_tokens": OPERATIONS.micro_batch_tokens,
        "base": PARAMS.base.model_dump(), "trl_variants": TRL_VARIANTS,
    }  # fmt: skip
    path = write_result("grpo_cpu", ["torch", "transformers", "trl", "accelerate"], configuration, figures)
    print(f"{path}: {json.dumps({name: value for name, value in figures.items() if 'ratio' in name})}")


if __name__ == "__main__":
    main()
