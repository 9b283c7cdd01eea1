"""Both vLLM engines on a real vLLM and a real tiny Qwen2 with a tied head: in this process, and two real servers."""

import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import torch
from transformers import Qwen2ForCausalLM

from benchmarks.vllm_server import STARTING_S, VllmServer, start_server, supervised_server
from stages.engines.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from stages.engines.device import prepare_device
from stages.engines.protocols import Prompt, Rollout, RolloutEngine, Sampling, TrainingRow
from stages.engines.rollout import TorchRollout
from stages.engines.tiny_qwen2 import build_model, build_tokenizer
from stages.engines.trainer import TorchTrainer
from stages.engines.vllm.engine import VllmRollout
from stages.engines.vllm.proof import Proof
from stages.engines.vllm.server import ServerRollout
from stages.errors import LadderError
from stages.grpo.loss import loss_sums
from stages.params import MiniatureBase, Params
from tests.conftest import CHECKOUT, small_params

pytestmark = pytest.mark.engines

PARAMS = Params.model_validate(small_params())
GRPO = PARAMS.grpo.model_copy(update={"temperature": 0.7})
SAMPLING = Sampling(n=4, temperature=0.7, max_response_tokens=20)
PROMPTS = [
    Prompt("short", (2, 11, 7, 12, 3)),
    Prompt("longer", (2, 13, 7, 12, 7, 14, 3)),
    Prompt("blocks", (2, *(10 + number % 10 for number in range(150)), 3)),  # fills a block of the prefix cache
]
TOKENS = 200


def miniature(folder: Path, tied: bool = True, **changes: int) -> Path:
    """A checkpoint of random weights; vLLM's heads on a CPU have at least 32 numbers."""
    assert isinstance(PARAMS.base, MiniatureBase)
    base = PARAMS.base.model_copy(update={"layers": 2, "hidden_size": 64, "heads": 2} | changes)
    tokenizer = build_tokenizer()
    model = build_model(base, tokenizer, seed=3)
    if not tied:
        model.config.tie_word_embeddings = False
        model = Qwen2ForCausalLM(model.config)
    save_checkpoint(Checkpoint(model, tokenizer), folder)
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return miniature(tmp_path_factory.mktemp("base") / "checkpoint")


@pytest.fixture
def trainer(base: Path) -> TorchTrainer:
    policy = load_checkpoint(base, prepare_device(PARAMS.engine)).model
    return TorchTrainer(policy, None, PARAMS.engine, PARAMS.operations, GRPO)


@pytest.fixture(scope="module")
def servers(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[VllmServer]]:
    """Two; the last test of them ends one."""
    logs = [tmp_path_factory.mktemp("servers") / f"{number}.log" for number in range(2)]
    started = [start_server(base, TOKENS, log) for log in logs]
    try:
        for server in started:
            server.wait()
        yield started
    finally:
        for server in started:
            if server.process.poll() is None:
                server.end()


def addresses(servers: list[VllmServer]) -> list[str]:
    return [server.address for server in servers]


@pytest.fixture(scope="module")
def local(base: Path) -> Iterator[VllmRollout]:
    prepare_device(PARAMS.engine)
    made = VllmRollout(base, 1, TOKENS, PARAMS.engine, PARAMS.operations, Proof(PROMPTS, SAMPLING, "float32", "cpu"))
    yield made
    made.close()


def connect(base: Path, addresses: list[str], tokens: int = TOKENS) -> ServerRollout:
    operations = PARAMS.operations.model_copy(update={"vllm_servers": addresses})
    proof = Proof(PROMPTS, SAMPLING, "float32", "cpu")
    return ServerRollout(base, 1, tokens, PARAMS.engine, operations, base.parent / "exchange", proof)


@pytest.fixture(params=["vllm", "vllm_server"])
def sampler(request: pytest.FixtureRequest, base: Path, trainer: TorchTrainer) -> Iterator[RolloutEngine]:
    """An engine with the checkpoint's weights, proved."""
    if request.param == "vllm":
        made: RolloutEngine = request.getfixturevalue("local")
        made.sync(trainer)
        yield made
    else:
        made = connect(base, addresses(request.getfixturevalue("servers")))
        made.sync(trainer)
        yield made
        made.close()
        assert not (base.parent / "exchange").exists()


def furthest(trainer: TorchTrainer, rollouts: list[Rollout]) -> float:
    """The largest difference of a token's log-probability between sampler and trainer."""
    pairs = zip(rollouts, trainer.log_probs(rollouts), strict=True)
    return max((torch.from_numpy(rollout.logp_T) - logp_T).abs().max().item() for rollout, logp_T in pairs)


def train(trainer: TorchTrainer, rollouts: list[Rollout]) -> None:
    """A real update, as large as no training would have it."""
    rows = [
        TrainingRow(rollout, (-1.0) ** number, 1 / len(rollouts), None, None) for number, rollout in enumerate(rollouts)
    ]
    assert not trainer.update(rows, partial(loss_sums, settings=GRPO, kl_coef=0.0), 0.02).skipped


def test_log_probs_are_the_trainers(sampler: RolloutEngine, trainer: TorchTrainer) -> None:
    rollouts = sampler.generate(PROMPTS, SAMPLING, ("test",))
    assert len({rollout.token_ids for rollout in rollouts}) > 8
    assert all(len(rollout.logp_T) == len(rollout.token_ids) for rollout in rollouts)
    assert furthest(trainer, rollouts) < 1e-5


def test_rollouts_come_grouped_and_are_counted(sampler: RolloutEngine) -> None:
    told: list[int] = []
    rollouts = sampler.generate(PROMPTS, SAMPLING, ("test",), told.append)
    names = [(rollout.prompt.problem_id, rollout.index) for rollout in rollouts]
    assert names == [(prompt.problem_id, index) for prompt in PROMPTS for index in range(4)]
    assert told == sorted(told)
    assert told[-1] == 12


def test_a_sample_does_not_depend_on_its_batch(sampler: RolloutEngine) -> None:
    together = sampler.generate(PROMPTS, SAMPLING, ("test",))
    apart = [sampler.generate([prompt], SAMPLING, ("test",)) for prompt in reversed(PROMPTS)]
    assert [rollout for group in reversed(apart) for rollout in group] == together
    later = sampler.generate([Prompt("short", PROMPTS[0].token_ids, first_sample=2)], Sampling(2, 0.7, 20), ("test",))
    assert [rollout.token_ids for rollout in later] == [rollout.token_ids for rollout in together[2:4]]
    assert sampler.generate(PROMPTS, SAMPLING, ("other",)) != together


def test_samples_end_at_eos_or_are_truncated(sampler: RolloutEngine) -> None:
    long = sampler.generate(PROMPTS, Sampling(8, 0.7, 20), ("test",))
    short = sampler.generate(PROMPTS, Sampling(8, 0.7, 6), ("test",))
    assert {rollout.truncated for rollout in short} == {True, False}
    for rollout, cut in zip(long, short, strict=True):
        assert rollout.token_ids[:6] == cut.token_ids
        assert 1 not in rollout.token_ids[:-1]
        assert rollout.truncated == (rollout.token_ids[-1] != 1)
        assert not rollout.truncated or len(rollout.token_ids) == 20


def test_greedy_is_torchs_greedy(sampler: RolloutEngine, trainer: TorchTrainer) -> None:
    greedy = Sampling(0, 1.0, 20, greedy=True)
    found = sampler.generate(PROMPTS, greedy, ("test",))
    expected = TorchRollout(trainer.policy, 1, 0, 8, "float32").generate(PROMPTS, greedy, ("test",))
    assert found == expected
    for one, other in zip(found, expected, strict=True):
        assert abs(one.logp_T - other.logp_T).max() < 1e-5


def test_samples_follow_the_trainers_updates(sampler: RolloutEngine, trainer: TorchTrainer) -> None:
    for step in range(3):
        rollouts = sampler.generate(PROMPTS, SAMPLING, (step,))
        assert furthest(trainer, rollouts) < 1e-5
        train(trainer, rollouts)
        assert furthest(trainer, rollouts) > 0.1
        sampler.sync(trainer)


def test_weights_are_lent_one_at_a_time(
    sampler: RolloutEngine, trainer: TorchTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a sharded trainer does: what it gathered is gone with the next one."""

    def lend() -> Iterator[tuple[str, torch.Tensor]]:
        for name, weight in trainer.policy.named_parameters():
            lent = weight.detach().clone()
            yield name, lent
            lent.fill_(float("nan"))

    train(trainer, sampler.generate(PROMPTS, SAMPLING, ("test",)))
    monkeypatch.setattr(trainer, "weights", lend)
    sampler.sync(trainer)


def test_a_part_that_stays_behind_is_noticed(
    sampler: RolloutEngine, trainer: TorchTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(trainer, sampler.generate(PROMPTS, SAMPLING, ("test",)))
    whole = list(trainer.weights())
    monkeypatch.setattr(trainer, "weights", lambda: iter([pair for pair in whole if "layers.1.mlp" not in pair[0]]))
    with pytest.raises(
        LadderError, match=r"does not sample from the trainer's weights: .*, and rounding explains 0\.001"
    ):
        sampler.sync(trainer)
    monkeypatch.undo()
    sampler.sync(trainer)


def test_a_tied_head_that_stays_behind_is_noticed(
    local: VllmRollout, trainer: TorchTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What vLLM's own reload leaves on a CPU."""
    local.sync(trainer)
    train(trainer, local.generate(PROMPTS, SAMPLING, ("test",)))
    monkeypatch.setattr(
        "stages.engines.vllm.worker.replace_weights",
        lambda worker, weights: worker.reload_weights(weights_iterator=weights, is_checkpoint_format=True),
    )
    with pytest.raises(LadderError, match=r"rank 0 does not sample from the trainer's weights"):
        local.sync(trainer)
    monkeypatch.undo()
    local.sync(trainer)


def test_a_prefix_cache_that_stays_is_noticed(
    local: VllmRollout, trainer: TorchTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    local.sync(trainer)
    train(trainer, local.generate(PROMPTS, SAMPLING, ("test",)))
    monkeypatch.setattr(local._llm, "reset_prefix_cache", lambda: True)
    with pytest.raises(LadderError, match=r"rank 0 does not sample from the trainer's weights"):
        local.sync(trainer)


def test_bfloat16_is_proved_within_its_rounding(base: Path, trainer: TorchTrainer) -> None:
    engine = PARAMS.engine.model_copy(update={"dtype": "bfloat16"})
    trainer = TorchTrainer(trainer.policy, None, engine, PARAMS.operations, GRPO)
    sampler = VllmRollout(base, 1, TOKENS, engine, PARAMS.operations, Proof(PROMPTS, SAMPLING, "bfloat16", "cpu"))
    try:
        train(trainer, sampler.generate(PROMPTS, SAMPLING, ("test",)))
        sampler.sync(trainer)
        assert 1e-4 < furthest(trainer, sampler.generate(PROMPTS, SAMPLING, ("test",))) < 0.3
    finally:
        sampler.close()


def test_a_head_of_its_own_follows_too(tmp_path: Path) -> None:
    folder = miniature(tmp_path / "untied", tied=False)
    policy = load_checkpoint(folder, prepare_device(PARAMS.engine)).model
    trainer = TorchTrainer(policy, None, PARAMS.engine, PARAMS.operations, GRPO)
    assert "lm_head.weight" in dict(trainer.weights())
    sampler = VllmRollout(
        folder, 1, TOKENS, PARAMS.engine, PARAMS.operations, Proof(PROMPTS, SAMPLING, "float32", "cpu")
    )
    try:
        sampler.sync(trainer)
        train(trainer, sampler.generate(PROMPTS, SAMPLING, ("test",)))
        sampler.sync(trainer)
        assert furthest(trainer, sampler.generate(PROMPTS, SAMPLING, ("test",))) < 1e-5
    finally:
        sampler.close()


def test_each_of_two_ranks_has_its_vllm(base: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*command, "-m", "tests.engines.vllm_ranks", str(base)],
        cwd=CHECKOUT, capture_output=True, text=True, timeout=STARTING_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]


def test_heads_that_vllm_has_no_kernel_for_are_named(tmp_path: Path) -> None:
    with pytest.raises(LadderError, match=r"heads of 32, 64, .* have 16; for the miniature change base\.heads"):
        VllmRollout(miniature(tmp_path / "c", heads=4), 1, TOKENS, PARAMS.engine, PARAMS.operations)


def test_a_folder_without_a_checkpoint_is_named(base: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((base / "config.json").read_bytes())
    with pytest.raises(LadderError, match=rf"engine\.rollout 'vllm' can't start on {tmp_path} \("):
        VllmRollout(tmp_path, 1, TOKENS, PARAMS.engine, PARAMS.operations)


def test_a_server_of_another_model_is_named(servers: list[VllmServer], tmp_path: Path) -> None:
    other = miniature(tmp_path / "other", intermediate_size=48)
    with pytest.raises(LadderError, match=rf"{servers[0].address} .* intermediate_size is 32, .* need 48"):
        connect(other, addresses(servers))


def test_a_server_with_too_little_room_is_named(base: Path, servers: list[VllmServer]) -> None:
    with pytest.raises(LadderError, match=rf"{servers[0].address} has room for 200 tokens, .* --max-model-len 201"):
        connect(base, addresses(servers), tokens=201)


def test_a_server_that_sees_no_weights_is_named(base: Path, servers: list[VllmServer], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((base / "config.json").read_bytes())
    with pytest.raises(LadderError, match=rf"{servers[0].address} answers 500 .*no weights here"):
        connect(tmp_path, addresses(servers))


def test_a_server_that_goes_down_is_named(
    base: Path, servers: list[VllmServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last test of these servers: it ends one."""
    monkeypatch.setattr("stages.engines.vllm.fleet.PATIENCE_S", 2.0)
    sampler = connect(base, addresses(servers))
    servers[1].end()
    with pytest.raises(LadderError, match=rf"{servers[1].address} does not answer .*; it was waited for 2 s") as lost:
        sampler.generate(PROMPTS, SAMPLING, ("test",))
    assert lost.value.cause == "device"  # which a flow tries again
    sampler.close()
    assert connect(base, addresses(servers[:1])).generate(PROMPTS, SAMPLING, ("test",))


@pytest.fixture(scope="module")
def supervised(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmServer]:
    with supervised_server(base, TOKENS, tmp_path_factory.mktemp("supervised") / "log") as server:
        yield server


@pytest.mark.parametrize("only_engine", [False, True])
def test_a_server_killed_in_mid_rollout_is_given_its_weights_anew_and_asked_again(
    base: Path, trainer: TorchTrainer, supervised: VllmServer, only_engine: bool
) -> None:
    """Its supervisor starts it on the checkpoint, whose weights are no longer the trainer's."""
    operations = PARAMS.operations.model_copy(update={"vllm_servers": [supervised.address], "rollout_batch_rows": 2})
    proof = Proof(PROMPTS, SAMPLING, "float32", "cpu")
    sampler = ServerRollout(base, 1, TOKENS, PARAMS.engine, operations, base.parent / "exchange", proof)
    train(trainer, sampler.generate(PROMPTS, SAMPLING, ("test",)))
    sampler.sync(trainer)
    undisturbed = sampler.generate(PROMPTS, SAMPLING, ("disturbed",))
    told: list[int] = []

    def kill_once(done: int) -> None:
        told.append(done)
        if len(told) == 3:
            supervised.kill(only_engine)

    found = sampler.generate(PROMPTS, SAMPLING, ("disturbed",), kill_once)
    sampler.close()
    assert found == undisturbed
    assert furthest(trainer, found) < 1e-5
    assert told[-1] == len(found)
    assert len(told) < 2 * len(found)  # what it had answered before stands


def test_a_server_started_anew_between_two_rollouts_is_noticed(
    base: Path, trainer: TorchTrainer, supervised: VllmServer
) -> None:
    sampler = connect(base, [supervised.address])
    train(trainer, sampler.generate(PROMPTS, SAMPLING, ("test",)))
    sampler.sync(trainer)
    supervised.kill()
    supervised.wait()
    assert furthest(trainer, sampler.generate(PROMPTS, SAMPLING, ("test",))) < 1e-5
    sampler.close()


def test_a_cuda_error_ends_the_process_and_may_pass(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sampler = VllmRollout(base, 1, TOKENS, PARAMS.engine, PARAMS.operations)
    whole = sampler._llm.llm_engine.step

    def failing() -> None:
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(sampler._llm.llm_engine, "step", failing)
    with pytest.raises(
        LadderError, match=r"has failed \(AcceleratorError: CUDA error: an illegal .*last checkpoint"
    ) as lost:
        sampler.generate(PROMPTS, SAMPLING, ("test",))
    assert lost.value.cause == "device"
    monkeypatch.setattr(sampler._llm.llm_engine, "step", whole)
    monkeypatch.setattr(sampler._llm.llm_engine.engine_core, "shutdown", failing)
    sampler.close()  # what can't be ended any more hides nothing
    monkeypatch.undo()
    sampler._llm.llm_engine.engine_core.shutdown()
