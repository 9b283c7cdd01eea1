"""The pictures of the dashboard for the README and the documentation, of the runs of this checkout.

    python -m docs.pictures [--runs NAME ...]

Every page in docs/dashboard/, as the real server and a Chromium draw it: 1280 pixels wide and light; the stability page dark as
well, the overview on a telephone, too.
"""

import argparse
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlencode

from tests.dashboards.browser import NARROW, Visitor, chromium_running, dashboard

FOLDER = Path("docs/dashboard")
DARK, TELEPHONE = "Stability", "Overview"  # the pages that are shown so as well


def take(runs: Sequence[str], folder: Path = FOLDER) -> list[Path]:
    """Write the pictures to `folder`, with `runs` chosen (none: what the dashboard chooses), and return where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen = "?" + urlencode([("runs", name) for name in runs]) if runs else ""
    taken = []
    with (
        tempfile.TemporaryDirectory() as scratch,
        dashboard(Path(), Path(scratch) / "server.log") as (address, _),
        chromium_running() as browser,
    ):
        light, dark = Visitor(browser, address), Visitor(browser, address, dark=True)
        narrow = Visitor(browser, address, NARROW)
        light.open()
        for name, path in light.pages().items():
            wanted = [
                (light, ""),
                *([(dark, "-dark")] * (name == DARK)),
                *([(narrow, "-narrow")] * (name == TELEPHONE)),
            ]
            for visitor, suffix in wanted:
                visitor.open(path + chosen)
                taken.append(folder / f"{re.sub('[^a-z]+', '-', name.lower())}{suffix}.png")
                visitor.page.screenshot(path=taken[-1], animations="disabled")
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", nargs="*", default=[], help="those to choose, by name")
    for path in take(parser.parse_args().runs):
        print(path)


if __name__ == "__main__":
    main()
