"""Questions of one's own with known answers, off the task's domain: a checkpoint's greedy answers, graded."""

from pathlib import Path

from stages.engines.prompts import encode_prompts
from stages.engines.protocols import Sampling
from stages.evaluation.answers import answerer_of
from stages.evaluation.off_domain.examined import Examined
from stages.grading import make_grader
from stages.params import Params, QuestionSet, Task
from stages.problems.problem import Problem
from stages.problems.to_grade import to_grade


def question_scores(asked: QuestionSet, problems: dict[str, Problem], folder: Path, params: Params) -> list[Examined]:
    """1 for each question that the checkpoint in `folder` answers right, else 0, up to the evaluation's longest answer."""
    sampling = Sampling(0, 1.0, params.evaluation.max_response_tokens, greedy=True)
    once = list({problem.id: problem for problem in problems.values()}.values())
    with answerer_of(folder, params) as answerer:
        prompts = encode_prompts(once, answerer.tokenizer, asked.prompt, params.grpo.max_prompt_tokens)
        samples = {
            sample.problem_id: sample for sample in answerer.answers(prompts, sampling, ("elsewhere", asked.name))
        }
    answers = [samples[problem.id] for problem in problems.values()]
    items = [
        to_grade(problem, answer.response, answer.truncated, asked.prompt)
        for problem, answer in zip(problems.values(), answers, strict=True)
    ]
    with make_grader(params.grading, Task(prompt=asked.prompt, reward=asked.reward, max_failed_share=1.0)) as grader:
        grades = grader.grade_batch(items)
    return [
        Examined(asked.name, name, 0, None, None, None, float(grade.reward))
        for name, grade in zip(problems, grades, strict=True)
    ]
