"""Stage `compare`: the checkpoints against one another and against published figures. `python -m stages.compare`"""

from pathlib import Path
from typing import Any

from stages.evaluation.asked import asked_how, asked_with
from stages.evaluation.examination import examination_of
from stages.evaluation.figures import rounded
from stages.evaluation.graded import read_graded
from stages.evaluation.intervals import Resampling
from stages.evaluation.off_domain.examined import read_examined
from stages.evaluation.off_domain.table import tax_markdown
from stages.evaluation.off_domain.tax import Elsewhere, tax
from stages.evaluation.report import plotted, report
from stages.evaluation.table import markdown
from stages.params import CHECKPOINTS, RUNGS, Params
from stages.problems.problem import read_problems
from stages.stage import stage
from stages.store.files import read_json, write_bytes, write_csv, write_json

REPORT = Path("reports/evaluation.json")
TABLE = Path("reports/evaluation.md")
PLOT = Path("reports/evaluation.csv")


def run(params: Params) -> dict[str, list[dict[str, Any]]]:
    """The report on the graded samples of all checkpoints, and on what they cost elsewhere."""
    settings = params.evaluation
    problems = read_problems(Path("data/heldout.jsonl"))
    examined = {
        name: examination_of(read_graded(Path(f"grades/{name}.parquet")), problems, settings.max_response_tokens)
        for name in CHECKPOINTS
    }
    own = {name: params.rungs.of(RUNGS[0] if name == "base" else name).max_response_tokens for name in CHECKPOINTS}
    resampling = Resampling(params.seed, settings.bootstrap_draws, settings.confidence)
    made = report(examined, own, settings.at_k, resampling, settings.published, params.base.training_cutoff)
    elsewhere = {
        name: Elsewhere(
            read_examined(Path(f"metrics/elsewhere/texts/{name}.jsonl")),
            read_json(Path(f"metrics/elsewhere/{name}.json")),
        )
        for name in CHECKPOINTS
    }
    return made | {"elsewhere": tax(elsewhere, [one.name for one in settings.off_domain.sets], resampling)}


def main() -> None:
    with stage("compare") as running:
        params = running.params
        made = rounded(run(params))
        write_json(REPORT, made | {"settings": asked_with(params)})
        write_csv(PLOT, plotted(made["rows"]))
        told = markdown(made, params.evaluation.confidence, asked_how(params)) + tax_markdown(made["elsewhere"])
        write_bytes(TABLE, told.encode())


if __name__ == "__main__":
    main()
