"""The recipe from single steps that were timed on a device: by hand, by order of what it lacks, and as a command."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.gpu_shape import make_model
from stages.accounting.projection.command import run
from stages.accounting.projection.timed import SHAPE, TimedStep
from stages.engines.shape import shape_of
from stages.errors import LadderError
from stages.params import Grpo, load_params
from tests.accounting.projection.test_project_command import ask

H200 = "NVIDIA H200"


def part(
    limit: str,
    prompts: int,
    step_s: float,
    tokens: int,
    device: str = H200,
    cache_floor_s: float | None = None,
    **options: Any,
) -> dict[str, Any]:
    """A step of `prompts` x 8 answers; half of it samples, a quarter updates, a tenth is the reference's, another nobody's."""
    step = {
        "cache_floor_s": cache_floor_s,
        "step_s": step_s,
        "sample_s": step_s / 2,
        "update_s": step_s / 4,
        "reference_s": step_s / 10,
        "grade_s": step_s / 20,
    }
    chosen = {"part": "step", "limit": limit, "prompts": prompts, "group": 8, "beta": 0.001} | options
    return {
        "peer": "ours",
        "device": device,
        "options": chosen,
        "figures": {"tokens": tokens, "steps": [{"step_s": 1e9}, step]},
    }


def lay(path: Path, *parts: dict[str, Any]) -> str:
    path.write_text(json.dumps({"figures": {"parts": parts}}))
    return str(path)


def test_a_step_of_each_rung_tells_the_recipes_hours(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps = lay(
        workspace / "steps.json",
        part("8k", 4, 90.0, 32 * 3000),  # fewer answers: the larger one counts
        part("8k", 128, 200.0, 1024 * 3000),
        part("8k", 128, 100.0, 1024 * 3000, beta=0.0),  # without the KL term
        part("8k", 256, 100.0, 2048 * 3000, device="NVIDIA A100-SXM4-80GB"),
        part("16k", 32, 130.0, 256 * 6000),
        part("24k", 32, 200.0, 256 * 9000, updates=2),
        part("24k", 64, 1.0, 512 * 9000, part="sample"),
        part("24k", 64, 100.0, 512 * 9000, devices=2),  # not this device's alone
    )
    run(ask("--profile", "deepscaler", "--device", H200, "--timed-steps", steps, "--json"))
    said = json.loads(capsys.readouterr().out)
    # Of one update a step: the second of the recipe's two needs old log-probabilities. 128 x 16 answers are 8 times 32 x 8.
    hours = [1040 * (200 + 10) / 3600, 480 * 8 * (130 + 6.5) / 3600, 230 * 8 * 200 / 3600]
    assert [rung["seconds"]["value"] / 3600 for rung in said["by_rung"]] == pytest.approx(hours, rel=0.03)
    assert said["device_hours"]["value"] == pytest.approx(sum(hours), rel=0.03)
    assert said["device_hours"]["low"] < 0.9 * sum(hours) < 1.1 * sum(hours) < said["device_hours"]["high"]
    assert said["by_rung"][2]["sampled_tokens"]["value"] == pytest.approx(230 * 2048 * 9000, rel=0.03)
    assert said["basis"] == "timed steps"
    assert said["compared"]["what"] == "the recipe as it was released"
    assert "50% of the rows for their old log-probabilities is added to each" in said["assumptions"][2]
    run(ask("--profile", "deepscaler", "--device", H200, "--timed-steps", steps, "--rollouts", "8", "--json"))
    fewer = json.loads(capsys.readouterr().out)
    assert fewer["by_rung"][1]["seconds"]["value"] == pytest.approx(
        said["by_rung"][1]["seconds"]["value"] / 2, rel=0.03
    )


def step() -> TimedStep:
    seconds = {"sample": 100.0, "grade": 10.0, "reference": 20.0, "update": 60.0, "idle": 5.0}
    return TimedStep("8k", seconds, tokens=6000, rollouts=2, cache_floor_s=40.0)


def recipe(**changes: int) -> Grpo:
    return load_params(Path(__file__).parents[3] / "profiles/deepscaler.yaml").grpo.model_copy(update=changes)


def test_several_updates_need_the_old_log_probabilities_and_one_does_not() -> None:
    assert step().of_updates(recipe()).seconds == {**step().seconds, "old_log_probs": 10.0}  # of the second of two
    assert step().of_updates(recipe(epochs_per_step=2)).seconds["old_log_probs"] == 20.0
    assert step().of_updates(recipe(mini_batch_prompts=128)).seconds == step().seconds
    timed_with_them = replace(step(), updates=2)
    assert timed_with_them.of_updates(recipe(mini_batch_prompts=32)).seconds == step().seconds


def test_attention_grows_with_the_square_of_the_length() -> None:
    attention = 4 * 28 * 1536 * 3001 / 2  # operations a token of 3000: each sees itself and those before it
    share = attention / (attention + 2 * 1_543_569_408)
    assert share == pytest.approx(0.0772, abs=1e-4)
    longer = step().of_updates(recipe()).lengthened_F(np.array([1.0, 1.2]))
    assert {phase: seconds_F[0] for phase, seconds_F in longer.items()} == pytest.approx(
        step().of_updates(recipe()).seconds
    )
    assert {phase: seconds_F[1] for phase, seconds_F in longer.items()} == pytest.approx(
        {
            "sample": 60 * 1.2 + 40 * 1.44,
            "grade": 12.0,
            "reference": 20 * (1.2 * (1 - share) + 1.44 * share),
            "old_log_probs": 10 * (1.2 * (1 - share) + 1.44 * share),
            "update": 60 * (1.2 * (1 - share) + 1.44 * share),
            "idle": 6.0,
        }
    )


def test_the_shape_is_the_timed_models() -> None:
    assert shape_of(make_model("r1-distill-1.5b", torch.device("meta"), seed=0)) == SHAPE


def test_what_reading_the_cache_takes_is_read_and_widens_the_interval(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def asked(cache_floor_s: float | None) -> dict[str, Any]:
        limits = {"8k": 3000, "16k": 6000, "24k": 9000}
        parts = (part(limit, 32, 200.0, 256 * mean, cache_floor_s=cache_floor_s) for limit, mean in limits.items())
        steps = lay(workspace / "steps.json", *parts)
        run(ask("--profile", "deepscaler", "--device", H200, "--timed-steps", steps, "--json"))
        found: dict[str, Any] = json.loads(capsys.readouterr().out)["device_hours"]
        return found

    unknown, known = asked(None), asked(90.0)
    assert known["value"] == pytest.approx(unknown["value"], rel=0.03)
    assert known["high"] > 1.05 * unknown["high"]
    assert known["low"] < unknown["low"]


def test_the_committed_steps_are_read(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    committed = str(Path(__file__).parents[3] / "benchmarks/results/gpu_step.json")
    run(ask("--profile", "deepscaler", "--device", H200, "--timed-steps", committed))
    assert "the published recipe on NVIDIA H200 (timed steps; 90% intervals)" in capsys.readouterr().out


def test_what_is_missing_is_named(workspace: Path) -> None:
    steps = lay(workspace / "steps.json", part("8k", 32, 60.0, 1))
    asked = ("--profile", "deepscaler", "--timed-steps", steps)
    with pytest.raises(LadderError, match="no step of rung 16k was timed on NVIDIA H200, only of 8k"):
        run(ask(*asked, "--device", H200))
    with pytest.raises(LadderError, match="no step was timed on 'NVIDIA A100-SXM4-80GB', known are NVIDIA H200"):
        run(ask(*asked, "--device", "NVIDIA A100-SXM4-80GB"))
    with pytest.raises(LadderError, match="single steps on one device; name that by --device"):
        run(ask(*asked))
    with pytest.raises(LadderError, match=r"it tells of the recipe's model, .*, and the rungs are not for that"):
        run(ask("--timed-steps", steps, "--device", H200))
    (workspace / "steps.json").write_text("{}")
    with pytest.raises(
        LadderError, match=r"steps.json: not a result of benchmarks/gpu_step.py \(KeyError: 'figures'\)"
    ):
        run(ask(*asked, "--device", H200))
