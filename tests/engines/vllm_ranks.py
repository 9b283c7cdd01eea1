"""Started twice by a test: two ranks with a vLLM each. The second one's update is spoiled, and both are told."""

import sys
from pathlib import Path

import torch

from stages.engines.checkpoint import load_checkpoint
from stages.engines.device import prepare_device
from stages.engines.protocols import Prompt, Sampling
from stages.engines.ranks import Ranks
from stages.engines.trainer import TorchTrainer
from stages.engines.vllm import worker as vllm_worker
from stages.engines.vllm.engine import VllmRollout
from stages.engines.vllm.proof import Proof
from stages.errors import LadderError
from stages.params import Params
from tests.conftest import small_params


def main(folder: Path) -> None:
    params = Params.model_validate(small_params())
    device = prepare_device(params.engine)
    torch.distributed.init_process_group("gloo")
    ranks = Ranks(torch.distributed.get_rank(), torch.distributed.get_world_size())
    policy = load_checkpoint(folder, device).model
    trainer = TorchTrainer(policy, None, params.engine, params.operations, params.grpo)
    prompts, sampling = [Prompt("a", (2, 11, 7, 12, 3)), Prompt("b", (2, 13, 7, 14, 3))], Sampling(2, 1.0, 12)
    sampler = VllmRollout(
        folder, 1, 32, params.engine, params.operations, Proof(prompts, sampling, "float32", "cpu"), ranks
    )
    with torch.no_grad():
        policy.lm_head.weight.mul_(1.5)
    sampler.sync(trainer)
    rollouts = ranks.gather(sampler.generate(ranks.share(prompts), sampling, ("x",)))
    assert [rollout.prompt.problem_id for rollout in rollouts] == ["a", "a", "b", "b"]
    assert sampler.generate(prompts, sampling, ("x",)) == rollouts
    if ranks.rank == 1:
        vllm_worker.replace_weights = lambda worker, weights: None
    with torch.no_grad():
        policy.lm_head.weight.mul_(1.5)
    try:
        sampler.sync(trainer)
    except LadderError as error:
        assert str(error).startswith("vLLM in the process of rank 1 does not sample from the trainer's weights"), error
    else:
        raise AssertionError("believed")
    sampler.close()
    assert ranks.gather([ranks.rank]) == [0, 1]
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
