"""Stage `compare`: the checkpoints against one another and against published figures. `python -m stages.compare`"""

from pathlib import Path
from typing import Any

from stages.evaluation.examination import examination_of
from stages.evaluation.figures import rounded
from stages.evaluation.graded import read_graded
from stages.evaluation.intervals import Resampling
from stages.evaluation.report import plotted, report
from stages.evaluation.table import markdown
from stages.params import CHECKPOINTS, RUNGS, Params
from stages.problems.problem import read_problems
from stages.stage import stage
from stages.store.files import write_bytes, write_csv, write_json

REPORT = Path("reports/evaluation.json")
TABLE = Path("reports/evaluation.md")
PLOT = Path("reports/evaluation.csv")


def run(params: Params) -> dict[str, list[dict[str, Any]]]:
    """The report on the graded samples of all checkpoints."""
    settings = params.evaluation
    problems = read_problems(Path("data/heldout.jsonl"))
    examined = {
        name: examination_of(read_graded(Path(f"grades/{name}.parquet")), problems, settings.max_response_tokens)
        for name in CHECKPOINTS
    }
    own = {name: params.rungs.of(RUNGS[0] if name == "base" else name).max_response_tokens for name in CHECKPOINTS}
    resampling = Resampling(params.seed, settings.bootstrap_draws, settings.confidence)
    return report(examined, own, settings.at_k, resampling, settings.published, params.base.training_cutoff)


def asked_with(params: Params) -> dict[str, Any]:
    """The settings that an answer and its grade depend on besides the checkpoint."""
    evaluation = params.evaluation.model_dump(
        include={"max_response_tokens", "samples_per_problem", "temperature", "top_p", "greedy"}
    )
    return evaluation | {"instruction": params.problems.instruction, "grading": params.grading.model_dump()}


def main() -> None:
    with stage("compare") as running:
        params = running.params
        made, settings = rounded(run(params)), params.evaluation
        write_json(REPORT, made | {"settings": asked_with(params)})
        write_csv(PLOT, plotted(made["rows"]))
        asked = (
            f"Every problem was answered {settings.samples_per_problem} times, of at most {settings.max_response_tokens} "
            f"tokens, at temperature {settings.temperature:g} and top_p {settings.top_p:g}."
        )
        write_bytes(TABLE, markdown(made, settings.confidence, asked).encode())


if __name__ == "__main__":
    main()
