"""The shipped ablations (profiles/ablations/), each with its five seeds, climbed as experiments of this checkout.

    python -m benchmarks.ablations

Three claims made for the recipe, on the miniature: that a KL term keeps runs from diverging, that a binary reward does as well as
one with partial credit, that a ladder does as well as 24k's context from the first day. What was climbed before is not again.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.record import write_result
from flows.ablate.plan import FOLDER, read_ablation
from stages.errors import exit_on_error
from stages.params import load_params

CONTRASTS = ("metric", "variant", "against", "difference", "interval", "p_adjusted", "least_p")


def figures_of(report: dict[str, Any]) -> dict[str, Any]:
    """Of an ablation's report what a reader asks first: how far each variant is from the reference, then the variants."""
    return {
        "against_the_reference": [{name: one[name] for name in CONTRASTS} for one in report["contrasts"]],
        "variants": report["variants"],
        "runs": report["runs"],
    }


def main() -> None:
    argparse.ArgumentParser(prog="python -m benchmarks.ablations", description=__doc__).parse_args()
    figures, seeds = {}, {}
    for path in sorted(FOLDER.glob("*.yaml")):
        settings = read_ablation(path)
        done = subprocess.run([sys.executable, "-m", "flows.ablate", str(path)])
        if done.returncode:
            sys.exit(done.returncode)
        figures[settings.name] = figures_of(json.loads(Path(f"reports/ablation-{settings.name}.json").read_bytes()))
        seeds[settings.name] = settings.seeds
    configuration = {"profile": "mini", "seeds": seeds, "stages_side_by_side": load_params().operations.parallel_stages}
    print(write_result("ablations", ["torch", "transformers", "prefect", "dvc"], configuration, figures))


if __name__ == "__main__":
    exit_on_error(main)
