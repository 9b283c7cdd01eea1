"""Whether the dashboard stays quick with a year's runs, beside TensorBoard on the same series.

    python -m benchmarks.dashboard [--runs 100] [--steps 2000] [--chosen 8] [--repeats 5] [--folder DIR]

The runs are those of benchmarks/filled_runs.py (made in DIR, or found there). A real headless Chromium looks at the real
server. A page counts as drawn when a visitor sees no placeholder any more: the script has ended, every chart and table in sight
has its picture (tests/dashboards/browser.py). `first_page` is a fresh server's first one, for a browser that was just
installed; `second_visitor` has another fresh profile at the same server; `page_change` is a click in the navigation with
`--chosen` runs, the first round of each server told apart; `step_drawn` is from when a run at work has booked a step
(live_run.py) until its time line has it, in a page that nobody touches. Medians; seconds from the beginning of the navigation.
TensorBoard's page comes after it has read all (tensorboard_peer.py): its ratios leave that out, `reading_s` has it.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlencode

from benchmarks.filled_runs import fill_runs
from benchmarks.live_run import NAME, at_work
from benchmarks.record import write_result
from benchmarks.tensorboard_peer import memory_of, tensorboard_figures
from dashboards.load.book import EMPTY
from dashboards.load.runs import all_runs
from dashboards.tensorboard import points_of, write_events
from tests.dashboards.browser import Visitor, chromium_running, dashboard

AIMS = {"first_page_s": 2.0, "page_change_s": 1.0, "step_drawn_s": 3.0, "rss_mib": 1024.0}
STEPS_WATCHED = 20
STRIP_STEPS = """() => {
    const line = document.querySelector("[data-testid=stVegaLiteChart] svg.marks .mark-line.role-mark path");
    return line ? line.getAttribute("d").split("L").length : 0;
}"""
ROUNDS = 2  # through all pages, of each server


def measure(root: Path, chosen: Sequence[str], repeats: int, folder: Path) -> dict[str, Any]:
    """All figures of the filled checkout `root`; `folder` takes logs and events."""
    visits = [_visit(root, chosen, folder / "dashboard.log") for _ in range(repeats)]
    ours = _medians(visits) | {"step_drawn": _steps_drawn(root, folder / "dashboard.log")}
    runs = all_runs(root, EMPTY)
    peers = {}
    for name, some in (("all", runs), ("chosen", [run for run in runs if run.key in chosen])):
        began = time.perf_counter()
        for run in some:
            write_events(points_of(run, EMPTY), folder / name / run.key, began)
        wrote_s = time.perf_counter() - began
        looks = [tensorboard_figures(folder / name, len(some), folder / "tensorboard.log") for _ in range(repeats)]
        peers[name] = _medians(looks) | {"writing_events_s": wrote_s}
    return {
        "ratio_tensorboard_over_first_page": peers["all"]["drawn_s"] / ours["first_page_s"],
        "ratio_tensorboard_over_chosen_runs": peers["chosen"]["drawn_s"] / ours["chosen_by_address_s"],
        "ratio_tensorboard_over_memory": peers["all"]["pss_mib"] / ours["pss_mib"],
        "dashboard": ours,
        "tensorboard": peers,
        "aims": AIMS,
        "aims_met": {
            "first_page_s": ours["first_page_s"] < AIMS["first_page_s"],
            "page_change_s": max(*ours["page_change"].values(), *ours["page_change_first_round"].values())
            < AIMS["page_change_s"],
            "step_drawn_s": ours["step_drawn"]["most_s"] < AIMS["step_drawn_s"],
            "rss_mib": ours["rss_mib"] < AIMS["rss_mib"],
        },
    }


def _visit(root: Path, chosen: Sequence[str], log: Path) -> dict[str, Any]:
    """One server's life: its first visitor, its second, and a walk through all pages."""
    began = time.perf_counter()
    with dashboard(root, log) as (address, server):
        started_s = time.perf_counter() - began
        with chromium_running() as browser:
            first = Visitor(browser, address)
            first_s = first.open()
            second_s = Visitor(browser, address).open()
            reader = Visitor(browser, address)
            by_address_s = reader.open("/stability?" + urlencode([("runs", key) for key in chosen]))
            drawn = reader.page.locator("[data-testid=stSidebar] [data-testid=stMultiSelect] [data-tag]").count()
            if drawn != len(chosen):
                raise RuntimeError(f"{drawn} runs are chosen, not {len(chosen)}")
            rounds = [{name: reader.go(name) for name in reader.pages()} for _ in range(ROUNDS)]
            if wrong := reader.failures() + reader.errors:
                raise RuntimeError(f"the dashboard failed: {wrong}")
        return {
            "server_start_s": started_s,
            "first_page_s": first_s,
            "second_visitor_s": second_s,
            "chosen_by_address_s": by_address_s,
            "page_change": rounds[-1],
            "page_change_first_round": rounds[0],
            **memory_of(server),
        }


def _steps_drawn(root: Path, log: Path) -> dict[str, float]:
    """From a step's booking until the page has drawn it, at any moment between two looks at the sources."""
    random, taken = Random(0), []
    with dashboard(root, log) as (address, _), chromium_running() as browser, at_work(root) as run:
        run.step()
        reader = Visitor(browser, address)
        reader.open(f"/stability?runs={NAME}")
        for _ in range(STEPS_WATCHED):
            reader.page.wait_for_timeout(1000 * random.uniform(0, 2))
            step, began = run.step(), time.perf_counter()
            reader.page.wait_for_function(f"step => ({STRIP_STEPS})() >= step", arg=step)
            taken.append(time.perf_counter() - began)
    return {"median_s": statistics.median(taken), "most_s": max(taken), "steps": STEPS_WATCHED}


def _medians(figures: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of each figure, nested ones too."""
    return {
        name: _medians([one[name] for one in figures])
        if isinstance(figures[0][name], dict)
        else statistics.median(one[name] for one in figures)
        for name in figures[0]
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--steps", type=int, default=2000, help="of a run, its rungs together")
    parser.add_argument("--chosen", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="keep the filled checkout there, or find it there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = options.folder or Path(scratch) / "filled"
        if not (root / "runs/ledger.db").exists():
            root.mkdir(parents=True, exist_ok=True)
            fill_runs(root, options.runs, options.steps)
        chosen = [f"trial-{number:03d}" for number in range(options.chosen)]
        figures = measure(root, chosen, options.repeats, Path(scratch))
    configuration = {name: value for name, value in vars(options).items() if name != "folder"}
    packages = ["streamlit", "altair", "pandas", "pyarrow", "playwright", "tensorboard"]
    print(json.dumps(figures, indent=2))
    print(write_result("dashboard", packages, configuration, figures))


if __name__ == "__main__":
    main()
