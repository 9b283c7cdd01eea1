"""Stage `evaluate@CHECKPOINT`: grade its samples and write its figures. `python -m stages.evaluate 8k`"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stages.errors import LadderError
from stages.evaluation.examine import Graded, breakdown, examine
from stages.grading import GradeItem, Grader
from stages.params import CHECKPOINTS, RUNGS, Grading, Params
from stages.problems.problem import Problem, read_problems
from stages.problems.sample import Sample
from stages.stage import stage
from stages.store.files import read_jsonl, write_json, write_jsonl


def run(samples: Sequence[Sample], problems: Sequence[Problem], grading: Grading) -> list[Graded]:
    by_id = {problem.id: problem for problem in problems}
    unknown = [sample.problem_id for sample in samples if sample.problem_id not in by_id]
    if unknown:
        raise LadderError(
            f"samples: problem {unknown[0]} is not held out; `dvc repro` makes samples of the right problems"
        )
    items = [GradeItem(sample.response, by_id[sample.problem_id].answers, sample.truncated) for sample in samples]
    with Grader(timeout_s=grading.timeout_s, require_closed_thinking=grading.require_closed_thinking) as grader:
        grades = grader.grade_batch(items)
    return [Graded(sample, by_id[sample.problem_id], grade) for sample, grade in zip(samples, grades, strict=True)]


def contexts(name: str, params: Params) -> dict[str, int]:
    """Own and full context in response tokens; the base has not met any yet and is held against the first rung's."""
    rung = params.rungs.of(RUNGS[0] if name == "base" else name)
    return {"own": rung.max_response_tokens, "full": params.evaluation.max_response_tokens}


def _grade_row(row: Graded) -> dict[str, Any]:
    sample, grade = row.sample, asdict(row.grade)
    return {"problem_id": sample.problem_id, "index": sample.index, "greedy": sample.greedy, **grade}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.evaluate", description=__doc__)
    parser.add_argument("checkpoint", choices=CHECKPOINTS)
    name = parser.parse_args().checkpoint
    with stage(f"evaluate@{name}") as running:
        samples = [Sample(**row) for row in read_jsonl(Path(f"samples/{name}.jsonl"))]
        graded = run(samples, read_problems(Path("data/heldout.jsonl")), running.params.grading)
        write_jsonl(Path(f"grades/{name}.jsonl"), (_grade_row(row) for row in graded))
        at = contexts(name, running.params)
        write_json(Path(f"metrics/breakdown/{name}.json"), breakdown(graded, at))
        write_json(Path(f"metrics/evaluation/{name}.json"), examine(graded, at))


if __name__ == "__main__":
    main()
