"""What changed between two gradings of the same samples: `python -m stages.evaluation regraded OLD.parquet NEW.parquet`

Prints the counts, then a JSON line for every answer whose reward or reason is another one now.
"""

import argparse
import json
from pathlib import Path

from stages.evaluation.graded import read_graded
from stages.evaluation.regrade import regrade


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser("regraded", help="compare two gradings of the same samples", description=__doc__)
    command.add_argument("old", type=Path)
    command.add_argument("new", type=Path)
    command.set_defaults(run=lambda options: show_regraded(options.old, options.new))


def show_regraded(old: Path, new: Path) -> None:
    found = regrade(read_graded(old, responses=True), read_graded(new, responses=True))
    print(f"{found.answers} answers: {found.to_right} became right, {found.to_wrong} became wrong")
    for reason, count in found.by_reason().items():
        print(f"{count:>8}  {reason}")
    for was, now in found.changed:
        row = {
            "benchmark": now.benchmark,
            "problem_id": now.problem_id,
            "index": now.index,
            "greedy": now.greedy,
            "old": {"reward": was.reward, "why": was.why, "extracted": was.extracted},
            "new": {"reward": now.reward, "why": now.why, "extracted": now.extracted},
        }
        print(json.dumps(row))
