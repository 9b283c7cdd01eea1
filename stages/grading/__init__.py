"""The binary reward: +1 for a right final answer, 0 otherwise."""

from stages.grading.grade import Answer, Grade, GradeItem, Grader, Why, grade

__all__ = ["Answer", "Grade", "GradeItem", "Grader", "Why", "grade"]
