"""The reward, 1 or 0: of a right final answer, or as the task's own function says.

`python -m stages.grading < pairs.jsonl > grades.jsonl`
"""

from stages.grading.grade import Answer, Grade, GradeItem, Why
from stages.grading.grader import Grader, grade
from stages.grading.rewards import BatchGrader, make_grader

__all__ = ["Answer", "BatchGrader", "Grade", "GradeItem", "Grader", "Why", "grade", "make_grader"]
