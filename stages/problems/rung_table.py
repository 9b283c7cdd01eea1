"""A rung's table is never written while a benchmark's problem is in it.

`prepare` has screened what it is made of; this looks once more, with the steps of the leak gate that need no model: the same
text, and texts that run alike.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow

from stages.errors import LadderError
from stages.problems.curriculum import Curriculum, Placed
from stages.problems.leaks import find_copies
from stages.problems.normalise import identity
from stages.problems.problem import Problem, is_generated
from stages.problems.rung_rows import PLACE, PROBLEM, Columns, write_rows

_LEFT_OUT: Columns = [("id", pyarrow.string()), ("source", pyarrow.string()), ("record", pyarrow.int64()), *PLACE]


def write_rung_table(path: Path, name: str, curriculum: Curriculum, benchmark: Sequence[Problem]) -> None:
    """The rung's problems, in order. Raises LadderError, and writes nothing, where one of them is a problem of the benchmark."""
    problems = {placed.candidate.problem.id: placed.candidate.problem for placed in curriculum.within}
    examined = {problem.id: problem for problem in benchmark}
    texts = {identity(problem.problem): problem for problem in benchmark}
    found = [(one, known) for one in problems.values() if (known := texts.get(identity(one.problem)))]
    others = [problem for problem in problems.values() if not is_generated(problem)]
    found += [(problems[leak.train], examined[leak.benchmark]) for leak in find_copies(others, [*examined.values()])]
    if found:
        train, known = found[0]
        raise LadderError(
            f"{path}: not written: problem {train.id} ({train.source} {train.record}) is {known.source} {known.record} of the "
            f"examination, and so are {len({train.id for train, _ in found}) - 1} more; `dvc repro prepare` sets them aside"
        )
    write_rows(path, f"curriculum@{name}", [*PROBLEM, *PLACE], [_row(placed) for placed in curriculum.within])


def write_left_out(path: Path, name: str, curriculum: Curriculum) -> None:
    rows = [{key: _row(placed)[key] for key, _ in _LEFT_OUT} for placed in curriculum.left_out]
    write_rows(path, f"curriculum@{name}, left out", _LEFT_OUT, rows)


def _row(placed: Placed) -> dict[str, Any]:
    candidate = placed.candidate
    where = {"difficulty": candidate.difficulty, "prompt_tokens": candidate.prompt_tokens, "reason": placed.reason}
    columns = json.dumps(candidate.problem.columns, ensure_ascii=False)
    return asdict(candidate.problem) | {"columns": columns} | where
