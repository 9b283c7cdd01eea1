"""`project` in a workspace: what the ledger holds is read, resumed steps count once, and the answer is a table or JSON."""

import argparse
import json
from pathlib import Path

import pytest

from stages.accounting.ledger import Ledger
from stages.accounting.projection.command import run
from stages.accounting.projection.present import Present
from stages.accounting.projection.reading import read_measured
from stages.accounting.projection_options import add_arguments
from stages.accounting.reading import EVERYTHING
from stages.accounting.records import BookedPrice, Device, Status, StepCost
from stages.errors import LadderError
from stages.graph import load_graph, workspace_identity
from stages.params import Params, load_params


def params() -> Params:
    return load_params(Path("params.yaml"))


def made(stage: str) -> str:
    """The identity of what `stage` makes now, which is there from now on."""
    spec = load_graph()[stage]
    for out in spec.outs:
        Path(out).parent.mkdir(exist_ok=True)
        Path(out).write_text(stage)
    return workspace_identity(spec)


def book(stage: str, identity: str, status: Status, steps: range, sample_s: float, device: str = "cpu-core") -> None:
    ledger = Ledger.open_here()
    attempt = ledger.start(stage)
    ledger.identify(attempt, identity, Device(device, 1), BookedPrice(0.04, None, "own", "undated", "test"), {})
    for step in steps:
        saved_s, tokens = 0.02 * (step % 10 == 0), 256 * 15
        cost = StepCost(
            step, sample_s, 0.01, 0.05, 0.1, saved_s, rollouts=256, sampled_tokens=tokens, trained_tokens=tokens
        )
        ledger.took(attempt, cost)
    ledger.end(attempt, status)
    ledger.close()


def ask(*options: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(options)


def test_steps_of_a_resumed_rung_count_once_and_those_of_other_settings_not_at_all(workspace: Path) -> None:
    book("train@8k", "old", "done", range(1, 31), 9.0)
    book("train@8k", "now", "killed", range(1, 9), 1.0)
    book("train@8k", "now", "done", range(7, 31), 2.0)  # from the checkpoint at 6
    book("train@8k", "now", "running", range(0), 2.0)  # it has not taken a step yet
    book("train@16k", "now", "done", range(1, 31), 3.0, device="GPU")
    ledger = Ledger.open_here()
    present = Present(("train@8k", "train@16k"), {"train@8k": "now", "train@16k": "now"}, frozenset())
    (rung_8k, rung_16k), elsewhere = read_measured(params(), ledger.read, present, EVERYTHING)
    ledger.close()
    assert [step.seconds["sample"] for step in rung_8k.steps] == [1.0] * 6 + [2.0] * 24
    assert [step.step for step in rung_8k.steps] == list(range(1, 31))
    assert {step.mean_length for step in rung_8k.steps} == {15.0}
    assert (rung_8k.context, rung_8k.device, rung_16k.device, elsewhere) == (22, "cpu-core", "GPU", [])


def test_the_rest_as_json_and_as_a_table(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book("base", made("base"), "done", range(0), 0.0)
    book("train@8k", made("train@8k"), "done", range(1, 31), 0.1)
    book("train@16k", workspace_identity(load_graph()["train@16k"]), "running", range(1, 12), 0.2)
    run(ask("--json"))
    said = json.loads(capsys.readouterr().out)
    assert [(rung["name"], rung["steps"], rung["measured_steps"]) for rung in said["by_rung"]] == [
        ("8k", 0, 30), ("16k", 19, 11), ("24k", 30, 11), ("other stages", 0, 0),
    ]  # fmt: skip
    assert said["by_rung"][0]["seconds"]["high"] == 0
    assert said["by_rung"][1]["seconds"]["value"] == pytest.approx(19 * 0.36, rel=0.05)
    assert said["usd"]["value"] == pytest.approx(said["seconds"]["value"] * 0.04 / 3600)
    assert said["confidence"] == 0.9
    run(ask())
    table = capsys.readouterr().out.splitlines()
    assert table[0] == "the rest of the run (measured; 90% intervals)"
    assert table[2].split()[:3] == ["8k", "0", "30"]
    hours = said["by_rung"][2]["seconds"]["value"] / 3600
    assert float(table[4].split()[3]) == pytest.approx(hours, rel=0.01)
    assert any(line.startswith("  1. from measured steps (8k: 30, 16k: 11)") for line in table)


def test_a_profile_of_another_model_is_published_or_refused(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(ask("--profile", "deepscaler"))  # without one measured step
    said = capsys.readouterr().out
    assert "published totals" in said.splitlines()[0]
    assert "NVIDIA A100-SXM4-80GB priced at 1.18 an hour (release, 2025-02-10; DeepScaleR's release" in said
    run(ask("--profile", "deepscaler", "--device", "NVIDIA H100 80GB HBM3", "--json"))
    beside = json.loads(capsys.readouterr().out)
    assert beside["compared"]["usd"]["value"] == pytest.approx(3800 * 1.79, rel=0.01)  # both on this workspace's market
    assert any("priced at 1.79 an hour (on-demand, 2026-11-09" in line for line in beside["assumptions"])
    assert any("on this workspace's market, not as the release paid" in line for line in beside["assumptions"])
    with pytest.raises(LadderError, match="--profile 'smollm2': its base is not this workspace's"):
        run(ask("--profile", "smollm2"))
    with pytest.raises(
        LadderError,
        match="--profile 'big': there is no such profile; choose one of countdown, deepscaler, laptop, mini",
    ):
        run(ask("--profile", "big"))


def test_a_profile_of_the_same_model_is_projected_from_what_was_measured(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (workspace / "profiles/mini.yaml").read_text()
    (workspace / "profiles/longer.yaml").write_text(text.replace("steps: 30,", "steps: 90,"))
    book("base", made("base"), "done", range(0), 0.0)
    for rung in ("8k", "16k", "24k"):
        book(f"train@{rung}", made(f"train@{rung}"), "done", range(1, 31), 0.1)
    run(ask("--profile", "longer", "--json"))
    said = json.loads(capsys.readouterr().out)
    assert [rung["steps"] for rung in said["by_rung"]] == [90, 90, 90]
    assert said["seconds"]["value"] == pytest.approx(270 * 0.262, rel=0.05)
    assert said["compared"]["seconds_ratio"]["value"] == pytest.approx(3, rel=0.05)


def test_the_first_steps_alone(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book("base", made("base"), "done", range(0), 0.0)
    book("train@8k", made("train@8k"), "done", range(1, 31), 0.1)
    run(ask("--first-steps", "9", "--json"))
    assert json.loads(capsys.readouterr().out)["by_rung"][0]["steps"] == 21
    with pytest.raises(LadderError, match="--first-steps 0"):
        run(ask("--first-steps", "0"))
    with pytest.raises(LadderError, match="are too few to project from; 5 of a rung are needed"):
        run(ask("--first-steps", "3"))


def test_an_empty_ledger_is_told(workspace: Path) -> None:
    with pytest.raises(LadderError, match="no step of a rung was measured yet"):
        run(ask())


def test_a_device_that_nobody_knows_is_told_from_one_without_a_peak(workspace: Path) -> None:
    book("train@8k", "8", "done", range(1, 31), 0.1)
    with pytest.raises(
        LadderError, match="--device 'TPU': unknown; choose one of A100-SXM4-80GB, GPU, NVIDIA A100 80GB"
    ):
        run(ask("--device", "TPU"))
    with pytest.raises(
        LadderError, match=r"operations\.market: 'on-demand', but prices\.yaml has .* on release, spot alone"
    ):
        prices = Path("prices.yaml")
        text = prices.read_text()
        prices.write_text(
            text.replace("market: on-demand\n        usd_per_hour: 0.82", "market: release\n        usd_per_hour: 0.82")
        )
        run(ask("--device", "NVIDIA RTX A6000"))
    with pytest.raises(LadderError, match="measured on 'cpu-core', which has no published peak"):
        run(ask("--device", "NVIDIA H100 80GB HBM3"))
