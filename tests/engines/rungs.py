"""A miniature Qwen2 with rows to train it on, the same in every process that asks; and a rank that trains on them."""

import pickle
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PreTrainedModel

from stages.engines import scoring
from stages.engines.deepspeed import engine as deepspeed_engine
from stages.engines.deepspeed.engine import DeepSpeedTrainer
from stages.engines.device import prepare_device
from stages.engines.lora import add_adapters
from stages.engines.objective import LossInputs, LossSums
from stages.engines.protocols import Prompt, Rollout, Sampling, TrainEngine, TrainingRow
from stages.engines.rank_process import as_rank
from stages.engines.ranks import ALONE, Ranks, init_ranks
from stages.engines.rollout import TorchRollout
from stages.engines.tiny_qwen2 import build_model, build_tokenizer
from stages.engines.trainer import TorchTrainer
from stages.grpo.loss import loss_sums, row_weights
from stages.params import Params
from stages.randomness import rng
from tests.conftest import small_params

LENGTHS = (3, 31, 4, 12, 2, 1, 17, 5)
UPDATES = 6


@dataclass(frozen=True)
class Setup:
    """What one trainer is made of."""

    train: str = "deepspeed"
    zero_stage: int = 2
    offload_optimizer: bool = False
    world: int = 1
    dtype: str = "float32"
    gradient_checkpointing: bool = False
    attention: str = "sdpa"
    compile: bool = False
    micro_batch_tokens: int = 64
    max_grad_norm: float = 0.5
    kl: bool = True
    lora: bool = False
    kept_numel: int = 0
    """By default ZeRO 3 would shard nothing of a model as small as this."""
    head_chunk_tokens: int = 8
    """So that ranks differ in the chunks of a pass."""

    @property
    def params(self) -> Params:
        params = small_params()
        params["base"] |= {"layers": 2, "hidden_size": 32, "heads": 2}
        params["engine"] |= {
            "dtype": self.dtype,
            "train": self.train,
            "gradient_checkpointing": self.gradient_checkpointing,
            "attention": self.attention,
        }
        params["grpo"] |= {"max_grad_norm": self.max_grad_norm, "weight_decay": 0.1, "learning_rate": 0.01}
        if self.lora:
            params["grpo"]["lora"] = {"rank": 4, "alpha": 8, "target_modules": ["all-linear"]}
        params["operations"] |= {
            "zero_stage": self.zero_stage, "offload_optimizer": self.offload_optimizer, "devices": self.world,
            "micro_batch_tokens": self.micro_batch_tokens,
        }  # fmt: skip
        return Params.model_validate(params)


@dataclass(frozen=True)
class Came:
    """What came of a run: losses, norms and the like by update; weights and state at its end."""

    updates: list[dict[str, Any]] = field(default_factory=list)
    weights: dict[str, torch.Tensor] = field(default_factory=dict)
    state: dict[str, torch.Tensor] = field(default_factory=dict)
    log_probs: list[torch.Tensor] = field(default_factory=list)
    samples: list[tuple[int, ...]] = field(default_factory=list)
    exported: dict[str, torch.Tensor] = field(default_factory=dict)
    same_on_all_ranks: bool = True


def model(setup: Setup, seed: int) -> PreTrainedModel:
    prepare_device(setup.params.engine)
    return build_model(setup.params.base, build_tokenizer(), seed=seed)  # type: ignore[arg-type]


def trainer(setup: Setup, ranks: Ranks = ALONE) -> Any:
    params = setup.params
    reference = model(setup, seed=4).requires_grad_(False) if setup.kl and not setup.lora else None
    policy = model(setup, seed=3)
    if params.grpo.lora is not None:
        add_adapters(policy, params.grpo.lora, 5)
    engine = params.engine.model_copy(update={"compile": setup.compile})  # settings refuse it: torch samples here
    given = (policy, reference, engine, params.operations, params.grpo)
    return TorchTrainer(*given) if setup.train == "torch" else DeepSpeedTrainer(*given, ranks)


def rollouts(step: int) -> list[Rollout]:
    """Random tokens, of lengths that differ much."""
    random = rng(0, "rows", step)
    made = []
    for index, length in enumerate(LENGTHS):
        prompt = Prompt(str(index), tuple(random.integers(2, 20, 3 + index % 3).tolist()))
        tokens = tuple(random.integers(0, 20, length).tolist())
        made.append(Rollout(prompt, 0, tokens, False, -random.random(length).astype("float32") * 3))
    return made


def rows(setup: Setup, engine: TrainEngine, step: int) -> list[TrainingRow]:
    sampled = rollouts(step)
    reference: Sequence[Any] = engine.reference_log_probs(sampled) if setup.kl else [None] * len(sampled)
    old: Sequence[Any] = engine.log_probs(sampled) if step % 2 else [None] * len(sampled)
    weights = row_weights(LENGTHS, [True] * len(LENGTHS), setup.params.grpo, 64)
    return [
        TrainingRow(rollout, (-1.0) ** index * (1 + index / 4), weights[index], old[index], reference[index])
        for index, rollout in enumerate(sampled)
    ]


def poisoned(inputs: LossInputs, settings: Any) -> LossSums:
    """Not a number for the row of 31 tokens alone, which one rank has."""
    sums = loss_sums(inputs, settings, 0.1)
    return replace(sums, loss=sums.loss * float("nan")) if inputs.mask_BT.shape[1] == 31 else sums


def follow(setup: Setup, plan: Sequence[tuple[str, Any]], ranks: Ranks = ALONE, earlier: Sequence[Came] = ()) -> Came:
    """Make a trainer and the calls of `plan`; `load` takes a state, or the number of an earlier run whose state it is."""
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(scoring, "HEAD_CHUNK_TOKENS", setup.head_chunk_tokens)
        changed.setattr(deepspeed_engine, "KEPT_NUMEL", setup.kept_numel)
        return _follow(trainer(setup, ranks), setup, plan, ranks, earlier)


def _follow(engine: Any, setup: Setup, plan: Sequence[tuple[str, Any]], ranks: Ranks, earlier: Sequence[Came]) -> Came:
    came = Came()
    grpo = setup.params.grpo
    for name, argument in plan:
        match name:
            case "train":
                for step in argument:
                    given = rows(setup, engine, step)
                    update = engine.update(given, partial(loss_sums, settings=grpo, kl_coef=0.1), 0.01 / (1 + step))
                    came.updates.append(asdict(update))
            case "train on nothing":
                came.updates.append(asdict(engine.update([], partial(loss_sums, settings=grpo, kl_coef=0.1), 0.01)))
            case "poison":
                given = rows(setup, engine, argument)
                came.updates.append(asdict(engine.update(given, partial(poisoned, settings=grpo), 0.01)))
            case "load":
                engine.load_state(ranks.from_main(earlier[argument].state) if isinstance(argument, int) else argument)
            case "state":
                came.state.update(engine.state())
            case "log_probs":
                came.log_probs.extend(engine.log_probs(rollouts(argument)))
            case "sample":
                came.samples.extend(_sample(engine, ranks))
            case "export":
                came.weights.update({name: weight.clone() for name, weight in engine.weights()})
                came.exported.update({name: p.detach().clone() for name, p in engine.export().named_parameters()})
    if not came.exported:  # that ends a training
        came.weights.update({name: weight.clone() for name, weight in engine.weights()})
    everyone = ranks.gather([repr(came.updates)])
    return replace(came, same_on_all_ranks=len(set(everyone)) == 1)


def _sample(engine: Any, ranks: Ranks) -> list[tuple[int, ...]]:
    """Ranks sample different prompts, and so make different numbers of passes."""
    prompts = [rollout.prompt for rollout in rollouts(0)]
    sampler = TorchRollout(engine.policy, 1, 0, 4, "float32")
    mine = ranks.share(prompts) if ranks.world == 1 else (prompts[:1] if ranks.is_main else prompts[1:])
    sampler.sync(engine)
    return [rollout.token_ids for rollout in ranks.gather(sampler.generate(mine, Sampling(2, 1.0, 9), (0, "s")))]


def main() -> None:
    """A rank's: follow the plans in the folder; rank 0 writes what came of them."""
    folder = Path(sys.argv[1])
    with as_rank(lambda error: f"{type(error).__name__}: {error}", lambda error: "error"):
        ranks = init_ranks("cpu")
        jobs = pickle.loads((folder / "jobs.pickle").read_bytes())
        done: list[Came] = []
        for setup, plan in jobs:
            done.append(follow(setup, plan, ranks, done))
        if ranks.is_main:
            (folder / "came.pickle").write_bytes(pickle.dumps(done))
