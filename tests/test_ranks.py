"""A rung on two ranks, as a user runs it: the loss curve of one, a lost rank is named, and another number of ranks resumes it."""

import csv
import re

import psutil
import pytest

from tests.conftest import Project
from tests.test_faults import attempts, first_step, wait_for_step


@pytest.fixture
def on_two(climbed: Project) -> Project:
    climbed.set("engine.train", "deepspeed")
    climbed.set("operations.devices", 2)
    climbed.set("operations.zero_stage", 2)
    climbed.set("operations.checkpoint_every_steps", 1)
    climbed.set("rungs.r8k.steps", 6)
    return climbed


def table(project: Project) -> list[dict[str, float]]:
    with (project.root / "metrics/train/8k.csv").open(newline="") as file:
        return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]


def assert_alike(found: list[dict[str, float]], expected: list[dict[str, float]]) -> None:
    """To what rounding leaves: the sampled tokens are the same, the losses within 1e-4."""
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        for name in ("reward", "completions/mean_length", "sampled_tokens", "trained_tokens"):
            assert one[name] == other[name], (one["step"], name)
        for name in ("loss", "grad_norm", "kl", "entropy"):
            assert one[name] == pytest.approx(other[name], rel=1e-4, abs=1e-6), (one["step"], name)


def test_two_ranks_have_the_curve_of_one_and_one_goes_on_for_two(on_two: Project) -> None:
    on_two.run("stages.train", "8k")
    of_two = table(on_two)
    (booked,) = attempts(on_two, "train@8k")[-1:]
    assert (booked.status, booked.device.count) == ("done", 2)
    child = on_two.start("stages.train", "8k")
    wait_for_step(child, 3)
    child.kill()
    child.wait()
    gone = [process for process in psutil.process_iter(["cwd"]) if process.info["cwd"] == str(on_two.root)]
    _, alive = psutil.wait_procs(gone, timeout=30)
    assert not alive
    on_two.set("operations.devices", 1)
    assert first_step(on_two.run("stages.train", "8k").stderr) >= 3  # it was said, and may not have been kept yet
    assert_alike(table(on_two), of_two)
    on_two.set("engine.train", "torch")
    on_two.run("stages.train", "8k")
    assert_alike(table(on_two), of_two)


HUNGRY = """

from pathlib import Path as _Path
_score = Scorer.score

def _hungry(self, model, rollouts):
    fed = sum(len(one.prompt.token_ids) + len(one.token_ids) - 1 for one in rollouts)
    if list(_Path("runs/resume").glob("*/step-000002")) and fed > {room}:
        raise torch.OutOfMemoryError("CUDA out of memory")
    return _score(self, model, rollouts)

Scorer.score = _hungry
"""


def test_memory_that_ends_leaves_half_the_tokens_to_the_attempt_that_goes_on(on_two: Project) -> None:
    on_two.set("engine.attention", "varlen")
    on_two.set("operations.micro_batch_tokens", 128)
    on_two.set("grpo.log_completions_steps", 1)
    on_two.set("grpo.log_completions_prompts", 1)  # fewer than ranks
    on_two.set("rungs.r8k.steps", 3)
    on_two.set("operations.devices", 1)
    on_two.run("stages.train", "8k")
    expected = table(on_two)
    on_two.set("operations.devices", 2)
    with (on_two.root / "stages/engines/scoring.py").open("a") as scoring:
        scoring.write(HUNGRY.format(room=64))
    failed = on_two.run("stages.train", "8k", check=False)
    assert failed.returncode == 2
    said = r"^error: rank [01]: no memory for 128 tokens at once \(CUDA out of memory\); run it again, .* with 64 "
    assert re.search(said, failed.stderr, re.MULTILINE), failed.stderr
    resumed = on_two.run("stages.train", "8k")
    assert "takes 64 tokens at once: more found no memory" in resumed.stderr
    assert first_step(resumed.stderr) == 3
    assert_alike(table(on_two), expected)
    before, after = attempts(on_two, "train@8k")[-2:]
    assert before.failure is not None
    assert (before.status, before.failure.cause, before.plan["micro_batch_tokens"]) == ("failed", "memory", 128)
    assert (after.status, after.plan["micro_batch_tokens"]) == ("done", 64)


def ranks(launcher: int) -> dict[str, psutil.Process]:
    """By number. What a rank starts has its environment too, and for a moment its command line."""
    return {process.environ()["RANK"]: process for process in psutil.Process(launcher).children()}


def test_a_lost_rank_is_named_and_the_rung_ends(on_two: Project) -> None:
    on_two.set("rungs.r8k.steps", 100_000)
    child = on_two.start("stages.train", "8k")
    wait_for_step(child, 2)
    running = ranks(child.pid)
    running["1"].kill()
    said, _ = child.communicate(timeout=60)
    assert child.returncode == 2
    assert "error: rank 1 was killed by SIGKILL" in said
    assert not psutil.wait_procs(list(running.values()), timeout=10)[1]
    lost = attempts(on_two, "train@8k")[-1]
    assert lost.status == "failed"
    assert "rank 1 was killed by SIGKILL" in str(lost.failure)


def test_several_devices_need_an_engine_for_them(on_two: Project) -> None:
    on_two.set("engine.train", "torch")
    refused = on_two.run("stages.train", "8k", check=False)
    assert refused.returncode == 2
    assert "operations.devices 2, but engine.train 'torch' trains on one; set it to 'deepspeed'" in refused.stderr
