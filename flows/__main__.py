"""`python -m flows`: climb the ladder here and now, on a Prefect server of its own that ends with it.

Whatever PREFECT_* the environment holds is left out: an address would send the run to a server that may be gone. The
server's home is printed, so that `prefect server start` shows the runs afterwards.
"""

import argparse
import os
import signal
import sys
from pathlib import Path
from types import FrameType

from flows.server import HOST, temporary_server
from stages.accounting.workspace import workspace_bill
from stages.errors import exit_on_error
from stages.params import load_params
from stages.process import hold_lock

PREFECT_HOME = Path(".prefect").resolve()
LOCK = Path("runs/flow.lock")


class _Stop(KeyboardInterrupt):
    """SIGINT or SIGTERM. Prefect lets a KeyboardInterrupt through."""

    def __init__(self, number: int) -> None:
        self.number = number


def _raise_stop(number: int, frame: FrameType | None) -> None:
    for each in (signal.SIGINT, signal.SIGTERM):  # the stages are being stopped: another signal must not cut that short
        signal.signal(each, signal.SIG_IGN)
    raise _Stop(number)


def _isolate_prefect() -> None:
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
    for name in ("no_proxy", "NO_PROXY"):
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), HOST]))
    PREFECT_HOME.mkdir(exist_ok=True)


def climb() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _raise_stop)
    _isolate_prefect()
    with hold_lock(LOCK, "another flow is climbing in this workspace"), temporary_server(PREFECT_HOME) as server:
        os.environ["PREFECT_API_URL"] = server.api_url
        from flows.ladder import ladder  # Prefect reads its settings when it is imported

        server.wait_until_ready()
        ladder()


def main() -> None:
    argparse.ArgumentParser(prog="python -m flows", description=__doc__).parse_args()
    try:
        climb()
    except _Stop as stop:
        print("stopped; `make run` goes on from where it was", file=sys.stderr)
        sys.exit(128 + stop.number)
    from flows.report import ladder_table

    print(ladder_table(load_params(), workspace_bill()))
    print(
        "\nwhere to look next:\n"
        "  reports/evaluation.md                    every figure with its interval, and which checkpoint beats which\n"
        "  make dashboard                           reward, KL, entropy, lengths by step; spend by attempt\n"
        "  .venv/bin/python -m dvc exp show         settings, accuracy and dollars of every experiment\n"
        f"  PREFECT_HOME={PREFECT_HOME} .venv/bin/prefect server start      the flow's runs"
    )


if __name__ == "__main__":
    exit_on_error(main)
