"""The card that a benchmark runs on: what it can do by its data sheet, how full it is, and what runs there."""

import platform
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from benchmarks.gpu_shape import SHAPES, Work
from benchmarks.record import commit
from stages.accounting.prices import read_prices
from stages.accounting.records import StepCost
from stages.grpo.metrics import StepMetrics

PACKAGES = ("torch", "transformers", "vllm", "trl", "liger-kernel", "flash-attn-4", "deepspeed")


class DeviceMemory:
    """The most memory that this rank's whole GPU has in use while it watches; 0 without a GPU."""

    def __init__(self) -> None:
        self.peak_bytes = 0
        self._device = (
            torch.cuda.current_device() if torch.cuda.is_available() else None
        )  # each thread has one of its own
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "DeviceMemory":
        if torch.cuda.is_available():
            self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.1):
            free, total = torch.cuda.mem_get_info(self._device)
            self.peak_bytes = max(self.peak_bytes, total - free)


@dataclass(frozen=True, slots=True)
class Card:
    """A GPU by its data sheet (prices.yaml); None where that has no such row."""

    name: str
    peak_flops: float | None
    memory_bytes_per_s: float | None

    def times(self, count: int) -> "Card":
        """So many of them as one."""
        rates = (None if rate is None else count * rate for rate in (self.peak_flops, self.memory_bytes_per_s))
        return Card(self.name, *rates)


def card() -> Card:
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    row = next((row for row in read_prices().devices if name in (row.device, *row.also)), None)
    known = row.hardware if row else None
    if known is None or known.peak_tflops_bf16 is None:
        return Card(name, None, None)
    return Card(name, 1e12 * known.peak_tflops_bf16, 1e9 * known.memory_gb_per_s if known.memory_gb_per_s else None)


def cache_read_bytes(shape: str, work: Work) -> float:
    """What decoding reads of keys and values in bfloat16: every token those of all before it in its answer and its prompt."""
    config = SHAPES[shape]
    size = config["hidden_size"] // config["num_attention_heads"]
    token_bytes = 2 * 2 * config["num_hidden_layers"] * config["num_key_value_heads"] * size
    prompts = {prompt.problem_id: len(prompt.token_ids) for prompt in work.prompts}
    return token_bytes * sum(length * (prompts[name] + length / 2) for (name, _), length in work.lengths.items())


def sampled_figures(shape: str, work: Work, sample_s: float, device: Card) -> dict[str, float | None]:
    rate = device.memory_bytes_per_s
    floor_s = cache_read_bytes(shape, work) / rate if rate else None
    return {
        "sample_s": sample_s,
        "sample_tokens_per_s": work.tokens / sample_s,
        "cache_floor_s": floor_s,
        "cache_floor_share": floor_s / sample_s if floor_s else None,
    }


def step_figures(
    shape: str,
    asked: Work,
    metrics: StepMetrics,
    cost: StepCost,
    seconds: Counter[str],
    device: Card,
    sampled_s: Sequence[float],
) -> dict[str, Any]:
    """`sampled_s` of each rank: a step's sampling lasts as long as the slowest's."""
    assert cost.sampled_tokens == asked.tokens == cost.trained_tokens
    overhead_s = cost.wall_s - max(sampled_s) - cost.reference_s - cost.update_s
    return {
        "step_s": cost.wall_s,
        "tokens_per_s": cost.tokens_per_s,
        **sampled_figures(shape, asked, max(sampled_s), device),
        "rank_sample_s": list(sampled_s),
        "sync_s": seconds["sync"],
        "wake_s": seconds["wake"],
        "sleep_s": seconds["sleep"],
        "grade_s": cost.grade_s,
        "reference_s": cost.reference_s,
        "update_s": cost.update_s,
        "overhead_share": overhead_s / cost.wall_s,
        "update_mfu": cost.update_flops / cost.update_s / device.peak_flops if device.peak_flops else None,
        "padding_share": cost.padding_tokens / max(1, cost.computed_tokens),
        "logp_gap_mean": metrics.sampling_logp_difference_mean,
        "logp_gap_max": metrics.sampling_logp_difference_max,
        "grad_norm": metrics.grad_norm,
    }


def origin() -> dict[str, Any]:
    """What a part came from, besides its options."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue  # not every part needs all
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
        "device": card().name,
        "versions": versions,
    }
