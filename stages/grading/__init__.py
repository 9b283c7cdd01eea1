"""The binary reward: 1 for a right final answer, else 0. `python -m stages.grading < pairs.jsonl > grades.jsonl`"""

from stages.grading.grade import Answer, Grade, GradeItem, Why
from stages.grading.grader import Grader, grade

__all__ = ["Answer", "Grade", "GradeItem", "Grader", "Why", "grade"]
