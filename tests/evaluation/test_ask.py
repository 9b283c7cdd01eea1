"""A checkpoint that is watched says what it says in an examination, and nothing that a terminal would obey."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from stages.engines.checkpoint import Checkpoint, save_checkpoint
from stages.engines.device import prepare_device
from stages.engines.prompts import encode
from stages.engines.protocols import Sampling
from stages.engines.rollout import TorchRollout
from stages.engines.supervised import teach
from stages.engines.tiny_qwen2 import build_model, build_tokenizer
from stages.errors import LadderError, exit_on_error
from stages.evaluation.__main__ import main
from stages.evaluation.answers import Answerer
from stages.evaluation.live import answer_live
from stages.params import MiniatureBase, Params
from stages.problems.problem import Problem, problem_id
from tests.conftest import CHECKOUT, small_params, write_yaml

PARAMS = Params.model_validate(small_params())
PROBLEM = Problem(problem_id("3+4+5="), "3+4+5=", (), "", 1, "", "heldout", None, None)


def byte_tokenizer() -> PreTrainedTokenizerBase:
    """Every byte is a token: a character of another script takes several, and a cut one is none."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(models.BPE({char: id for id, char in enumerate(["<eos>", *alphabet])}, []))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<eos>", pad_token="<eos>")
    tokenizer.chat_template = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
    return tokenizer


@pytest.fixture(scope="module", params=["symbols", "bytes"])
def checkpoint(request: pytest.FixtureRequest) -> Checkpoint:
    prepare_device(PARAMS.engine)
    assert isinstance(PARAMS.base, MiniatureBase)
    tokenizer = build_tokenizer() if request.param == "symbols" else byte_tokenizer()
    return Checkpoint(build_model(PARAMS.base, tokenizer, seed=2), tokenizer)


def batch_texts(checkpoint: Checkpoint, sampling: Sampling, seed: int) -> list[str]:
    """By the batched path, beside other samples and problems."""
    sampler = TorchRollout(checkpoint.model, checkpoint.eos_token_id, checkpoint.pad_token_id, 8, "float32")
    prompts = [encode(PROBLEM, checkpoint.tokenizer, "{problem}")]
    other = Problem("o", "1+2+3+4+5=", (), "", 1, "", "heldout", None, None)
    prompts.append(encode(other, checkpoint.tokenizer, "{problem}"))
    answerer = Answerer(checkpoint.tokenizer, lambda prompts, sampling: sampler, 8, None)
    return [sample.response for sample in answerer.answers(prompts, sampling, (seed, "evaluation"))]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("temperature", "greedy"), [(1.0, False), (0.6, False), (0.6, True)])
def test_what_streams_is_what_an_examination_samples(
    checkpoint: Checkpoint, seed: int, temperature: float, greedy: bool
) -> None:
    examination, said = Sampling(3, temperature, 40, 0.95, greedy=True), list[str]()
    one = replace(examination, n=0 if greedy else 1, greedy=greedy)
    answer = answer_live(checkpoint, PROBLEM, PARAMS, one, seed, said.append)
    assert "".join(said) == answer.text == batch_texts(checkpoint, examination, seed)[3 if greedy else 0]
    assert len(said) > 1 and 1 <= answer.tokens <= 40 and answer.truncated <= (answer.tokens == 40)


def test_a_token_is_told_before_the_next_is_sampled(checkpoint: Checkpoint) -> None:
    sampler = TorchRollout(checkpoint.model, checkpoint.eos_token_id, checkpoint.pad_token_id, 1, "float32")
    told: list[int] = []
    steps: list[int] = []
    hook = checkpoint.model.register_forward_hook(lambda *arguments: steps.append(len(told)))
    rollout = sampler.stream(
        encode(PROBLEM, checkpoint.tokenizer, "{problem}"), Sampling(1, 1.0, 20), (0, "x"), told.append
    )
    hook.remove()
    assert tuple(told) == rollout.token_ids and steps == list(range(len(told)))


def test_an_answer_that_has_no_room(checkpoint: Checkpoint) -> None:
    with pytest.raises(LadderError, match=r"--max-tokens: 300, with \d+ tokens of the prompt, is more than the 256"):
        answer_live(checkpoint, PROBLEM, PARAMS, Sampling(1, 1.0, 300), 0, lambda piece: None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint 24k whose digits are control characters and escape sequences, and 8k, taught to guess in a box."""
    folder = tmp_path_factory.mktemp("asked")
    write_yaml(folder / "params.yaml", small_params())
    assert isinstance(PARAMS.base, MiniatureBase)
    tokenizer = build_tokenizer()
    core = json.loads(tokenizer.backend_tokenizer.to_str())
    hostile = {
        "3": "\x1b[31m",
        "4": "\x1b]0;title\x07",
        "5": "\r",
        "6": "\u202e",
        "7": "\x9b2J",
        "8": "\x08",
        "9": "\x00",
    }
    core["model"]["vocab"] = {hostile.get(symbol, symbol): id for symbol, id in core["model"]["vocab"].items()}
    hostile_tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(core)), pad_token="<pad>", eos_token="<eos>"
    )
    hostile_tokenizer.chat_template = tokenizer.chat_template
    save_checkpoint(Checkpoint(build_model(PARAMS.base, tokenizer, seed=2), hostile_tokenizer), folder / "models/24k")
    taught = build_model(PARAMS.base, tokenizer, seed=2)
    teach(taught, tokenizer, PARAMS.base, set(), (0, "base"))
    save_checkpoint(Checkpoint(taught, tokenizer), folder / "models/8k")
    return folder


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


@pytest.fixture
def ask(folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """The command, in this process: torch is loaded already."""

    def call(*arguments: str) -> Said:
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", ["ask", "ask", *arguments])
        code: object = 0
        try:
            exit_on_error(main)
        except SystemExit as ended:
            code = ended.code
        out, err = capfd.readouterr()
        return Said(int(str(code)), out, err)

    return call


def test_no_escape_sequence_reaches_the_terminal(ask: Callable[..., Said]) -> None:
    said = "".join(ask("1+2=", "--seed", str(seed), "--max-tokens", "60").out for seed in (1, 2))
    assert "\\x1b[31m" in said and "\\r" in said
    assert not any((char < " " and char != "\n") or "\x7f" <= char < "\xa0" or char == "\u202e" for char in said)


def test_as_a_user_calls_it(folder: Path) -> None:
    """On a terminal that has ASCII alone."""
    command = [sys.executable, "-m", "stages.evaluation", "ask", "1+2=", "--seed", "1", "--max-tokens", "60"]
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT), "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=120)
    assert done.returncode == 0 and done.stdout.count(b"\xe2") == 0 and b"tokens/s" in done.stdout, done.stderr


def test_an_answer_is_shown_and_graded(ask: Callable[..., Said]) -> None:
    arguments = ("3+4+5=", "--checkpoint", "8k", "--temperature", "0")
    lines = ask(*arguments).out.splitlines()
    boxed = re.search(r"answer: (\d)$", lines[-2])
    assert boxed and lines[-3] == "" and re.fullmatch(r"\d+ tokens in [\d.]+ s, \d+ tokens/s", lines[-1])
    for answer, verdict in ((boxed[1], "right (correct)"), ("123456", "wrong (wrong)")):
        graded = ask(*arguments, "--answer", answer).out.splitlines()
        assert graded[:-1] == [*lines[:-1], verdict]
    cut = ask(*arguments, "--answer", "2", "--max-tokens", "1").out.splitlines()
    assert cut[-3:-1] == ["answer: none", "wrong (truncated)"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("1+2=", "--checkpoint", "16k"), "error: models/16k: missing; `make run` makes it"),
        (("  ",), "error: problem: empty"),
        (("1\udc80+2=",), "error: problem: '1\\udc80+2=' is not UTF-8"),
        (("1+2=", "--max-tokens", "300"), "error: --max-tokens: 300"),
        (("1+2=", "--temperature", "3"), "'3' is no number from 0 to 2"),
        (("1+2=", "--seed", "-1"), "'-1' is no whole number from 0"),
    ],
)
def test_bad_input_is_one_line(ask: Callable[..., Said], arguments: tuple[str, ...], says: str) -> None:
    refused = ask(*arguments)
    assert refused.code == 2 and says in refused.err.splitlines()[-1] and refused.out == ""


def test_characters_that_a_checkpoint_does_not_know_are_told(ask: Callable[..., Said]) -> None:
    assert "does not know all of these characters, it reads '1+2='" in ask("Find 1+2=", "--checkpoint", "8k").err
    assert ask("1+2=", "--checkpoint", "8k").err == ""
