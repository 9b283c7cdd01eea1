"""A flow in the process that a Prefect worker starts for it: it dies with the worker, and what a user can mend is one line of it.

A flow that is called in one's own process is as any function: its LadderError is raised.
"""

import logging
import os
import signal
import socket
from collections.abc import Callable
from typing import Any, TypeVar

import psutil
from prefect.client.schemas.objects import State
from prefect.exceptions import FailedRun
from prefect.states import Failed

from flows.workspace import FLOW_RUN
from stages.errors import LadderError
from stages.process import die_with_parent

Result = TypeVar("Result")
RUNNER_PORT = "PREFECT__CONTROL_PORT"  # where the worker that started it listens


def in_worker() -> bool:
    return FLOW_RUN in os.environ


def as_flow_run(work: Callable[[], Result]) -> Result | State[Any]:
    """Do a flow's `work`; in a worker's process a LadderError is returned as a Failed state with its line."""
    die_with_worker()
    try:
        return work()
    except LadderError as error:
        if not in_worker():
            raise
        for name in ("prefect.flow_runs", "prefect.engine"):
            logging.getLogger(name).addFilter(_is_news)
        return Failed(message=str(error))


def die_with_worker() -> None:
    """In a worker's process: have SIGTERM end it when the worker ends, kill -9 included, or has ended already."""
    if not in_worker():
        return
    die_with_parent(os.getppid())
    # Since then the kernel watches the parent; but if the worker died before, that is whoever adopts orphans.
    port = psutil.Process().environ().get(RUNNER_PORT)  # as it was at the start: Prefect takes it out of os.environ
    if port is not None and not _listens(int(port)):
        os.kill(os.getpid(), signal.SIGTERM)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


def _is_news(record: logging.LogRecord) -> bool:
    """Not that a flow with a Failed state has failed, with the traceback of what Prefect makes of it: the state has said why."""
    return not (record.exc_info and isinstance(record.exc_info[1], FailedRun))
