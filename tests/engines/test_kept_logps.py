"""The kernel that keeps log-probabilities, by Triton's interpreter on a CPU, and its way into vLLM's sampler.

Triton decides at its import whether it interprets, so the kernel is run by a process of its own.
"""

import inspect
import json
import os
import subprocess
import sys

import pytest
import torch

from tests.conftest import CHECKOUT

pytestmark = pytest.mark.engines

UNTOUCHED = 9.0
PROMPT = 4
PLACES = [3, 0, 5, 1, 2, 4]
ROWS_OF_PLACES = [0, 1, -1, 3, 4, 5]
KNOWN_AT_PLACES = [4, 4, 4, 4, 9, 4]
POSITIONS = [3, 5, 7, 3, 3, 5]
KEPT = {
    0: (3, 0),
    1: (0, 2),
    3: (1, 0),
}  # of the others one is beyond the table, one not to be kept, one known before


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Six rows of logits, no multiple of a block wide, one of them without a finite number in its first block."""
    torch.manual_seed(0)
    logits_NV = (torch.randn(6, 9001) * 3).bfloat16()
    logits_NV[3, :4096] = -torch.inf
    return logits_NV, torch.randint(4200, 9001, (6,))


def interpret() -> list[list[float]]:
    from stages.engines.vllm.kept_logps import keep

    logits_NV, token_N = batch()
    around_RT = torch.full((8, 4), UNTOUCHED)  # a row before and a row after the table, for what goes astray
    places = [torch.tensor(each, dtype=torch.int32) for each in (PLACES, ROWS_OF_PLACES, [PROMPT] * 6, KNOWN_AT_PLACES)]
    keep(around_RT[1:7], logits_NV, token_N, torch.tensor(POSITIONS), *places)
    return around_RT.tolist()


def test_keeps_what_log_softmax_gives_and_nothing_else() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "tests.engines.test_kept_logps"],
        cwd=CHECKOUT, env=os.environ | {"TRITON_INTERPRET": "1"}, check=True, capture_output=True, text=True,
    )  # fmt: skip
    logits_NV, token_N = batch()
    logp_N = torch.log_softmax(logits_NV.double(), dim=-1)[torch.arange(6), token_N]
    expected_RT = torch.full((8, 4), UNTOUCHED)
    for n, (row, column) in KEPT.items():
        expected_RT[1 + row, column] = logp_N[n]
    torch.testing.assert_close(torch.tensor(json.loads(found.stdout.splitlines()[-1])), expected_RT, rtol=0, atol=1e-5)


def test_vllm_has_the_sampler_that_the_keeper_stands_in() -> None:
    from vllm.v1.worker.gpu.sample.sampler import Sampler
    from vllm.v1.worker.gpu.sample.states import SamplingStates
    from vllm.v1.worker.gpu.states import RequestState

    assert {"expanded_idx_mapping", "pos"} <= set(inspect.signature(Sampler.sample).parameters)
    add = list(inspect.signature(Sampler.add_request).parameters)
    assert (add[1], add[-1]) == ("req_idx", "sampling_params")
    assert "max_num_reqs" in inspect.signature(SamplingStates).parameters
    assert "prefill_len" in inspect.getsource(RequestState)


if __name__ == "__main__":
    print(json.dumps(interpret()))
