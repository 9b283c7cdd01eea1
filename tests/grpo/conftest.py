"""A rung on a real tiny Qwen2, in this process."""

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stages import base, prepare
from stages.engines.build import Start, make_sampler, make_trainer
from stages.engines.checkpoint import Checkpoint
from stages.engines.device import prepare_device
from stages.engines.prompts import encode_prompts
from stages.engines.protocols import Sampling
from stages.engines.shape import shape_of
from stages.engines.tiny_qwen2 import build_model, build_tokenizer
from stages.grading import Grader
from stages.grpo.rung import GrpoRung, OnSampled, RungSettings
from stages.params import MiniatureBase, Params
from stages.problems import digit_sums
from stages.problems.problem import Problem
from tests.conftest import small_params

SUMS = [[1, 2], [3, 4], [5, 6, 7], [8, 9], [2, 2], [4, 4, 4], [9, 1], [7, 5], [6, 6], [3, 8]]


def problems_of(sums: list[list[int]]) -> list[Problem]:
    return [
        Problem(
            digit_sums.text(one), digit_sums.text(one), (str(digit_sums.answer(one)),), "", 1, "", "train", None, None
        )
        for one in sums
    ]


def params_with(steps: int = 4, **grpo: Any) -> Params:
    """The small experiment with other settings of `grpo`, its 8k rung `steps` long."""
    values = small_params()
    values["grpo"] |= {"log_completions_steps": 2, "log_completions_prompts": 2} | grpo
    values["rungs"]["r8k"] |= {"steps": steps, "rollouts_per_prompt": 8}
    return Params.model_validate(values)


def untaught(seed: int = 3) -> Checkpoint:
    """A model that knows nothing: it says `\\boxed{DIGIT}` now and then, and so is right now and then."""
    base = Params.model_validate(small_params()).base
    assert isinstance(base, MiniatureBase)
    tokenizer = build_tokenizer()
    return Checkpoint(build_model(base, tokenizer, seed), tokenizer)


@pytest.fixture(scope="session")
def taught() -> Checkpoint:
    """One that guesses, and so is right in one answer of ten."""
    params = params_with()
    gate = prepare.make_gate(
        params.problems.leaks, None, Path("no folder"), print
    )  # sums are not screened against sums
    heldout = prepare.run(params.problems, params.seed, gate).heldout
    return base.run(params.base, params.engine, params.seed, heldout)


MakeRung = Callable[..., GrpoRung]


@pytest.fixture
def make_rung() -> Iterator[MakeRung]:
    """`make_rung(start, params)`: a rung whose engines train a copy of `start`."""
    with Grader(timeout_s=2.0, require_closed_thinking=False) as grader:

        def make(taught: Checkpoint, params: Params, sums: list[list[int]] = SUMS, **told: OnSampled) -> GrpoRung:
            prepare_device(params.engine)
            nowhere = Path("no folder")
            mine = Checkpoint(copy.deepcopy(taught.model), taught.tokenizer)
            problems = problems_of(sums)
            prompts = encode_prompts(problems, mine.tokenizer, "{problem}", params.grpo.max_prompt_tokens)
            settings = RungSettings("8k", params.seed, params.grpo, params.rungs.r8k, params.guards, params.task)
            start = Start(mine, nowhere, nowhere)
            sampling = Sampling(params.rungs.r8k.rollouts_per_prompt, 1.0, params.rungs.r8k.max_response_tokens)
            sampler = make_sampler(mine, nowhere, prompts, sampling, params, trained=True)
            trainer, shape = make_trainer(start, params), shape_of(mine.model)
            return GrpoRung(settings, problems, prompts, mine.tokenizer, trainer, sampler, grader, shape, **told)

        yield make
