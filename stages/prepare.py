"""Stage `prepare`: all sources to two tables, what is learned from and what is examined on; what is set aside to a third.

Texts are compared by their ids: one that is examined on is never learned from, whatever source has it.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

from stages.errors import LadderError
from stages.params import Problems
from stages.problems.problem import Problem, Split, write_problems
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
    examined = {problem.id for part in loaded for problem in part.problems if problem.split == "heldout"}
    tables: dict[Split, dict[str, Problem]] = {"train": {}, "heldout": {}}
    quarantined: list[Quarantined] = []
    for part in loaded:
        for number, record in enumerate(part.records, 1):
            if isinstance(record, Quarantined):
                quarantined.append(record)
                continue
            text, table = record.id, tables[record.split]
            if record.split == "train" and text in examined:
                quarantined.append(Quarantined(record.source, number, "in the examination", record.problem))
            elif text in table:
                quarantined.append(Quarantined(record.source, number, "repeated", record.problem))
            else:
                table[text] = record
    prepared = Prepared([*tables["train"].values()], [*tables["heldout"].values()], quarantined)
    for split, problems in (("train", prepared.train), ("heldout", prepared.heldout)):
        if not problems:
            raise LadderError(f"params.yaml: problems.sources: none has a problem of split {split!r}; add one that has")
    return prepared


def main() -> None:
    with stage("prepare") as running:
        prepared = run(running.params.problems, running.params.seed)
        write_problems(TRAIN, prepared.train, table="train")
        write_problems(HELDOUT, prepared.heldout, table="heldout")
        write_jsonl(QUARANTINE, (asdict(record) for record in prepared.quarantined))
        if prepared.quarantined:
            print(f"{len(prepared.quarantined)} records are set aside in {QUARANTINE}, with the reason of each")


if __name__ == "__main__":
    main()
