"""TensorBoard on the series of filled runs: what it takes until its scalars are drawn, and its memory.

It reads a folder in the background, and a page that comes too early shows nothing: `reading_s` is from its start until it lists
every run's tags, `drawn_s` from the beginning of a fresh browser's navigation, begun after that, until no card in sight waits
any more. It thins a series to 1,000 points and shows what it shows by default.
"""

import sys
import time
from pathlib import Path

import httpx
import psutil

from tests.dashboards.browser import HOST, WIDE, chromium_running, free_port, serving

READ_LIMIT_S = 300.0
DRAW_LIMIT_MS = 120e3
# Seconds from the navigation until no card in sight waits, once that has held for a second: a card's wait begins after the card.
DRAWN = """() => {
    const done = document.querySelectorAll("scalar-card line-chart canvas").length > 0
        && document.querySelectorAll("mat-spinner").length === 0;
    window.drawnAt = done ? window.drawnAt ?? performance.now() : undefined;
    return window.drawnAt !== undefined && performance.now() - window.drawnAt > 1000 ? window.drawnAt / 1000 : false;
}"""


def tensorboard_figures(events: Path, runs: int, log: Path) -> dict[str, float]:
    """Of the `runs` whose events lie in `events`: one start of a server, one visit."""
    address = f"http://{HOST}:{(port := free_port())}"
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(events), "--host", HOST, "--port", str(port)]
    began = time.perf_counter()
    with serving(command, events, log, f"{address}/data/environment") as server:
        _wait_until_read(address, runs)
        reading_s = time.perf_counter() - began
        with chromium_running() as browser:
            page = browser.new_context(viewport={"width": WIDE, "height": 900}).new_page()
            page.goto(f"{address}/#timeseries", wait_until="commit")
            drawn_s = float(page.wait_for_function(DRAWN, timeout=DRAW_LIMIT_MS).json_value())
        return {"reading_s": reading_s, "drawn_s": drawn_s, **memory_of(server)}


def memory_of(server: psutil.Process) -> dict[str, float]:
    """Of a process and all that it has started: resident, and with what several share counted once (Linux)."""
    held = [one.memory_full_info() for one in (server, *server.children(recursive=True))]
    return {"rss_mib": sum(one.rss for one in held) / 2**20, "pss_mib": sum(one.pss for one in held) / 2**20}


def _wait_until_read(address: str, runs: int) -> None:
    deadline = time.monotonic() + READ_LIMIT_S
    with httpx.Client(trust_env=False, timeout=30) as client:
        while time.monotonic() < deadline:
            if len(client.get(f"{address}/data/plugin/scalars/tags").json()) == runs:
                return
            time.sleep(0.1)
    raise TimeoutError(f"TensorBoard has not read {runs} runs in {READ_LIMIT_S:.0f} s")
