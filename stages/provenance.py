"""Stage `provenance`: the report on the problems, from the sources' records to the rungs' tables."""

from pathlib import Path
from typing import Any

from stages.params import RUNGS
from stages.problems.page import page
from stages.problems.problem import read_problems
from stages.problems.report import Tables, difficulties, flow, report
from stages.problems.rung_rows import read_rows
from stages.stage import stage
from stages.store.files import read_jsonl, write_bytes, write_csv, write_json

REPORT, PAGE = Path("reports/problems.json"), Path("reports/problems.md")
FLOW, DIFFICULTY = Path("metrics/problems/flow.csv"), Path("metrics/problems/difficulty.csv")


def read_tables(data: Path = Path("data")) -> Tables:
    def rows(name: str) -> list[dict[str, Any]]:
        return list(read_jsonl(data / f"{name}.jsonl"))

    return Tables(
        read_problems(data / "train.jsonl"),
        read_problems(data / "heldout.jsonl"),
        rows("quarantine"),
        rows("duplicates"),
        rows("conflicts"),
        rows("leaks"),
        {name: read_rows(data / f"curriculum/{name}.parquet") for name in RUNGS},
        {name: read_rows(data / f"curriculum/{name}-left-out.parquet") for name in RUNGS},
    )


def main() -> None:
    with stage("provenance") as running:
        tables = read_tables()
        said = report(tables, running.params.curriculum.difficulty)
        write_json(REPORT, said)
        write_bytes(PAGE, page(said).encode("utf-8", "replace"))
        write_csv(FLOW, flow(tables))
        write_csv(DIFFICULTY, difficulties(tables))


if __name__ == "__main__":
    main()
