"""The main job, end to end: the flow climbs, DVC reruns it to the same bytes, an override is an experiment."""

import json
import subprocess
from pathlib import Path
from typing import Any

from stages.graph import load_graph
from stages.store.digest import md5
from tests.conftest import Project, git, read_yaml

OUTS = ("data", "models", "metrics", "samples", "grades")


def test_the_flow_climbs_the_whole_ladder(climbed_once: tuple[Project, subprocess.CompletedProcess[str]]) -> None:
    project, said = climbed_once
    assert said.stderr.count("[23/23]") == 1
    for rung in ("base", "8k", "16k", "24k"):
        assert f"\n{rung} " in said.stdout
        assert (project.root / f"models/{rung}/model.safetensors").exists()
    assert "make dashboard" in said.stdout
    assert "prefect server start" in said.stdout
    bill = json.loads(project.run("stages.accounting", "bill", "--json").stdout)
    assert bill["unknown_stages"] == []
    assert bill["made"]["attempts"] == 22  # every stage but cost, once
    assert bill["made"]["usd"] > 0


def test_a_second_repro_runs_cost_alone_and_changes_no_file(climbed: Project) -> None:
    watched = (*OUTS, "dvc.lock", "reports", "params.yaml")
    before = climbed.bytes_of(*watched)
    said = climbed.run("dvc", "repro").stdout
    assert [line for line in said.splitlines() if line.startswith("Running stage")] == ["Running stage 'cost':"]
    assert climbed.bytes_of(*watched) == before


def test_dvc_by_hand_makes_every_stage_of_a_fresh_clone_and_comes_to_the_flows_bytes(
    climbed: Project, tmp_path: Path
) -> None:
    git(climbed.root, "add", "-A")
    git(climbed.root, "commit", "-qm", "Climb")
    git(tmp_path, "clone", "-q", str(climbed.root), "fresh")
    fresh = Project(tmp_path / "fresh")
    fresh.run("dvc", "repro")
    bill = json.loads(fresh.run("stages.accounting", "bill", "--json").stdout)
    assert (bill["made"]["attempts"], bill["unknown_stages"]) == (22, [])
    assert fresh.bytes_of("dvc.lock", *OUTS) == climbed.bytes_of("dvc.lock", *OUTS)


def test_an_override_is_an_experiment_that_dvc_shows(climbed: Project) -> None:
    git(climbed.root, "add", "-A")
    git(climbed.root, "commit", "-qm", "Climb")
    climbed.run(
        "dvc", "exp", "run", "-S", "rungs.r24k.rollouts_per_prompt=4", "-S", "rungs.r24k.steps=1", "--name", "other"
    )
    shown: Any = json.loads(climbed.run("dvc", "exp", "show", "--json").stdout)
    names = [experiment["name"] for commit in shown for experiment in commit["experiments"] or []]
    assert names == ["other"]
    assert len((climbed.root / "metrics/train/24k.csv").read_text().splitlines()) == 2
    metrics = json.loads(climbed.run("dvc", "metrics", "show", "--json").stdout)[""]["data"]
    assert metrics["reports/bill.json"]["data"]["made_usd"] > 0
    assert "sampled" in metrics["metrics/evaluation/24k.json"]["data"]["full"]
    far = metrics["metrics/elsewhere/24k.json"]["data"]
    assert far["sets"]["answers"]["kl"] > 0 and far["weights"]["distance"] > 0
    climbed.run("dvc", "plots", "show")


def test_the_graph_and_the_hashes_are_dvcs_own(climbed: Project, monkeypatch: Any) -> None:
    monkeypatch.chdir(climbed.root)
    listed = climbed.run("dvc", "stage", "list", "--name-only").stdout.split()
    graph = load_graph()
    assert sorted(graph) == sorted(listed)
    for name, entry in read_yaml(climbed.root / "dvc.lock")["stages"].items():
        for part in [*entry.get("deps", []), *entry.get("outs", [])]:
            assert md5(climbed.root / part["path"]) == part["md5"], (name, part["path"])


def test_a_profile_shows_its_graph(project: Project, climbed: Project) -> None:
    for profile in ("smollm2", "deepscaler", "laptop", "countdown"):
        for checkout, options in ((project, ["--force"]), (climbed, [])):
            checkout.run("stages.profile", profile)
            assert "train@24k" in checkout.run("dvc", "repro", "--dry", *options).stdout
    refused = project.run("stages.profile", "nothing", check=False)
    assert refused.returncode == 2
    assert "choose one of countdown, deepscaler, laptop, mini, smollm2" in refused.stderr
