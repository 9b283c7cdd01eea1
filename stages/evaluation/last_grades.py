"""What a mended grader changed: the grades of a stage's last run are kept, outside DVC's outs, and held against the new ones."""

from collections.abc import Sequence
from pathlib import Path

from stages.errors import LadderError
from stages.evaluation.graded import Graded, read_graded, write_graded
from stages.evaluation.regrade import regrade

KEPT = Path("runs/grades")


def told_changes(name: str, graded: Sequence[Graded], kept: Path = KEPT) -> str | None:
    """What changed since the same answers were graded last, and how to see it; None for other answers, or where nothing did.

    Afterwards `graded` are the last ones.
    """
    last, before = kept / f"{name}.parquet", kept / f"{name}-before.parquet"
    said = None
    if last.exists():
        try:
            found = regrade(read_graded(last, responses=True), graded)
        except LadderError:  # other answers, or a file of another version: there is nothing to hold against these
            found = None
        if found and found.changed:
            last.replace(before)
            said = (
                f"regraded: {found.to_right} answers became right, {found.to_wrong} became wrong, the reason of "
                f"{len(found.changed)} changed; `python -m stages.evaluation regraded {before} grades/{name}.parquet` shows them"
            )
    write_graded(last, graded)
    return said
