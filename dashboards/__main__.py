"""Serve the dashboard: `python -m dashboards [--server.port 8600]`, `make dashboard`; options are those of `streamlit run`.

What takes long on the first visit (libraries, a hundred runs' tables) is read before the server says its address, for a moment at
most: the rest of a thousand runs while it serves.
"""

import sys
import threading
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from streamlit.web.cli import main as streamlit

APP = Path(__file__).with_name("app.py")
MOMENT_S = 3.0


def warm_up() -> None:
    """Read what the first page shows; what is wrong with it the page says."""
    from dashboards.load.overview import overview
    from dashboards.look import EXPECTED
    from dashboards.view import sources

    for page in ("evaluation", "problems", "samples", "spend", "stability", "sweep"):
        import_module(f"dashboards.screens.{page}")

    with suppress(*EXPECTED):
        found = sources()
        overview(found.runs, found.book)


def main() -> None:
    reading = threading.Thread(target=warm_up, daemon=True)
    reading.start()
    reading.join(MOMENT_S)
    sys.argv = ["streamlit", "run", str(APP), *sys.argv[1:]]
    streamlit()


if __name__ == "__main__":
    main()
