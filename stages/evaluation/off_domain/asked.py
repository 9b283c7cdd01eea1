"""What is asked off the domain, read from its files before anything is spent on it. Imports no torch."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from stages.errors import LadderError
from stages.evaluation.off_domain.texts import is_unicode, read_texts
from stages.grading.readable import is_readable
from stages.grading.texts import letter_of
from stages.params import HarnessTask, OffDomain, QuestionSet
from stages.problems.problem import Problem, problem_id
from stages.problems.rows import read_rows
from stages.store.digest import check_pin

READABLE: dict[str, Callable[[str], object]] = {"math": is_readable, "choice": letter_of, "exact": bool}


def check_sets(asked: OffDomain) -> None:
    """Raises LadderError where a set's file is missing, another one or broken, or lm-evaluation-harness is not installed."""
    for texts in asked.texts:
        read_texts(texts)
    for questions in asked.questions:
        read_questions(questions)
    for task in asked.tasks:
        check_installed(task)


def read_questions(asked: QuestionSet) -> dict[str, Problem]:
    """The set's questions by their ids. Raises LadderError where its bytes are not the pinned ones, or a row is none."""
    path = Path(asked.path)
    check_pin(path, asked.pin)
    found: dict[str, Problem] = {}
    for number, row in enumerate(read_rows(path), 1):
        if not is_unicode(row.problem):
            raise LadderError(f"{path}: the question {row.id!r} is not Unicode text; correct it")
        if not row.answers or not all(READABLE[asked.reward](one) for one in row.answers):
            raise LadderError(
                f"{path}: the question {row.id!r} has no answer that {asked.reward!r} could grade by; give it one, or take it out"
            )
        name = problem_id(row.problem)
        found[row.id] = Problem(
            name, row.problem, row.answers, asked.name, number, asked.licence, "heldout", None, None
        )
    if len(found) < 2:
        raise LadderError(f"{path}: {len(found)} question: an interval is over questions; give it two or more")
    return found


def check_installed(task: HarnessTask) -> None:
    """Raises LadderError where lm-evaluation-harness is not installed."""
    if find_spec("lm_eval") is None:
        raise LadderError(
            f"params.yaml: evaluation.off_domain.sets: {task.name!r} is a task of lm-evaluation-harness, which is not installed; "
            "`pip install 'lm_eval[hf]==0.4.13'` brings it, or take the task out"
        )
