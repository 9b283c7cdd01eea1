"""A flow here and now, on a Prefect server of its own that ends with it.

Whatever PREFECT_* the environment holds is left out: an address would send the run to a server that may be gone.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from flows.server import HOST, temporary_server
from stages.process import hold_lock

PREFECT_HOME = Path(".prefect").resolve()
LOCK = Path("runs/flow.lock")
BUSY = "another flow is climbing in this workspace"


class Stop(KeyboardInterrupt):
    """SIGINT or SIGTERM. Prefect lets a KeyboardInterrupt through."""

    def __init__(self, number: int) -> None:
        self.number = number


def raise_stops() -> None:
    """Have the first SIGINT or SIGTERM raise `Stop`, and ignore those after it."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _raise_stop)


def spare_proxy() -> None:
    """Have no proxy that the environment names asked for this machine's own servers."""
    for name in ("no_proxy", "NO_PROXY"):
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), HOST]))


def run_here(flow: Callable[[], None], again: str, check: Callable[[], object] = lambda: None) -> None:
    """Call `flow`, which has to import Prefect itself, with a server at hand; after a stop exit, saying that `again` goes on.

    `check` comes first, with the workspace's lock held: for what it refuses no server is started.
    """
    raise_stops()
    try:
        with hold_lock(LOCK, BUSY):
            check()
            with _own_server():
                flow()
    except Stop as stop:
        print(f"stopped; `{again}` goes on from where it was", file=sys.stderr)
        sys.exit(128 + stop.number)


@contextmanager
def _own_server() -> Iterator[None]:
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        del os.environ[name]
    os.environ |= {
        "PREFECT_HOME": str(PREFECT_HOME),
        "PREFECT_MEMO_STORE_PATH": str(PREFECT_HOME / "memo_store.toml"),
        "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
        "PREFECT_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    spare_proxy()
    PREFECT_HOME.mkdir(exist_ok=True)
    with temporary_server(PREFECT_HOME) as server:
        os.environ["PREFECT_API_URL"] = server.api_url
        import prefect  # noqa: F401  (it reads its settings when it is imported, while the server starts)

        server.wait_until_ready()
        yield


def _raise_stop(number: int, frame: FrameType | None) -> None:
    for each in (signal.SIGINT, signal.SIGTERM):  # the stages are being stopped: another signal must not cut that short
        signal.signal(each, signal.SIG_IGN)
    raise Stop(number)
