"""When so many answers made the reward function fail that what is learned, or examined, is no more what was meant."""

from collections import Counter
from collections.abc import Sequence

from stages.errors import GuardFired
from stages.grading.grade import FAILURES, Grade


def failures(grades: Sequence[Grade]) -> dict[str, int]:
    """How many grades have each of the reasons that are no answer's fault."""
    counts = Counter(grade.why for grade in grades)
    return {why: counts[why] for why in FAILURES}


def check_failures(grades: Sequence[Grade], max_share: float, where: str, of_at_least: int = 1) -> None:
    """Raise GuardFired where the reward function failed on more than `max_share` of `grades`, counted as `of_at_least` or more.

    Only a function's failures have a note: the built-in grader's timeouts stop nothing.
    """
    failed = [grade for grade in grades if grade.note is not None]
    if len(failed) > max_share * max(len(grades), of_at_least):
        reasons = ", ".join(f"{count} {why}" for why, count in Counter(grade.why for grade in failed).most_common())
        raise GuardFired(
            f"{where} by task.max_failed_share ({max_share:g}): the reward function failed on {len(failed)} of "
            f"{len(grades)} answers ({reasons}), first on {failed[0].note}; mend it, or change the limit"
        )
