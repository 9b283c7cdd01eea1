"""Answers are sampled once: after an interruption, with more samples or more problems, only what is new is asked for."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from stages.engines.checkpoint import Checkpoint
from stages.engines.prompts import encode_prompts
from stages.engines.protocols import Prompt, Rollout, Sampling
from stages.engines.rollout import TorchRollout
from stages.engines.tiny_qwen2 import build_model, build_tokenizer
from stages.evaluation import answers
from stages.evaluation.answers import Answerer
from stages.evaluation.clean import clean
from stages.params import MiniatureBase
from stages.problems.problem import Problem
from tests.conftest import SMALL

KEY = (0, "evaluation")
BATCH_ROWS = 4


class Counted(TorchRollout):
    """The torch engine, that counts what it is asked and may be killed."""

    asked = 0
    calls_left = 1000

    def generate(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        key: tuple[str | int, ...],
        on_progress: Callable[[int], None] = lambda done: None,
    ) -> list[Rollout]:
        if not self.calls_left:
            raise KeyboardInterrupt
        self.calls_left -= 1
        self.asked += len(prompts) * sampling.answers
        return super().generate(prompts, sampling, key, on_progress)


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    tokenizer = build_tokenizer()
    base = MiniatureBase.model_validate(SMALL["base"] | {"training_cutoff": None})
    return Checkpoint(build_model(base, tokenizer, seed=0), tokenizer)


@pytest.fixture
def engine(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> Counted:
    monkeypatch.setattr(answers, "ROLLOUTS_A_PART", 8)
    return Counted(checkpoint.model, checkpoint.eos_token_id, checkpoint.pad_token_id, BATCH_ROWS, "float32")


def prompts(checkpoint: Checkpoint, count: int) -> list[Prompt]:
    problems = [
        Problem(str(row), f"{row % 10}+{row // 10}=", ("0",), "", 1, "", "train", None, None) for row in range(count)
    ]
    return encode_prompts(problems, checkpoint.tokenizer, "{problem}", 32)


def answerer(checkpoint: Checkpoint, engine: Counted, kept: Path | None) -> Answerer:
    return Answerer(checkpoint.tokenizer, lambda prompts, sampling: engine, BATCH_ROWS, kept)


def sampling(n: int, greedy: bool = False) -> Sampling:
    return Sampling(n, 1.0, max_response_tokens=6, greedy=greedy)


def test_an_interrupted_sampling_goes_on(checkpoint: Checkpoint, engine: Counted, tmp_path: Path) -> None:
    asked = prompts(checkpoint, 11)
    whole = answerer(checkpoint, engine, None).answers(asked, sampling(2), KEY)
    assert [(sample.problem_id, sample.index) for sample in whole] == [
        (str(row), i) for row in range(11) for i in (0, 1)
    ]
    engine.asked, engine.calls_left = 0, 2
    with pytest.raises(KeyboardInterrupt):
        answerer(checkpoint, engine, tmp_path).answers(asked, sampling(2), KEY)
    assert engine.asked == 16
    engine.asked, engine.calls_left = 0, 1000
    told: list[int] = []
    resumed = answerer(checkpoint, engine, tmp_path).answers(asked, sampling(2), KEY, told.append)
    assert (resumed, engine.asked, told[-1]) == (whole, 6, 22)
    torn = sorted(tmp_path.rglob("*.parquet"))[0]
    torn.write_bytes(torn.read_bytes()[:-20])
    engine.asked = 0
    assert answerer(checkpoint, engine, tmp_path).answers(asked, sampling(2), KEY) == whole
    assert engine.asked == 8
    assert answerer(checkpoint, engine, tmp_path).answers(asked, sampling(2), KEY) == whole
    assert engine.asked == 8  # whole again


def test_more_samples_and_more_problems(checkpoint: Checkpoint, engine: Counted, tmp_path: Path) -> None:
    answerer(checkpoint, engine, tmp_path).answers(prompts(checkpoint, 4), sampling(2), KEY)
    engine.asked = 0
    grown = answerer(checkpoint, engine, tmp_path).answers(prompts(checkpoint, 6), sampling(3), KEY)
    assert engine.asked == 4 * 1 + 2 * 3
    assert [(sample.problem_id, sample.index) for sample in grown] == [
        (str(row), i) for row in range(6) for i in range(3)
    ]
    fresh = answerer(checkpoint, engine, None).answers(prompts(checkpoint, 6), sampling(3), KEY)
    assert grown == fresh
    fewer = answerer(checkpoint, engine, tmp_path).answers(prompts(checkpoint, 2), sampling(1), KEY)
    assert fewer == [fresh[0], fresh[3]]


def test_greedy_answers_are_kept_beside_the_samples(checkpoint: Checkpoint, engine: Counted, tmp_path: Path) -> None:
    two, three = prompts(checkpoint, 2), prompts(checkpoint, 3)
    sampled = answerer(checkpoint, engine, tmp_path).answers(two, sampling(2), KEY)
    engine.asked = 0
    besides = answerer(checkpoint, engine, tmp_path).answers(two, sampling(2, greedy=True), KEY)
    assert engine.asked == 2
    assert [(one.problem_id, one.index, one.greedy) for one in besides[:3]] == [
        ("0", 0, False), ("0", 1, False), ("0", 0, True),
    ]  # fmt: skip
    assert [one for one in besides if not one.greedy] == sampled
    grown = answerer(checkpoint, engine, tmp_path).answers(three, sampling(3, greedy=True), KEY)
    assert engine.asked == 2 + 2 * 1 + 1 * 4
    assert grown == answerer(checkpoint, engine, None).answers(three, sampling(3, greedy=True), KEY)


def test_what_no_checkpoint_here_has_is_freed(tmp_path: Path) -> None:
    for name in ("wanted", "abandoned"):
        (tmp_path / name / "part").mkdir(parents=True)
        (tmp_path / name / "part/part-000000.parquet").write_bytes(b"1234")
    assert clean(tmp_path, {"wanted"}) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["wanted"]


def test_what_was_sampled_otherwise_is_not_taken(checkpoint: Checkpoint, engine: Counted, tmp_path: Path) -> None:
    asked = prompts(checkpoint, 3)
    first = answerer(checkpoint, engine, tmp_path).answers(asked, sampling(2), KEY)
    other = answerer(checkpoint, engine, tmp_path).answers(asked, sampling(2), (1, "evaluation"))
    assert [sample.response for sample in other] != [sample.response for sample in first]
    engine.asked = 0
    instructed = [Prompt(prompt.problem_id, (*prompt.token_ids, 0)) for prompt in asked]
    answerer(checkpoint, engine, tmp_path).answers(instructed, sampling(2), KEY)
    assert engine.asked == 6
