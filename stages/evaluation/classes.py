"""Which answers to a problem are the same one: a vote needs to know.

Right answers are one class, as the grader decided. Wrong ones are the same where the grader's quick prover says so: a vote must
not depend on a worker's time limit. Two wrong spellings that only SymPy could tell to be equal stay apart, and lose votes.
"""

from collections.abc import Sequence

from stages.evaluation.estimators import RIGHT, SILENT
from stages.grading import Grade
from stages.grading.verdict import quick_verdict


def answer_classes(grades: Sequence[Grade]) -> list[int]:
    """The class of every answer to one problem, the same in whatever order they come."""
    wrong = sorted({grade.extracted for grade in grades if grade.reward == 0 and grade.extracted is not None})
    firsts: list[str] = []
    classes: dict[str, int] = {}
    for text in wrong:
        same = next(
            (place for place, first in enumerate(firsts) if quick_verdict(first, text) == "correct"), len(firsts)
        )
        if same == len(firsts):
            firsts.append(text)
        classes[text] = same + 1
    return [
        RIGHT if grade.reward == 1 else SILENT if grade.extracted is None else classes[grade.extracted]
        for grade in grades
    ]
