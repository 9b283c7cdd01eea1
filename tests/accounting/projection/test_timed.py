"""The recipe from single steps that were timed on a device: by hand, by order of what it lacks, and as a command."""

import json
from pathlib import Path
from typing import Any

import pytest

from stages.accounting.projection.command import run
from stages.errors import LadderError
from tests.accounting.projection.test_project_command import ask

H200 = "NVIDIA H200"


def part(limit: str, prompts: int, step_s: float, tokens: int, device: str = H200, **options: Any) -> dict[str, Any]:
    """A step of `prompts` x 8 answers; half of it samples, a quarter updates, a tenth is nobody's."""
    step = {
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
        part("24k", 32, 200.0, 256 * 9000),
        part("24k", 64, 1.0, 512 * 9000, part="sample"),
        part("24k", 64, 100.0, 512 * 9000, devices=2),  # not this device's alone
    )
    run(ask("--profile", "deepscaler", "--device", H200, "--timed-steps", steps, "--json"))
    said = json.loads(capsys.readouterr().out)
    hours = [1040 * 200 / 3600, 480 * 8 * 130 / 3600, 230 * 8 * 200 / 3600]  # 128 x 16 answers are 8 times 32 x 8
    assert [rung["seconds"]["value"] / 3600 for rung in said["by_rung"]] == pytest.approx(hours, rel=0.03)
    assert said["device_hours"]["value"] == pytest.approx(sum(hours), rel=0.03)
    assert said["device_hours"]["low"] < 0.9 * sum(hours) < 1.1 * sum(hours) < said["device_hours"]["high"]
    assert said["by_rung"][2]["sampled_tokens"]["value"] == pytest.approx(230 * 2048 * 9000, rel=0.03)
    assert said["basis"] == "timed steps"
    assert said["compared"]["what"] == "the recipe as it was released"
    run(ask("--profile", "deepscaler", "--device", H200, "--timed-steps", steps, "--rollouts", "8", "--json"))
    fewer = json.loads(capsys.readouterr().out)
    assert fewer["by_rung"][1]["seconds"]["value"] == pytest.approx(
        said["by_rung"][1]["seconds"]["value"] / 2, rel=0.03
    )


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
