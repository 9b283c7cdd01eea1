"""A ladder of one stage (and its cost) that books itself as every stage does and ends in no time, for what orchestrates them.

Its figures are arithmetic on the settings, and a guard stops it where the settings say so.
"""

from tests.conftest import Project, git, write_yaml

STAGE = """
import csv, json, pathlib
from stages.errors import GuardFired
from stages.stage import stage

with stage("make") as running:
    params = running.params
    seed, kl_coef = params.seed, params.grpo.kl_coef
    if kl_coef == 0 and seed == 2:
        raise GuardFired("make: stopped at step 3 by guards.max_kl (1): KL is 2")
    ends = 0.1 if kl_coef == 0 else 0.5 + kl_coef + seed / 100
    for name, accuracy in {"base": 0.2, "8k": 0.3, "16k": 0.4, "24k": ends}.items():
        path = pathlib.Path(f"metrics/evaluation/{name}.json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"full": {"sampled": accuracy}}))
    for name in ("8k", "16k", "24k"):
        path = pathlib.Path(f"metrics/train/{name}.csv")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"step,reward,sampled_tokens\\n1,0.5,{100 + seed}\\n2,0.5,100\\n")
"""
COST = """
import json, pathlib
from stages.params import load_params
pathlib.Path("reports/bill.json").write_text(json.dumps({"made_usd": 0.01 * (1 + load_params().seed)}))
"""
GRAPH = {
    "stages": {
        "make": {
            "cmd": "exec python -m stages.make",
            "deps": ["stages/make.py"],
            "params": ["seed", "grpo"],
            "outs": [f"metrics/train/{name}.csv" for name in ("8k", "16k", "24k")],
            "metrics": [f"metrics/evaluation/{name}.json" for name in ("base", "8k", "16k", "24k")],
        },
        "cost": {
            "cmd": "exec python -m stages.cost",
            "deps": ["metrics/evaluation/24k.json"],
            "always_changed": True,
        },
    },
    "metrics": ["reports/bill.json"],
}


def cut_to_one_stage(project: Project) -> None:
    write_yaml(project.root / "dvc.yaml", GRAPH)
    (project.root / "stages/make.py").write_text(STAGE)
    (project.root / "stages/cost.py").write_text(COST)
    (project.root / "reports").mkdir(exist_ok=True)
    project.run("stages.cost")
    git(project.root, "add", "-A")
    git(project.root, "commit", "-qm", "Cut the graph to one stage")
