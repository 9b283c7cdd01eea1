"""The benchmark's ledger is a real one: it has what it says, and its bill is that of its rows."""

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

from benchmarks.filled_ledger import Size, climbs, fill
from benchmarks.ledger import measure, rows_usd
from stages.accounting.bill import make_bill
from stages.accounting.reading import EVERYTHING, Scope, reading

IDENTITIES = {"base": "b", "train@8k": "8", "train@16k": "16", "train@24k": "24"}


def test_its_bill_is_that_of_its_rows_to_the_cent(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    fill(path, climbs(30, IDENTITIES, ["there", "here"]), steps=32)
    with reading(path) as reader, closing(sqlite3.connect(path)) as connection:
        bill = make_bill(reader, EVERYTHING, IDENTITIES, lambda device: None)
        assert abs(bill.total.usd - rows_usd(connection)) < 0.01
        assert abs(bill.total.useful_usd + bill.total.wasted_usd - bill.total.usd) < 0.01
        states = Counter(attempt.status for attempt in reader.attempts())
        (kept,) = connection.execute(
            "SELECT count(DISTINCT run || stage || step) FROM steps JOIN attempts ON attempts.id = steps.attempt"
        ).fetchone()
        here = reader.attempts(Scope(workspace="here"))
    assert kept == 30 * 32
    assert states["done"] == 30 * 4
    assert states["killed"] and states["failed"]
    assert {attempt.origin.run for attempt in here} == {f"flow-{number}" for number in range(1, 30, 2)}
    assert {result.stage: result.made is not None for result in bill.results} == dict.fromkeys(IDENTITIES, True)


def test_it_measures_all_that_it_reports(tmp_path: Path) -> None:
    figures = measure(Size(runs=3, steps=5), repeats=1, appended=3, folder=tmp_path)
    assert figures["bill_off_rows_usd"] < 0.01
    assert figures["steps"] >= 15
    assert (
        figures["ratio_sum_of_all_steps_over_bill"]
        == figures["sum_of_all_steps_s"] / figures["bill_in_process"]["wall_s"]
    )
    with closing(sqlite3.connect(tmp_path / "empty.db")) as connection:
        assert connection.execute("SELECT count(*) FROM steps").fetchone() == (3,)
