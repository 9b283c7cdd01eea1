"""Whose a trial under way is: the process that makes it, whether that is still there, and so who may go on with it."""

import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from optuna import Study
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import SQLAlchemyError

from stages.process import machine, process_began, repeating

BEAT_S = 30.0
SILENT_S = 300.0  # ten beats: after it a process of another machine counts as gone

Owner = Mapping[str, Any]
"""As the study keeps it: machine, host, pid, and when the process began."""


def this_process() -> dict[str, Any]:
    pid = os.getpid()
    return {"machine": machine(), "host": socket.gethostname(), "pid": pid, "began": process_began(pid)}


def is_gone(owner: Owner | None, beats: Mapping[str, Any], now: float) -> bool:
    """Whether nobody makes a trial of `owner` any more.

    Of this machine that is known for certain; of others by their beats, the study's attributes. None is who was killed before it
    had said who it is.
    """
    if owner is None:
        return True
    if owner["machine"] == machine():
        return bool(process_began(owner["pid"]) != owner["began"])
    return now - float(beats.get(_beat(owner), 0.0)) > SILENT_S


@contextmanager
def beating(study: Study, owner: Owner) -> Iterator[None]:
    """Have the study know, while the block runs, that `owner` is there."""

    def beat() -> None:
        with suppress(SQLAlchemyError, StorageInternalError):  # a busy database: the next beat may get through
            study.set_user_attr(_beat(owner), time.time())

    beat()
    with repeating(beat, BEAT_S):
        yield


def _beat(owner: Owner) -> str:
    return f"alive {owner['machine']} {owner['pid']} {owner['began']}"
