"""Stage `prepare`: all sources to two tables, what is learned from and what is examined on."""

from pathlib import Path

from stages.errors import LadderError
from stages.params import Problems
from stages.problems.problem import Problem, write_problems
from stages.problems.sources import load_source
from stages.stage import stage

TRAIN = Path("data/train.jsonl")
HELDOUT = Path("data/heldout.jsonl")


def run(settings: Problems, seed: int, train: Path, heldout: Path) -> None:
    problems = [problem for source in settings.sources for problem in load_source(source, seed)]
    _write(train, [problem for problem in problems if problem.split == "train"])
    _write(heldout, [problem for problem in problems if problem.split == "heldout"])


def _write(path: Path, problems: list[Problem]) -> None:
    if not problems:
        raise LadderError(f"params.yaml: problems.sources: none has a problem for {path.stem}; add a source that has")
    first: dict[str, Problem] = {}
    for problem in problems:
        first.setdefault(problem.id, problem)  # a source may hold the same text twice
    write_problems(path, list(first.values()))


def main() -> None:
    with stage("prepare") as running:
        run(running.params.problems, running.params.seed, TRAIN, HELDOUT)


if __name__ == "__main__":
    main()
