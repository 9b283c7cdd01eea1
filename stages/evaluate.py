"""Stage `evaluate@CHECKPOINT`: grade its samples and write its figures. `python -m stages.evaluate 8k`"""

import argparse
from pathlib import Path

from stages.evaluation.breakdown import breakdown
from stages.evaluation.examination import examination_of
from stages.evaluation.figures import curve, rounded, summary
from stages.evaluation.grade import grade_samples
from stages.evaluation.graded import write_graded
from stages.evaluation.intervals import Resampling
from stages.evaluation.last_grades import told_changes
from stages.params import CHECKPOINTS, RUNGS, Params
from stages.problems.problem import read_problems
from stages.problems.sample import Sample
from stages.stage import stage
from stages.store.files import read_jsonl, write_csv, write_json


def contexts(name: str, params: Params) -> dict[str, int]:
    """Own and full context in response tokens; the base has not met any yet and is held against the first rung's."""
    rung = params.rungs.of(RUNGS[0] if name == "base" else name)
    return {"own": rung.max_response_tokens, "full": params.evaluation.max_response_tokens}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.evaluate", description=__doc__)
    parser.add_argument("checkpoint", choices=CHECKPOINTS)
    name = parser.parse_args().checkpoint
    with stage(f"evaluate@{name}") as running:
        params = running.params
        problems = read_problems(Path("data/heldout.jsonl"))
        samples = [Sample(**row) for row in read_jsonl(Path(f"samples/{name}.jsonl"))]
        graded = grade_samples(samples, problems, params.grading, params.task)
        at = contexts(name, params)
        examination = examination_of(graded, problems, at["full"])
        examined = {where: examination.at(limit) for where, limit in at.items()}
        settings = params.evaluation
        resampling = Resampling(params.seed, settings.bootstrap_draws, settings.confidence)
        write_graded(Path(f"grades/{name}.parquet"), graded)
        if changes := told_changes(name, graded):
            print(changes, flush=True)
        write_json(
            Path(f"metrics/breakdown/{name}.json"),
            rounded(
                {where: breakdown(part, params.base.training_cutoff, resampling) for where, part in examined.items()}
            ),
        )
        write_csv(Path(f"metrics/at_k/{name}.csv"), rounded(curve(examination)))
        write_json(
            Path(f"metrics/evaluation/{name}.json"),
            rounded({where: summary(part, settings.at_k) for where, part in examined.items()}),
        )


if __name__ == "__main__":
    main()
