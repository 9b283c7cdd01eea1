"""`python -m flows`: climb the ladder here and now, on a Prefect server of its own that ends with it.

A PREFECT_API_URL left in the environment would send the run to a server that may be gone: the address and home are
this project's own. The home is printed, so that `prefect server start` shows the runs afterwards.
"""

import os
import signal
import sys
from pathlib import Path
from types import FrameType

from stages.accounting.workspace import workspace_bill
from stages.errors import exit_on_error
from stages.params import load_params

PREFECT_HOME = Path(".prefect").resolve()


def main() -> None:
    os.environ |= {
        "PREFECT_HOME": str(PREFECT_HOME),
        "PREFECT_API_URL": "",
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",  # the first start makes its database
        "PREFECT_MEMO_STORE_PATH": str(PREFECT_HOME / "memo_store.toml"),
        "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
        "PREFECT_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    PREFECT_HOME.mkdir(exist_ok=True)
    signal.signal(signal.SIGTERM, _interrupt)
    from flows.ladder import ladder  # Prefect reads its settings when it is imported
    from flows.report import ladder_table

    try:
        ladder()
    except KeyboardInterrupt:
        print("stopped; `make run` goes on from where it was", file=sys.stderr)
        sys.exit(130)
    print(ladder_table(load_params(), workspace_bill()))
    print(
        "\nwhere to look next:\n"
        "  make dashboard                           reward, KL, entropy, lengths by step; spend by attempt\n"
        "  .venv/bin/python -m dvc exp show         settings, accuracy and dollars of every experiment\n"
        f"  PREFECT_HOME={PREFECT_HOME} .venv/bin/prefect server start      the flow's runs"
    )


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    exit_on_error(main)
