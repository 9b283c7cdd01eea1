"""Grade JSON lines: `python -m stages.grading < pairs.jsonl > grades.jsonl`

A line {"response": ..., "answer": ...} in, a line {"reward": 0 or 1, "extracted": ..., "why": ...} out, in order;
other keys are ignored. A malformed line ends the command with its number and exit code 2, after the grades of the
lines before it.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from itertools import islice

from stages.errors import LadderError, exit_on_error
from stages.grading.grade import GradeItem, accepted_answers
from stages.grading.grader import DEFAULT_TIMEOUT_S, DEFAULT_WORKERS, Grader

LINES_AT_ONCE = 256
FIELDS = ("reward", "extracted", "why")


def read_item(number: int, line: bytes) -> GradeItem:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise LadderError(f'line {number}: not JSON ({error}); a line is {{"response": ..., "answer": ...}}') from error
    if not isinstance(row, dict) or "answer" not in row or not isinstance(row.get("response"), str):
        raise LadderError(f'line {number}: a line is {{"response": "...", "answer": ...}}, with both keys')
    try:
        accepted_answers(row["answer"])
    except LadderError as error:
        raise LadderError(f"line {number}: {error}") from error
    return GradeItem(row["response"], row["answer"])


def grade_lines(lines: Iterable[bytes], grader: Grader) -> Iterator[str]:
    """The grades of `lines`, a batch at a time."""
    numbered = enumerate(lines, 1)
    while batch := list(islice(numbered, LINES_AT_ONCE)):
        items: list[GradeItem] = []
        failure: LadderError | None = None
        for number, line in batch:
            try:
                items.append(read_item(number, line))
            except LadderError as error:  # raised below, when what stands before it is graded
                failure = error
                break
        yield from (json.dumps({key: getattr(grade, key) for key in FIELDS}) for grade in grader.grade_batch(items))
        if failure is not None:
            raise failure


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.grading", description=__doc__)
    parser.add_argument(
        "--require-closed-thinking", action="store_true", help="a response without </think> earns nothing"
    )
    parser.add_argument(
        "--timeout-s", type=float, default=DEFAULT_TIMEOUT_S, help="limit of one answer's own grading time"
    )
    parser.add_argument(
        "--workers", type=int, default=DEFAULT_WORKERS, help="processes for the answers that need algebra"
    )
    options = parser.parse_args()
    with Grader(options.timeout_s, options.require_closed_thinking, options.workers) as grader:
        for line in grade_lines(sys.stdin.buffer, grader):
            print(line)


if __name__ == "__main__":
    exit_on_error(main)
