"""A dashboard as people see it: its real server and a real Chromium, for tests, the benchmark and the README's pictures."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

HOST = "127.0.0.1"
NAMED = "LADDER_CHROMIUM"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
HOW = f"no Chromium: `apt-get install chromium` brings one (or brew, dnf), {NAMED} names another's executable"
FLAGS = (
    "--no-sandbox",  # a container's root has no other way
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WRONG = (  # an exception, and what is no part of one: `st.error`, an element whose own code broke
    "[data-testid=stException],"
    ":is([data-testid=stAlertContentError], [data-testid=stErrorElementStack]):not([data-testid=stException] *)"
)
START_LIMIT_S = 60.0
STOP_LIMIT_S = 10.0
DRAW_LIMIT_S = 120.0
NARROW, WIDE = 390, 1280
SOUGHT = (
    "/_stcore/health",
    "/_stcore/host-config",
)  # Streamlit's page looks for its server below the page's own path first
LINKS = "[data-testid=stSidebarNavLink]"
# The server's process dies with the one that started it.
COMMAND = """
import sys
from stages.process import die_with_parent
die_with_parent(int(sys.argv.pop(1)))
from dashboards.__main__ import main
main()
"""

# What a visitor waits for: the script has ended, nothing is empty, a placeholder or left of what was there before, every chart
# in sight has a picture. `page` is the one that was asked for: the navigation marks it once its script has begun.
DRAWN = """page => {
    const seen = element => element.checkVisibility();
    const all = kind => [...document.querySelectorAll(kind)].filter(seen);
    const app = document.querySelector("[data-testid=stApp]");
    return app !== null
        && app.dataset.testScriptState === "notRunning"
        && app.dataset.testConnectionState === "CONNECTED"
        && (page === null || document.querySelector("[data-testid=stSidebarNavLink][aria-current=page]").innerText.endsWith(page))
        && all("[data-testid=stMain] [data-testid=stElementContainer]").length > 0
        && all("[data-testid=stTabPanel]").every(panel => panel.querySelector("[data-testid=stElementContainer]") !== null)
        && all("[data-testid=stSkeleton], [data-testid=stAppSkeleton], [data-testid=stSpinner]").length === 0
        && all("[data-stale=true]").length === 0
        && all("[data-testid=stVegaLiteChart]").every(chart => chart.querySelector("svg.marks, canvas") !== null)
        && all("[data-testid=stDataFrame]").every(table => table.querySelector("canvas") !== null);
}"""

# Of every chart in sight, how many marks (lines, bars, points, texts; no axis) its picture has; of a canvas, how many colours.
MARKS = """() => [...document.querySelectorAll("[data-testid=stVegaLiteChart]")]
    .filter(chart => chart.checkVisibility())
    .map(chart => {
        const canvas = chart.querySelector("canvas");
        if (canvas === null) return chart.querySelectorAll("svg.marks [class*=role-mark] > *").length;
        const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return new Set(new Uint32Array(data.buffer)).size - 1;
    })"""


def chromium() -> str | None:
    """The executable, None where this machine has none."""
    return os.environ.get(NAMED) or next((found for name in PROGRAMS if (found := shutil.which(name))), None)


@contextmanager
def chromium_running() -> Iterator[Browser]:
    """A fresh browser. Raises FileNotFoundError where there is none."""
    program = chromium()
    if program is None:
        raise FileNotFoundError(HOW)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def serving(command: list[str], cwd: Path, log: Path, health: str) -> Iterator[psutil.Process]:
    """`command` in `cwd` until the block ends, from when it answers at `health`; `log` takes what it says."""
    with log.open("wb") as said:
        process = subprocess.Popen(
            command, cwd=cwd, env=_environment(), stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
        )  # fmt: skip
    try:
        _wait_until_ready(process, health, log)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_LIMIT_S)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def dashboard(root: Path, log: Path) -> Iterator[tuple[str, psutil.Process]]:
    """The dashboard of the checkout `root`, as `make dashboard` starts it, on a free port: its address and its process."""
    port = free_port()
    address = f"http://{HOST}:{port}"
    command = [sys.executable, "-c", COMMAND, str(os.getpid()), "--server.port", str(port)]
    with serving(command, root, log, f"{address}/_stcore/health") as process:
        yield address, process


def free_port() -> int:
    with socket.socket() as free:
        free.bind((HOST, 0))
        return int(free.getsockname()[1])


class Visitor:
    """Somebody with a profile of their own at the dashboard of `address`.

    `errors` is what their browser complained of, and whom it asked besides the dashboard.
    """

    def __init__(self, browser: Browser, address: str, width: int = WIDE, dark: bool = False) -> None:
        self.context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light", locale="en-GB"
        )
        self.address = address
        self.errors: list[str] = []
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(DRAW_LIMIT_S * 1e3)
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", self._see)

    def open(self, path: str = "/") -> float:
        """Open a page by its address and wait until it is drawn; the seconds that took."""
        began = time.perf_counter()
        self.page.goto(self.address + path, wait_until="commit")
        self.wait_until_drawn()
        return time.perf_counter() - began

    def go(self, name: str) -> float:
        """Change to another page by the navigation and wait until it is drawn; the seconds that took."""
        link = self.page.locator(LINKS, has_text=name)
        began = time.perf_counter()
        link.click()
        self.wait_until_drawn(name)
        return time.perf_counter() - began

    def wait_until_drawn(self, page: str | None = None) -> None:
        self.page.wait_for_function(DRAWN, arg=page)

    def pages(self) -> dict[str, str]:
        """The navigation of a wide screen: names, and their addresses' paths."""
        links = self.page.locator(LINKS)
        links.first.wait_for()
        return {
            link.inner_text().split("\n")[-1]: urlsplit(link.get_attribute("href") or "").path or "/"
            for link in links.all()
        }

    def parts(self) -> Iterator[str]:
        """Show the page's tabs one after another; the names of those that are shown. A page without tabs is one part."""
        tabs = self.page.locator("[data-testid=stTab]")
        for place in range(tabs.count()):
            name = tabs.nth(place).inner_text()
            tabs.nth(place).click()
            self.page.locator("[data-testid=stTab][aria-selected=true]", has_text=name).first.wait_for()
            self.wait_until_drawn()
            yield name
        if not tabs.count():
            yield "all of it"

    def headings(self) -> list[str]:
        return self.page.locator("[data-testid=stMain] [data-testid=stHeading]").all_inner_texts()

    def marks(self) -> list[int]:
        """How much every chart in sight shows; 0: its axes at most."""
        found: list[int] = self.page.evaluate(MARKS)
        return found

    def failures(self) -> list[str]:
        """What the page itself says of errors: exceptions, parts that broke, `st.error`."""
        return self.page.locator(WRONG).all_inner_texts()

    def overflow(self) -> int:
        """How many pixels of the page are beyond the screen's side."""
        beyond: int = self.page.evaluate("() => document.documentElement.scrollWidth - window.innerWidth")
        return max(0, beyond)

    def close(self) -> None:
        self.context.close()

    def _hear(self, said: ConsoleMessage) -> None:
        where = said.location["url"]
        if said.type == "error" and not where.endswith(SOUGHT):
            self.errors.append(f"{said.text} ({where})")

    def _see(self, request: Request) -> None:
        if request.url.startswith(("http:", "https:")) and not request.url.startswith(self.address):
            self.errors.append(f"asks {request.url}")


def _environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("STREAMLIT_", "LADDER_", "DVC_"))}
    return kept | {"PYTHONPATH": ""}  # the folder's own code


def _wait_until_ready(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    with httpx.Client(trust_env=False, timeout=5) as client:
        while time.monotonic() < deadline and process.poll() is None:
            with suppress(httpx.TransportError):  # not listening yet
                if client.get(address).is_success:
                    return
            time.sleep(0.05)
    raise AssertionError(f"{address} does not answer:\n{log.read_text()}")
