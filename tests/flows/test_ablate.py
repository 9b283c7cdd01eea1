"""Named variants with several seeds: every run an experiment, cached ones skipped, divergence counted, the report's figures."""

import json
from pathlib import Path
from typing import Any

import pytest

from flows.ablate.outcome import outcome
from flows.ablate.plan import FOLDER, planned, read_ablation
from stages.errors import LadderError
from tests.conftest import CHECKOUT, Project, read_yaml, write_yaml
from tests.flows.one_stage import cut_to_one_stage

SMALL: dict[str, Any] = {
    "name": "kl",
    "profile": None,
    "seeds": [1, 2],
    "shared": {"operations.parallel_stages": 2},
    "reference": "fixed",
    "variants": {"fixed": {"grpo.kl_coef": 0.01}, "none": {"grpo.kl_coef": 0.0}},
}


def test_every_run_is_an_experiment_and_none_is_run_twice(project: Project) -> None:
    cut_to_one_stage(project)
    write_yaml(project.root / "profiles/ablations/small.yaml", SMALL)
    said = project.run("flows.ablate", "profiles/ablations/small.yaml").stdout
    # none with seed 1 ends at .1, below its base; with seed 2 a guard stops it.
    assert "kl-fixed-2                   0.530  climbed" in said
    assert "kl-none-1                    0.100  climbed" in said
    assert "kl-none-2                    -  make: stopped at step 3 by guards.max_kl (1)" in said
    report = json.loads((project.root / "reports/ablation-kl.json").read_bytes())
    fixed, none = report["variants"]
    assert (none["diverged"]["value"], none["finished"]["value"], none["all_runs"]["value"]) == (1.0, None, 0.05)
    assert fixed["finished"]["value"] == pytest.approx(0.525)
    assert (fixed["usd"]["value"], fixed["sampled_tokens"]["value"]) == (pytest.approx(0.025), 604.5)
    paired = next(one for one in report["contrasts"] if one["metric"] == "all_runs")
    assert paired["difference"] == pytest.approx(0.05 - 0.525)
    assert "| fixed (reference) |" in (project.root / "reports/ablation-kl.md").read_text()
    shown = json.loads(project.run("dvc", "exp", "show", "--json").stdout)
    names = {experiment["name"] for commit in shown for experiment in commit["experiments"] or []}
    assert names == {"kl-fixed-1", "kl-fixed-2", "kl-none-1"}

    said = project.run("flows.ablate", "profiles/ablations/small.yaml").stdout
    assert said.count("is there: kl-") == 3
    assert json.loads((project.root / "reports/ablation-kl.json").read_bytes()) == report


def test_the_shipped_ones_are_valid_and_share_their_references_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CHECKOUT)
    plans = {path.stem: planned(read_ablation(path)) for path in FOLDER.glob("*.yaml")}
    assert sorted(plans) == ["kl", "ladder", "reward"]
    references = [
        [run.plan.key for run in plans[name] if run.variant == read_ablation(FOLDER / f"{name}.yaml").reference]
        for name in plans
    ]
    assert references[0] == references[1] == references[2]
    assert all(len({run.seed for run in runs}) == 5 for runs in plans.values())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"reference": "nothing"}, r"small.yaml: reference 'nothing' is no variant; choose one of fixed, none"),
        ({"seeds": [1]}, r"small.yaml: seeds: \[1\] is refused"),
        ({"seeds": [1, 1]}, r"one is there twice"),
        ({"variants": {"fixed": {}, "Bad Name": {}}}, r"small.yaml: variants.Bad Name"),
        ({"seed": [1]}, r"small.yaml: seed: unknown key"),
        ({"variants": {"fixed": {}, "typo": {"grpo.kl_cof": 0}}}, r"set: grpo.kl_cof: .*did you mean grpo.kl_coef"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line(change: Any, said: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(CHECKOUT)
    write_yaml(tmp_path / "small.yaml", SMALL | change)
    with pytest.raises(LadderError, match=said):
        planned(read_ablation(tmp_path / "small.yaml"))


def test_an_outcome_is_read_from_what_a_real_ladder_made(climbed: Project) -> None:
    ended = outcome(lambda path: (climbed.root / path).read_bytes())
    bill = json.loads((climbed.root / "reports/bill.json").read_bytes())
    assert ended.usd == bill["made_usd"]
    assert ended.accuracy == json.loads((climbed.root / "metrics/evaluation/24k.json").read_bytes())["full"]["sampled"]
    assert read_yaml(climbed.root / "params.yaml")["grpo"]["prompts_per_step"] * 8 * 2 * 3 <= (
        ended.sampled_tokens or 0
    )
