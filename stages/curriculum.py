"""Stage `curriculum@RUNG`: the prepared problems that a rung sees, picked by rating. `python -m stages.curriculum 8k`"""

import argparse
from pathlib import Path

from stages.errors import LadderError
from stages.params import RUNGS, Rung
from stages.problems.problem import Problem, read_problems, write_problems
from stages.stage import stage


def run(name: str, rung: Rung, train: Path, picked: Path) -> None:
    problems = [problem for problem in read_problems(train) if lets_in(rung, problem)]
    if not problems:
        raise LadderError(
            f"params.yaml: rungs.r{name}: no problem of {train} has a rating within [{rung.min_rating}, {rung.max_rating}]; "
            "widen the range"
        )
    write_problems(picked, problems, table=f"curriculum@{name}")


def lets_in(rung: Rung, problem: Problem) -> bool:
    if problem.rating is None:
        return rung.unrated
    return rung.min_rating <= problem.rating <= rung.max_rating


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.curriculum", description=__doc__)
    parser.add_argument("rung", choices=RUNGS)
    name = parser.parse_args().rung
    with stage(f"curriculum@{name}") as running:
        run(name, running.params.rungs.of(name), Path("data/train.jsonl"), Path(f"data/curriculum/{name}.jsonl"))


if __name__ == "__main__":
    main()
