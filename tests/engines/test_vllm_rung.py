"""A real rung on a real vLLM: three steps, each sampled with the weights of the step before it. On a GPU where there is one."""

from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.gpu_proofs_faults import killed
from stages import train
from stages.engines.build import Start
from stages.engines.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from stages.engines.device import prepare_device
from stages.engines.tiny_qwen2 import build_model, build_tokenizer
from stages.engines.vllm.engine import VllmRollout
from stages.params import MiniatureBase, Params
from tests.conftest import small_params
from tests.grpo.conftest import SUMS, problems_of

pytestmark = pytest.mark.engines

ON_GPU = torch.cuda.is_available()
LARGEST_GAP = 0.5 if ON_GPU else 1e-4  # between sampler and trainer, in nats a token: bfloat16 and float32


def params_with(**grpo: Any) -> Params:
    values = small_params()
    values["engine"] |= {"rollout": "vllm"} | ({"device": "cuda", "dtype": "bfloat16"} if ON_GPU else {})
    values["grpo"] |= {"importance_cap": 2.0, "log_completions_steps": 2} | grpo
    values["rungs"]["r8k"] |= {"steps": 3, "max_response_tokens": 12}
    values["rungs"]["r16k"] |= {"max_response_tokens": 12}
    values["operations"] |= {"rollout_batch_rows": 64, "vllm_gpu_memory": 0.2}
    return Params.model_validate(values)


@pytest.mark.parametrize(
    "grpo", [{}, {"lora": {"rank": 4, "alpha": 8, "target_modules": ["all-linear"]}, "learning_rate": 0.03}]
)
def test_a_rung_of_three_steps(tmp_path: Path, grpo: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    freed: list[int] = []
    sleep = VllmRollout.sleep

    def measured(self: VllmRollout) -> None:
        before = torch.cuda.mem_get_info()[0] if ON_GPU else 0
        sleep(self)
        freed.append(torch.cuda.mem_get_info()[0] - before if ON_GPU else 0)

    monkeypatch.setattr(VllmRollout, "sleep", measured)
    params = params_with(truncated="soft-penalty", overlong_buffer_tokens=10, **grpo)  # so that groups teach
    assert isinstance(params.base, MiniatureBase)
    base = params.base.model_copy(update={"layers": 2, "hidden_size": 64, "heads": 2})
    tokenizer = build_tokenizer()
    save_checkpoint(Checkpoint(build_model(base, tokenizer, seed=3), tokenizer), tmp_path / "start")
    start = load_checkpoint(tmp_path / "start", prepare_device(params.engine))
    before = {name: parameter.clone() for name, parameter in start.model.named_parameters()}
    done = train.run("8k", params, Start(start, tmp_path / "start", tmp_path / "start"), problems_of(SUMS))
    assert [metrics.step for metrics in done.metrics] == [1, 2, 3]
    for metrics in done.metrics:  # the sampler's weights are the trainer's: all but rounding is explained
        assert metrics.sampling_logp_difference_max is not None
        assert metrics.sampling_logp_difference_max < LARGEST_GAP
        assert metrics.importance_ratio_mean == pytest.approx(1.0, abs=LARGEST_GAP / 10)
        assert metrics.grad_norm is not None
        assert metrics.grad_norm > 0
    assert [answer["step"] for answer in done.completions] == [0] * 4 + [2] * 4
    if ON_GPU:  # it sleeps before the trainer is made and in every step; its cache is most of its memory
        assert min(freed[:4]) > 5 * 2**30
    moved = [name for name, parameter in start.model.named_parameters() if not torch.equal(parameter, before[name])]
    assert any("layers.1" in name for name in moved)


def test_a_rung_killed_in_mid_rollout_ends_with_the_bytes_of_one_that_was_not(tmp_path: Path) -> None:
    """kill -9 for the process that vLLM samples in; the next one goes on from the checkpoint, with the same seeds."""
    proved = killed(tmp_path)
    assert proved.ok, proved.figures
