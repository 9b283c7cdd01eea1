"""`python -m stages.evaluation ask "1+2+3=" --checkpoint 24k`: watch a checkpoint work out a problem.

With the settings' own temperature, length and seed the answer to a held-out problem is the first of its examination.
"""

import argparse
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from stages.errors import LadderError
from stages.evaluation.options import decimal, whole
from stages.grading import Grade, make_grader
from stages.grading.grade import grade_of_response
from stages.grading.texts import final_text
from stages.params import CHECKPOINTS, Params, load_params
from stages.problems.problem import Problem, problem_id
from stages.problems.to_grade import to_grade
from stages.problems.twins.instances import twins
from stages.problems.twins.match import template_for
from stages.terminal import printable

if TYPE_CHECKING:
    from stages.evaluation.live import LiveAnswer


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser("ask", help="watch a checkpoint answer a problem", description=__doc__)
    command.add_argument("problem")
    command.add_argument("--checkpoint", choices=CHECKPOINTS, default=CHECKPOINTS[-1])
    known = command.add_mutually_exclusive_group()
    known.add_argument("--answer", help="the right one, to grade the checkpoint's by")
    known.add_argument(
        "--twin", action="store_true", help="ask it with other numbers, where a template knows the answer"
    )
    command.add_argument(
        "--temperature", type=decimal(2), metavar="T", help="0 takes the likeliest; default: evaluation's"
    )
    command.add_argument("--max-tokens", type=whole(1, 10**6), metavar="N", help="default: evaluation's")
    command.add_argument("--seed", type=whole(0, 2**31 - 1), metavar="N", help="default: the settings'")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    params = load_params()
    seed = params.seed if options.seed is None else options.seed
    problem = _twin(options.problem, seed) if options.twin else _problem(options.problem, options.answer)
    folder = Path("models") / options.checkpoint
    if not folder.is_dir():
        raise LadderError(f"{folder}: missing; `make run` makes it, `dvc checkout {folder}` restores it")
    # Not above: torch takes seconds, which the other commands and a wrong call need not wait for.
    from stages.engines.protocols import Sampling
    from stages.evaluation.live import answer_live, load_for_asking, unread

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a character that the terminal hasn't is shown by its number
    settings = params.evaluation
    temperature = settings.temperature if options.temperature is None else float(options.temperature)
    sampling = Sampling(
        n=int(temperature > 0),
        temperature=temperature or 1.0,
        max_response_tokens=options.max_tokens or settings.max_response_tokens,
        top_p=settings.top_p,
        greedy=temperature == 0,
    )
    checkpoint = load_for_asking(folder, params)
    read = unread(problem, checkpoint.tokenizer)
    if read is not None:
        print(f"note: {options.checkpoint} does not know all of these characters, it reads {read!r}", file=sys.stderr)
    answer = answer_live(checkpoint, problem, params, sampling, seed, _say)
    print(f"\n\n{_verdict(answer, problem, params)}")


def _problem(text: str, answer: str | None) -> Problem:
    """As a held-out one of that text would be. Raises LadderError."""
    if not text.strip():
        raise LadderError("problem: empty; put it in quotes")
    for name, given in (("problem", text), ("--answer", answer or "")):
        if not given.isprintable() and any("\ud800" <= char <= "\udfff" for char in given):
            raise LadderError(f"{name}: {given[:80]!a} is not UTF-8; correct the characters or the locale")
    answers = () if answer is None else (answer,)
    return Problem(problem_id(text), text, answers, "", 1, "", "heldout", None, None)


def _twin(text: str, seed: int) -> Problem:
    """The problem with other numbers, as the examination's first twin of it. Raises LadderError where it has no template."""
    template = template_for(text)
    if template is None:
        raise LadderError(
            "--twin: no template has this problem; leave --twin out, or ask one of MATH-500, AMC or AIME 2024"
        )
    twin = next(one for one in twins(template, 1, seed) if one.kind == "numbers")
    print(f"twin: {twin.problem}\n")
    return _problem(twin.problem, twin.answer)


def _say(piece: str) -> None:
    print(printable(piece), end="", flush=True)


def _verdict(answer: "LiveAnswer", problem: Problem, params: Params) -> str:
    grade = _graded(answer, problem, params)
    lines = [f"answer: {'none' if grade.extracted is None else printable(grade.extracted)}"]
    if problem.answers and not params.task.is_function:
        lines.append(f"{'right' if grade.reward else 'wrong'} ({grade.why})")
    elif grade.why != "wrong":  # which it is not: there is nothing to hold it against
        lines[0] += f" ({grade.why})"
    rate = answer.tokens / answer.wall_s
    return "\n".join([*lines, f"{answer.tokens} tokens in {answer.wall_s:.2f} s, {rate:.0f} tokens/s"])


def _graded(answer: "LiveAnswer", problem: Problem, params: Params) -> Grade:
    """By the task's reward; a function of the user's would need the columns of a source, and is not asked."""
    item = to_grade(problem, answer.text, answer.truncated, params.task.prompt)
    if params.task.is_function:
        return grade_of_response(item, params.grading.require_closed_thinking, final_text)
    with make_grader(params.grading, params.task, workers=1) as grader:
        return grader.grade_batch([item])[0]
