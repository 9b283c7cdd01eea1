"""Sampling by `vllm serve` servers over HTTP (stages/engines/vllm/http.py says how one is started), on GPUs of their own.

A server that dies on the way is waited for and given the weights anew, and asked again, with the same seeds, what it has not
answered (stages/engines/vllm/fleet.py).

New weights go through a folder that the servers can read. vLLM's own transfer between trainer and server needs NCCL or CUDA's
shared memory; a folder needs neither, and no common host either.
"""

import asyncio
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import torch
from safetensors.torch import save_file

from stages.engines.protocols import Prompt, Rollout, Sampling, TrainEngine
from stages.engines.ranks import ALONE, Ranks
from stages.engines.vllm.fleet import LOCKS, TIMES_LOST, Fleet, Weights, given_up
from stages.engines.vllm.http import SAMPLE_S, Lost, Server, timeout
from stages.engines.vllm.proof import KEY, Answers, Proof
from stages.engines.vllm.requests import Request, request_settings, requests
from stages.errors import Cause, LadderError
from stages.params import Engine, Operations
from stages.process import hold_lock
from stages.store.files import whole_folder

FILE_BYTES = 2**31  # of weights held in memory before they are written


class ServerRollout:
    """Samples from the checkpoint in the folder `checkpoint` until the first `sync`; the main rank has the servers load it.

    `max_model_len` holds the longest prompt with the longest response. `exchange` is the folder, on a disk that the servers
    share, where new weights are laid. `proof` is needed for `sync` alone.
    """

    def __init__(
        self,
        checkpoint: Path,
        eos_token_id: int,
        max_model_len: int,
        engine: Engine,
        operations: Operations,
        exchange: Path,
        proof: Proof | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        self._servers = [Server(address) for address in operations.vllm_servers]
        self._held = ExitStack()
        if ranks.is_main:  # a server has one set of weights: two stages can't sample from it at a time
            for server in self._servers:
                busy = f"another stage samples from {server.address}"
                self._held.enter_context(hold_lock(LOCKS / quote(server.address, safe=""), busy))
        self._eos = eos_token_id
        self._rows = operations.rollout_batch_rows
        self._dtype: torch.dtype = getattr(torch, engine.dtype)
        self._exchange = exchange
        self._proof = proof
        self._ranks = ranks
        self._fleet = Fleet(self._servers, checkpoint, engine.dtype, max_model_len, proof, self._ask_proof)
        self._name, self._syncs = ranks.from_main(uuid.uuid4().hex), 0
        weights = Weights(self._version, checkpoint)
        try:
            self._on_main(lambda: self._fleet.start(weights))
        except LadderError:
            self._held.close()  # whoever mends it tries again, in this process too
            raise
        self._fleet.take(weights)

    def generate(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        key: tuple[str | int, ...],
        on_progress: Callable[[int], None] = lambda done: None,
    ) -> list[Rollout]:
        wanted = requests(prompts, sampling, key)
        # A group stays on one server, which has its prompt in the cache.
        shared = [
            self._servers[(row // sampling.answers + self._ranks.rank) % len(self._servers)]
            for row in range(len(wanted))
        ]
        return self._collect(wanted, shared, sampling, on_progress)

    def sync(self, trainer: TrainEngine) -> None:
        if self._proof is None:
            raise RuntimeError("this engine was made without a proof")
        proof = self._proof
        answers: list[Answers] = []
        self._syncs += 1
        self._fleet.take(Weights(self._version, self._exchange))

        def update() -> None:
            with whole_folder(self._exchange) as folder:
                write_weights(folder, trainer.weights(), self._dtype)
            wanted = requests(proof.prompts, proof.sampling, KEY)
            for server in self._servers:
                rollouts = self._collect(wanted, [server] * len(wanted), proof.sampling)
                answers.append(Answers(server.named, rollouts))

        if not self._ranks.is_main:
            for _ in trainer.weights():  # every rank has a part in them
                pass
        self._on_main(update)
        answers = self._ranks.from_main(answers)
        proof.check(answers, trainer)
        self._fleet.proved({server.address: one.rollouts for server, one in zip(self._servers, answers, strict=True)})

    def sleep(self) -> None:
        """The memory is the servers' own."""

    def close(self) -> None:
        """The servers go on: they were not started here."""
        for server in self._servers:
            server.close()
        self._held.close()
        if self._ranks.is_main:
            shutil.rmtree(self._exchange, ignore_errors=True)  # absent where nothing was trained

    @property
    def _version(self) -> str:
        return f"{self._name}-{self._syncs}"

    def _collect(
        self,
        wanted: Sequence[Request],
        servers: Sequence[Server],
        sampling: Sampling,
        on_progress: Callable[[int], None] = lambda done: None,
    ) -> list[Rollout]:
        """An answer to each of `wanted` from its server, from the fleet's weights. Raises LadderError."""
        found: dict[int, Rollout] = {}
        for _ in range(1 + TIMES_LOST):
            for server in set(servers):
                self._fleet.ensure(server)
            left = {number: (wanted[number], servers[number]) for number in range(len(wanted)) if number not in found}
            told = len(found)
            got, lost = asyncio.run(self._round(left, sampling, partial(_add_to, on_progress, told)))
            # One that was started again in the meantime has answered from nobody knows which weights.
            stale = {server for server in set(servers) if not self._has_weights(server)}
            found |= {number: rollout for number, rollout in got.items() if servers[number] not in stale}
            if len(found) == len(wanted):
                return [found[number] for number in range(len(wanted))]
            why = next(iter(lost.values()), "a server was started again while it sampled")
            print(f"{why}; {len(wanted) - len(found)} answers are asked for again", file=sys.stderr, flush=True)
        raise given_up(f"{why}; the {TIMES_LOST + 1}th time in one rollout")

    def _has_weights(self, server: Server) -> bool:
        try:
            return self._fleet.has_weights(server)
        except Lost:
            return False

    def _ask_proof(self, server: Server) -> list[Rollout]:
        assert self._proof is not None
        wanted = requests(self._proof.prompts, self._proof.sampling, KEY)
        asked = {number: (request, server) for number, request in enumerate(wanted)}
        got, lost = asyncio.run(self._round(asked, self._proof.sampling, lambda done: None))
        for error in lost.values():
            raise error
        return [got[number] for number in range(len(wanted))]

    async def _round(
        self,
        asked: Mapping[int, tuple[Request, Server]],
        sampling: Sampling,
        on_progress: Callable[[int], None],
    ) -> tuple[dict[int, Rollout], dict[str, Lost]]:
        """The answers by their numbers, and why servers are lost by their addresses: such a one is asked no further."""
        found: dict[int, Rollout] = {}
        lost: dict[str, Lost] = {}
        places = asyncio.Semaphore(self._rows)

        async def sample(client: httpx.AsyncClient, number: int, request: Request, server: Server) -> None:
            body: dict[str, Any] = {
                "prompt": request.asked.prompt.token_ids,
                "return_token_ids": True,
                **request_settings(sampling, request, self._eos),
            }
            async with places:
                if server.address in lost:
                    return
                try:
                    choice = await server.complete(client, body)
                except Lost as error:
                    lost.setdefault(server.address, error)
                    return
            found[number] = request.rollout(choice["token_ids"], choice["logprobs"]["token_logprobs"], self._eos)
            on_progress(len(found))

        limits = httpx.Limits(max_connections=self._rows)
        async with httpx.AsyncClient(timeout=timeout(SAMPLE_S), limits=limits, trust_env=False) as client:
            await asyncio.gather(*(sample(client, number, *one) for number, one in asked.items()))
        return found, lost

    def _on_main(self, act: Callable[[], None]) -> None:
        """Have the main rank act; the error that it meets is raised on every rank, or the others would wait for it."""
        failure: tuple[str, Cause] | None = None
        if self._ranks.is_main:
            try:
                act()
            except LadderError as error:
                failure = str(error), error.cause
        failure = self._ranks.from_main(failure)
        if failure is not None:
            raised = LadderError(failure[0])
            raised.cause = failure[1]
            raise raised


def _add_to(on_progress: Callable[[int], None], told: int, done: int) -> None:
    on_progress(told + done)


def write_weights(folder: Path, weights: Iterator[tuple[str, torch.Tensor]], dtype: torch.dtype) -> None:
    """`weights` as safetensors files of about FILE_BYTES each, so that no whole model is held."""
    held: dict[str, torch.Tensor] = {}
    files = 0
    for name, tensor in weights:
        held[name] = tensor.detach().to("cpu", dtype, copy=True)
        if sum(each.nbytes for each in held.values()) >= FILE_BYTES:
            save_file(held, folder / f"{files:05}.safetensors")
            held, files = {}, files + 1
    if held:
        save_file(held, folder / f"{files:05}.safetensors")
