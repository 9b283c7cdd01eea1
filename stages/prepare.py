"""Stage `prepare`: all sources to two tables, what is learned from and what is examined on; broken records to a third."""

from dataclasses import asdict, dataclass
from pathlib import Path

from stages.errors import LadderError
from stages.params import Problems
from stages.problems.problem import Problem, write_problems
from stages.problems.sources import Quarantined, load_source
from stages.stage import stage
from stages.store.files import write_jsonl

TRAIN = Path("data/train.jsonl")
HELDOUT = Path("data/heldout.jsonl")
QUARANTINE = Path("data/quarantine.jsonl")


@dataclass(frozen=True, slots=True)
class Prepared:
    train: list[Problem]
    heldout: list[Problem]
    quarantined: list[Quarantined]


def run(settings: Problems, seed: int) -> Prepared:
    """Raises LadderError where nothing is left to learn from or to examine on."""
    loaded = [load_source(source, seed) for source in settings.sources]
    first: dict[str, Problem] = {}  # a source may hold the same text twice
    for problem in (problem for part in loaded for problem in part.problems):
        first.setdefault(problem.id, problem)
    prepared = Prepared(
        train=[problem for problem in first.values() if problem.split == "train"],
        heldout=[problem for problem in first.values() if problem.split == "heldout"],
        quarantined=[record for part in loaded for record in part.quarantined],
    )
    for split, problems in (("train", prepared.train), ("heldout", prepared.heldout)):
        if not problems:
            raise LadderError(f"params.yaml: problems.sources: none has a problem of split {split!r}; add one that has")
    return prepared


def main() -> None:
    with stage("prepare") as running:
        prepared = run(running.params.problems, running.params.seed)
        write_problems(TRAIN, prepared.train)
        write_problems(HELDOUT, prepared.heldout)
        write_jsonl(QUARANTINE, (asdict(record) for record in prepared.quarantined))
        if prepared.quarantined:
            print(f"{len(prepared.quarantined)} broken records are in {QUARANTINE}, with the reason of each")


if __name__ == "__main__":
    main()
