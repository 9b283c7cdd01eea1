"""DeepSpeed against torch: two and three real CPU processes over gloo have to train as one does."""

import pickle
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from stages.engines.launch import run_ranks
from stages.engines.protocols import Rollout
from stages.engines.scoring import Scorer, Scores, balanced_shares
from stages.errors import LadderError, MicroBatchTooLarge
from stages.grpo.loss import loss_sums
from tests.conftest import CHECKOUT
from tests.engines.rungs import LENGTHS, UPDATES, Came, Setup, follow, rollouts, rows, trainer

pytestmark = pytest.mark.xdist_group("deepspeed")  # the ranks run once for all of them

Plan = list[tuple[str, Any]]
ALL: Plan = [("train", range(UPDATES)), ("state", None), ("log_probs", 9), ("export", None)]
FIRST_HALF: Plan = [("train", range(3)), ("state", None)]
SECOND_HALF: Plan = [("train", range(3, UPDATES)), ("state", None)]
POISONED: Plan = [("poison", 0), ("train", [1]), ("poison", 2), ("state", None), ("train", [3]), ("state", None)]
NOT_POISONED: Plan = [("train", [1, 3]), ("state", None)]
WITH_NOTHING: Plan = [("train", [0]), ("train on nothing", None), ("train", [1]), ("state", None)]
SAMPLED: Plan = [("sample", None), ("train", [0]), ("sample", None), ("train", [1]), ("state", None)]

TWO: dict[str, tuple[Setup, Plan]] = {
    "zero 0": (Setup(zero_stage=0), ALL),
    "zero 1": (Setup(zero_stage=1), ALL),
    "zero 2": (Setup(zero_stage=2), ALL),
    "zero 3": (Setup(zero_stage=3), ALL),
    "zero 3, small parameters whole": (Setup(zero_stage=3, kept_numel=1000), ALL),
    "zero 2, no kl": (Setup(zero_stage=2, kl=False, micro_batch_tokens=1), ALL),
    "zero 2, bfloat16": (Setup(zero_stage=2, dtype="bfloat16"), ALL),
    "zero 3, gradient checkpointing": (Setup(zero_stage=3, gradient_checkpointing=True), ALL),
    "zero 2, packed": (Setup(zero_stage=2, attention="varlen"), ALL),
    "zero 2, lora": (Setup(zero_stage=2, lora=True), ALL),
    "zero 3, lora": (Setup(zero_stage=3, lora=True), ALL),
    "zero 1, offloaded": (Setup(zero_stage=1, offload_optimizer=True), ALL),
    "zero 2, offloaded": (Setup(zero_stage=2, offload_optimizer=True), ALL),
    "zero 3, offloaded": (Setup(zero_stage=3, offload_optimizer=True), ALL),
    "poisoned, zero 2, offloaded": (Setup(zero_stage=2, offload_optimizer=True), POISONED),
    "poisoned, zero 3, offloaded": (Setup(zero_stage=3, offload_optimizer=True), POISONED),
    "half, zero 2, offloaded": (Setup(zero_stage=2, offload_optimizer=True), FIRST_HALF),
    "poisoned, zero 0": (Setup(zero_stage=0), POISONED),
    "poisoned, zero 1": (Setup(zero_stage=1), POISONED),
    "poisoned, zero 2": (Setup(zero_stage=2), POISONED),
    "poisoned, zero 3": (Setup(zero_stage=3), POISONED),
    "nothing, zero 2": (Setup(zero_stage=2), WITH_NOTHING),
    "nothing, zero 3": (Setup(zero_stage=3), WITH_NOTHING),
    "sampled, zero 3": (Setup(zero_stage=3), SAMPLED),
    "half, zero 1": (Setup(zero_stage=1), FIRST_HALF),
    "half, zero 3": (Setup(zero_stage=3), FIRST_HALF),
}
RESUMED: dict[str, tuple[Setup, str]] = {
    "zero 1 from zero 1": (Setup(zero_stage=1), "half, zero 1"),
    "zero 3 from zero 3": (Setup(zero_stage=3), "half, zero 3"),
    "zero 1 from zero 2, offloaded": (Setup(zero_stage=1), "half, zero 2, offloaded"),
    "zero 2, offloaded from zero 1": (Setup(zero_stage=2, offload_optimizer=True), "half, zero 1"),
    "zero 3, offloaded from zero 3": (Setup(zero_stage=3, offload_optimizer=True), "half, zero 3"),
    "zero 0 from zero 3": (Setup(zero_stage=0), "half, zero 3"),
    "zero 3 from zero 1": (Setup(zero_stage=3, kept_numel=1000), "half, zero 1"),
}
ON_THREE: Plan = [("train", [3]), ("state", None), ("log_probs", 9), ("export", None)]


def on_ranks(world: int, jobs: dict[str, tuple[Setup, Plan]], folder: Path) -> dict[str, Came]:
    """Every job on `world` ranks, one after the other."""
    (folder / "jobs.pickle").write_bytes(pickle.dumps(list(jobs.values())))
    command = [sys.executable, "-c", "from tests.engines.rungs import main; main()", str(folder)]
    run_ranks(command, world, {"PYTHONPATH": str(CHECKOUT)})
    return dict(zip(jobs, pickle.loads((folder / "came.pickle").read_bytes()), strict=True))


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Came]:
    numbers = {name: number for number, name in enumerate(TWO)}
    resumed: dict[str, tuple[Setup, Plan]] = {
        name: (setup, [("load", numbers[half]), *SECOND_HALF]) for name, (setup, half) in RESUMED.items()
    }
    return on_ranks(2, TWO | resumed, tmp_path_factory.mktemp("two"))


@pytest.fixture(scope="module")
def from_torch() -> Plan:
    return [("load", follow(Setup(train="torch"), FIRST_HALF).state), *ON_THREE]


@pytest.fixture(scope="module")
def three(from_torch: Plan, tmp_path_factory: pytest.TempPathFactory) -> Came:
    return on_ranks(3, {"zero 3": (Setup(zero_stage=3), from_torch)}, tmp_path_factory.mktemp("three"))["zero 3"]


def torch_alone(setup: Setup, plan: Plan) -> Came:
    alone = {"train": "torch", "zero_stage": 0, "offload_optimizer": False}
    return follow(Setup(**{**setup.__dict__, **alone}), plan)


def assert_same(found: Came, expected: Came, tolerance: float = 1e-5) -> None:
    assert found.same_on_all_ranks
    assert len(found.updates) == len(expected.updates)
    for update, other in zip(found.updates, expected.updates, strict=True):
        for name in ("loss", "grad_norm", "skipped", "means", "maxima"):
            assert update[name] == pytest.approx(other[name], rel=tolerance, abs=tolerance), name
    for kind in ("weights", "state", "exported"):
        ours, theirs = getattr(found, kind), getattr(expected, kind)
        assert ours.keys() == theirs.keys()
        for name, value in ours.items():
            torch.testing.assert_close(value, theirs[name], rtol=tolerance, atol=tolerance, msg=f"{name} differs")
    torch.testing.assert_close(found.log_probs, expected.log_probs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", [name for name, (_, plan) in TWO.items() if plan is ALL and "bfloat16" not in name])
def test_two_ranks_train_as_torch_does(two: dict[str, Came], name: str) -> None:
    expected = torch_alone(TWO[name][0], ALL)
    assert (
        max(update["grad_norm"] for update in expected.updates) > 2 * TWO[name][0].max_grad_norm
    )  # clipping is at work
    assert_same(two[name], expected)


@pytest.mark.engines  # slow: a compiler's minute
def test_two_ranks_with_compiled_layers_train_as_torch_does(tmp_path: Path) -> None:
    packed = Setup(attention="varlen", compile=True)
    jobs = {
        "zero 1": (replace(packed, zero_stage=1, gradient_checkpointing=True), ALL),
        "zero 2, lora": (replace(packed, zero_stage=2, lora=True), ALL),
    }
    for name, found in on_ranks(2, jobs, tmp_path).items():
        assert_same(found, torch_alone(replace(jobs[name][0], compile=False), ALL))


def test_two_ranks_train_in_bfloat16_as_torch_does(two: dict[str, Came]) -> None:
    found, expected = two["zero 2, bfloat16"], torch_alone(TWO["zero 2, bfloat16"][0], ALL)
    assert [u["loss"] for u in found.updates] == pytest.approx([u["loss"] for u in expected.updates], rel=0.02)
    assert {weight.dtype for weight in found.weights.values()} == {torch.float32}


def test_three_ranks_go_on_from_torch_though_no_parameter_divides_by_three(three: Came, from_torch: Plan) -> None:
    assert_same(three, torch_alone(Setup(), from_torch))


@pytest.mark.parametrize("stage", ["0", "1", "2", "3", "2, offloaded", "3, offloaded"])
def test_a_step_that_one_rank_finds_not_finite_is_taken_by_none(two: dict[str, Came], stage: str) -> None:
    found = two[f"poisoned, zero {stage}"]
    assert [update["skipped"] for update in found.updates] == [True, False, True, False]
    kept = Came(**{**found.__dict__, "updates": [u for u in found.updates if not u["skipped"]]})
    assert_same(kept, torch_alone(Setup(), NOT_POISONED))


@pytest.mark.parametrize("stage", [2, 3])
def test_a_mini_batch_without_rows_is_a_step_on_a_gradient_of_0(two: dict[str, Came], stage: int) -> None:
    assert_same(two[f"nothing, zero {stage}"], torch_alone(Setup(), WITH_NOTHING))
    assert two[f"nothing, zero {stage}"].updates[1]["grad_norm"] == 0


def test_ranks_sample_from_gathered_weights_and_train_on(two: dict[str, Came]) -> None:
    found, expected = two["sampled, zero 3"], follow(Setup(zero_stage=0), SAMPLED)
    assert found.samples == expected.samples
    assert_same(found, expected)


@pytest.mark.parametrize("name", RESUMED)
def test_a_rung_resumes_on_another_zero_stage(two: dict[str, Came], name: str) -> None:
    whole = two[name.split(" from ")[1]]
    found = two[name]
    assert [u["loss"] for u in found.updates] == pytest.approx([u["loss"] for u in whole.updates[3:]], rel=1e-5)
    for key, value in found.state.items():
        torch.testing.assert_close(value, whole.state[key], rtol=1e-5, atol=1e-5)
    if name in ("zero 1 from zero 1", "zero 3 from zero 3"):  # nothing differs: then not a bit does
        assert found.updates == whole.updates[3:]
        assert all(torch.equal(value, whole.state[key]) for key, value in found.state.items())


def test_a_rung_resumes_on_another_engine_and_number_of_ranks(two: dict[str, Came], three: Came) -> None:
    whole = torch_alone(Setup(), [("train", range(UPDATES)), ("state", None)])
    sources = {"two ranks": (two["half, zero 1"], range(3, UPDATES)), "three": (three, range(4, UPDATES))}
    for source, (half, steps) in sources.items():
        plan: Plan = [("load", half.state), ("train", steps), ("state", None)]
        for setup in (Setup(train="torch"), Setup(zero_stage=2)):
            found = follow(setup, plan)
            assert found.state["step"] == UPDATES
            for key, value in found.state.items():
                message = f"{key} from {source} on {setup.train}"
                torch.testing.assert_close(value, whole.state[key], rtol=1e-5, atol=1e-5, msg=message)


def test_one_process_trains_as_torch_does() -> None:
    assert_same(follow(Setup(zero_stage=1), ALL), torch_alone(Setup(), ALL))


@pytest.mark.parametrize("stage", [1, 2, 3])
def test_an_offloaded_optimizer_is_deepspeeds_own_doing(stage: int) -> None:
    optimizer = trainer(Setup(zero_stage=stage, offload_optimizer=True))._engine.optimizer
    assert optimizer.offload_optimizer if stage == 3 else optimizer.cpu_offload


def test_an_optimizer_that_nothing_shards_is_not_offloaded() -> None:
    with pytest.raises(
        ValueError, match=r"operations.offload_optimizer: true, but engine.train 'deepspeed' with zero_stage 0"
    ):
        _ = Setup(zero_stage=0, offload_optimizer=True).params


def test_a_pass_without_memory_says_whether_smaller_ones_may_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    setup = Setup(attention="varlen")
    engine, score, room = trainer(setup), Scorer.score, 40
    given = rows(setup, engine, 0)

    def hungry(scorer: Scorer, model: Any, packed: Sequence[Rollout]) -> Scores:
        if sum(len(one.prompt.token_ids) + len(one.token_ids) - 1 for one in packed) > room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return score(scorer, model, packed)

    monkeypatch.setattr(Scorer, "score", hungry)
    for act in (engine.log_probs, engine.reference_log_probs):
        with pytest.raises(
            MicroBatchTooLarge, match=r"^rank 0: no memory for 64 tokens at once \(CUDA out of memory\)$"
        ):
            act(rollouts(0))
    with pytest.raises(MicroBatchTooLarge):
        engine.update(given, partial(loss_sums, settings=setup.params.grpo, kl_coef=0.1), 0.01)
    room = 1  # not for a single one
    with pytest.raises(torch.OutOfMemoryError):
        engine.log_probs(rollouts(0)[:1])


def test_shares_are_balanced_by_tokens() -> None:
    given = rollouts(0)
    shares = balanced_shares(given, 3)
    assert sorted(row for share in shares for row in share) == list(range(len(LENGTHS)))
    loads = [sum(len(given[row].prompt.token_ids) + len(given[row].token_ids) for row in share) for share in shares]
    assert max(loads) - min(loads) <= 1, loads  # the row of 31 tokens has a rank to itself
    assert balanced_shares(given[:1], 3) == [[0], [], []]


def test_without_deepspeed_one_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "deepspeed", None)
    with pytest.raises(LadderError, match=r"engine\.train: 'deepspeed'.*make install"):
        trainer(Setup())
