"""Stage `evaluate@CHECKPOINT`: grade its samples and write its figures. `python -m stages.evaluate 8k`"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from stages.errors import LadderError
from stages.evaluation.breakdown import breakdown
from stages.evaluation.classes import answer_classes
from stages.evaluation.examination import examination_of
from stages.evaluation.figures import curve, rounded, summary
from stages.evaluation.graded import Graded, write_graded
from stages.evaluation.intervals import Resampling
from stages.grading import Grade, GradeItem, Grader
from stages.params import CHECKPOINTS, RUNGS, Grading, Params
from stages.problems.problem import Problem, read_problems
from stages.problems.sample import Sample
from stages.stage import stage
from stages.store.files import read_jsonl, write_csv, write_json


def run(samples: Sequence[Sample], problems: Sequence[Problem], grading: Grading) -> list[Graded]:
    """The graded samples, one benchmark's problem after another. Raises LadderError for samples of other problems."""
    held_out = {problem.id for problem in problems}
    answers: dict[str, list[Sample]] = {}
    for sample in samples:
        if sample.problem_id not in held_out:
            raise LadderError(
                f"samples: problem {sample.problem_id} is not held out; `dvc repro` makes samples of the right problems"
            )
        answers.setdefault(sample.problem_id, []).append(sample)
    # A problem that two benchmarks have is sampled once, and graded by the answer of each.
    asked = [(problem, answers.get(problem.id, [])) for problem in problems]
    items = [GradeItem(one.response, problem.answers, one.truncated) for problem, given in asked for one in given]
    with Grader(timeout_s=grading.timeout_s, require_closed_thinking=grading.require_closed_thinking) as grader:
        grades = iter(grader.grade_batch(items))
    return [row for problem, given in asked for row in _graded(problem, given, [next(grades) for _ in given])]


def _graded(problem: Problem, samples: Sequence[Sample], grades: Sequence[Grade]) -> list[Graded]:
    return [
        Graded(
            problem_id=problem.id,
            benchmark=problem.source,
            index=sample.index,
            greedy=sample.greedy,
            tokens=sample.tokens,
            truncated=sample.truncated,
            reward=grade.reward,
            why=grade.why,
            extracted=grade.extracted,
            answer_class=answer_class,
            response=sample.response,
        )
        for sample, grade, answer_class in zip(samples, grades, answer_classes(grades), strict=True)
    ]


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
        graded = run(samples, problems, params.grading)
        at = contexts(name, params)
        examination = examination_of(graded, problems, at["full"])
        examined = {where: examination.at(limit) for where, limit in at.items()}
        settings = params.evaluation
        resampling = Resampling(params.seed, settings.bootstrap_draws, settings.confidence)
        write_graded(Path(f"grades/{name}.parquet"), graded)
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
