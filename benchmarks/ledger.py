"""Whether a ledger of years stays quick: the bill, the dashboard's questions, a step's booking, the backup.

    python -m benchmarks.ledger [--runs 1000] [--steps 2000] [--repeats 7] [--appended 2000]

The ledger is filled as filled_ledger.py says, half of its runs by this workspace; every run climbs all stages of dvc.lock. The
bill is timed as a command from its start to its end (byte code compiled before, as for any second command) and in a process.
Nobody else accounts for what training costs: what the bill is compared with is one SQL sum over every step that the ledger
holds, in the same run. Times are medians in seconds; a step's booking has its 99th percentile too, on the full ledger and on an
empty one, each with SQLite's own syncing to the disk that the checkout is on.
"""

import argparse
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.filled_ledger import DEVICE, DEVICES, USD_PER_HOUR, Size, climbs, fill
from benchmarks.record import write_result
from stages.accounting.backup import back_up, backup_of, broken
from stages.accounting.bill import Bill, attempt_usd, make_bill
from stages.accounting.ledger import SHARED, Ledger
from stages.accounting.origin import workspace
from stages.accounting.reading import EVERYTHING, LedgerReader, Scope, reading
from stages.accounting.records import BookedPrice, Device, StepCost
from stages.accounting.schema import step_sums
from stages.accounting.workspace import present_prices, recorded_identities

ELSEWHERE = "/another/worktree"
PRICE = BookedPrice(USD_PER_HOUR, None, "on-demand", "2026-01-01", "benchmark")


def measure(size: Size, repeats: int, appended: int, folder: Path) -> dict[str, Any]:
    """All figures of a ledger of `size` that is made in `folder`."""
    path, identities = folder / "ledger.db", recorded_identities()
    began = time.perf_counter()
    fill(path, climbs(size.runs, identities, [ELSEWHERE, workspace()]), size.steps)
    filled_s = time.perf_counter() - began
    with reading(path) as reader, closing(sqlite3.connect(path)) as connection:
        bill = make_bill(reader, EVERYTHING, identities, present_prices())
        billing = wall_and_cpu(lambda: make_bill(reader, EVERYTHING, identities, present_prices()), repeats)
        naive_s = median_s(lambda: sum_all_steps(connection), repeats)
        (steps,) = connection.execute("SELECT count(*) FROM steps").fetchone()
        size_of = {"attempts": bill.total.attempts, "steps": steps, "bill_lines": len(bill.lines)}
        off_usd = abs(bill.total.usd - rows_usd(connection))
        queries = questions(reader, bill, repeats)
    commands = {
        " ".join(options) or "default": command_s(options, path, folder, repeats)
        for options in ([], ["--all"], ["--json"])
    }
    return {
        "ratio_sum_of_all_steps_over_bill": naive_s / billing["wall_s"],
        "bill_command": commands,
        "bill_in_process": billing,
        "sum_of_all_steps_s": naive_s,
        "bill_off_rows_usd": off_usd,
        "questions": queries,
        "append_step_s": {
            "full": append_s(path, appended),
            "empty": append_s(folder / "empty.db", appended),
        },
        "opening_s": median_s(lambda: Ledger(path).close(), repeats),
        "backup_with_its_check_s": backup_s(path),
        "integrity_check_s": median_s(lambda: broken(path, whole=True), 1),
        "bytes": path.stat().st_size,
        "bytes_a_step": path.stat().st_size / steps,
        "filled_s": filled_s,
        **size_of,
    }


def median_s(work: Callable[[], object], repeats: int, clock: Callable[[], float] = time.perf_counter) -> float:
    taken = []
    for _ in range(repeats):
        began = clock()
        work()
        taken.append(clock() - began)
    return statistics.median(taken)


def wall_and_cpu(work: Callable[[], object], repeats: int) -> dict[str, float]:
    """Where the second is far less than the first, others kept the processor or the disk busy."""
    return {"wall_s": median_s(work, repeats), "cpu_s": median_s(work, repeats, time.process_time)}


def rows_usd(connection: sqlite3.Connection) -> float:
    """What the ledger's rows come to, by SQL alone."""
    (usd,) = connection.execute(
        "SELECT (SELECT sum(wall_s / 3600.0 * device_count * usd_per_hour) FROM attempts)"
        " + (SELECT ifnull(sum(usd), 0.0) FROM corrections)"
    ).fetchone()
    return float(usd)


def sum_all_steps(connection: sqlite3.Connection) -> list[Any]:
    sums = ", ".join(f"sum({sql})" for sql in step_sums("steps").values())
    return connection.execute(f"SELECT attempt, {sums} FROM steps GROUP BY attempt").fetchall()


def questions(reader: LedgerReader, bill: Bill, repeats: int) -> dict[str, dict[str, float]]:
    """What a dashboard asks."""
    rung = next(line.attempt for line in reversed(bill.lines) if line.stage.startswith("train@"))
    run = reader.last_run() or ""

    def spent() -> list[float | None]:
        return [attempt_usd(attempt, attempt.price) for attempt in reader.attempts(EVERYTHING)]

    asked: dict[str, Callable[[], object]] = {
        "last_run": reader.last_run,
        "attempts_of_a_run": lambda: reader.attempts(Scope(run=run)),
        "attempts_of_a_workspace": lambda: reader.attempts(Scope(workspace=workspace())),
        "attempts_of_all": lambda: reader.attempts(EVERYTHING),
        "dollars_of_all_attempts": spent,
        "totals": reader.totals,
        "steps_of_a_rung": lambda: reader.steps(rung),
        "corrections": reader.corrections,
    }
    return {name: wall_and_cpu(ask, repeats) for name, ask in asked.items()}


def command_s(options: Sequence[str], path: Path, folder: Path, repeats: int) -> dict[str, float]:
    """The whole process of a bill: by the clock, and the processor's share of that."""
    environment = os.environ | {SHARED: str(path), "PYTHONPYCACHEPREFIX": str(folder / "compiled"), "PYTHONPATH": "."}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-m", "stages.accounting", "bill", *options]

    def bill() -> None:
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)

    bill()
    before = os.times()
    wall_s = median_s(bill, repeats)
    after = os.times()
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    return {"wall_s": wall_s, "mean_cpu_s": cpu_s / repeats}


def append_s(path: Path, steps: int) -> dict[str, float]:
    ledger = Ledger(path)
    attempt = ledger.start("train@8k")
    ledger.identify(attempt, "appended", Device(DEVICE, DEVICES), PRICE, {})
    cost = StepCost(0, sample_s=30.0, update_s=10.0, sampled_tokens=1_000_000, trained_tokens=1_000_000)
    taken, computed = [], []
    for number in range(1, steps + 1):
        step = replace(cost, step=number)
        began, began_cpu = time.perf_counter(), time.thread_time()
        ledger.took(attempt, step)
        computed.append(time.thread_time() - began_cpu)
        taken.append(time.perf_counter() - began)
    ledger.close()
    taken.sort()
    p99 = len(taken) * 99 // 100
    return {
        "median": statistics.median(taken),
        "p99": taken[p99],
        "most": taken[-1],
        "median_cpu": statistics.median(computed),
        "p99_cpu": sorted(computed)[p99],
    }


def backup_s(path: Path) -> float:
    backup_of(path).unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        return median_s(lambda: back_up(connection, path), 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=2000, help="of a run, its rungs together")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--appended", type=int, default=2000, help="steps that are booked one by one")
    options = parser.parse_args()
    Path("runs").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir="runs") as folder:
        figures = measure(Size(options.runs, options.steps), options.repeats, options.appended, Path(folder))
    print(write_result("ledger", [], vars(options) | {"sqlite": sqlite3.sqlite_version}, figures))


if __name__ == "__main__":
    main()
