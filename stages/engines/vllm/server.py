"""Sampling by `vllm serve` servers over HTTP (stages/engines/vllm/http.py says how one is started), on GPUs of their own.

New weights go through a folder that the servers can read. vLLM's own transfer between trainer and server needs NCCL or CUDA's
shared memory; a folder needs neither, and no common host either.
"""

import asyncio
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import torch
from safetensors.torch import save_file

from stages.engines.protocols import Prompt, Rollout, Sampling, TrainEngine
from stages.engines.ranks import ALONE, Ranks
from stages.engines.vllm.http import SAMPLE_S, Server, timeout
from stages.engines.vllm.proof import KEY, Answers, Proof
from stages.engines.vllm.requests import Request, request_settings, requests
from stages.errors import LadderError
from stages.params import Engine, Operations
from stages.process import hold_lock
from stages.store.files import whole_folder

LOCKS = Path("runs/servers")
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

        def load() -> None:
            for server in self._servers:
                server.check(checkpoint, engine.dtype, max_model_len)
                server.replace_weights(checkpoint)

        self._on_main(load)

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
        return asyncio.run(self._sample(wanted, shared, sampling, on_progress))

    def sync(self, trainer: TrainEngine) -> None:
        if self._proof is None:
            raise RuntimeError("this engine was made without a proof")
        proof = self._proof
        answers: list[Answers] = []

        def update() -> None:
            with whole_folder(self._exchange) as folder:
                write_weights(folder, trainer.weights(), self._dtype)
            for server in self._servers:
                server.replace_weights(self._exchange)
                wanted = requests(proof.prompts, proof.sampling, KEY)
                rollouts = self._sample(wanted, [server] * len(wanted), proof.sampling, lambda done: None)
                answers.append(Answers(f"operations.vllm_servers: {server.address}", asyncio.run(rollouts)))

        if not self._ranks.is_main:
            for _ in trainer.weights():  # every rank has a part in them
                pass
        self._on_main(update)
        proof.check(self._ranks.from_main(answers), trainer)

    def sleep(self) -> None:
        """The memory is the servers' own."""

    def close(self) -> None:
        """The servers go on: they were not started here."""
        for server in self._servers:
            server.close()
        self._held.close()
        if self._ranks.is_main:
            shutil.rmtree(self._exchange, ignore_errors=True)  # absent where nothing was trained

    async def _sample(
        self,
        wanted: Sequence[Request],
        servers: Sequence[Server],
        sampling: Sampling,
        on_progress: Callable[[int], None],
    ) -> list[Rollout]:
        done = 0
        places = asyncio.Semaphore(self._rows)

        async def sample(client: httpx.AsyncClient, request: Request, server: Server) -> Rollout:
            nonlocal done
            body: dict[str, Any] = {
                "prompt": request.asked.prompt.token_ids,
                "return_token_ids": True,
                **request_settings(sampling, request, self._eos),
            }
            async with places:
                choice = await server.complete(client, body)
            done += 1
            on_progress(done)
            return request.rollout(choice["token_ids"], choice["logprobs"]["token_logprobs"], self._eos)

        limits = httpx.Limits(max_connections=self._rows)
        async with httpx.AsyncClient(timeout=timeout(SAMPLE_S), limits=limits, trust_env=False) as client:
            return await asyncio.gather(*map(sample, [client] * len(wanted), wanted, servers))

    def _on_main(self, act: Callable[[], None]) -> None:
        """Have the main rank act; the error that it meets is raised on every rank, or the others would wait for it."""
        failure: str | None = None
        if self._ranks.is_main:
            try:
                act()
            except LadderError as error:
                failure = str(error)
        failure = self._ranks.from_main(failure)
        if failure is not None:
            raise LadderError(failure)


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
