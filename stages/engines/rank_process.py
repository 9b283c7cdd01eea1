"""A process as one of several ranks: it dies with the launcher, and its end tells the launcher which rank to blame."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch.distributed

from stages.engines.launch import CODES, LAUNCHER, LOST_ANOTHER, TOO_LARGE
from stages.errors import Cause, LadderError, MicroBatchTooLarge
from stages.process import Stopped, die_with_parent, raise_when_stopped


def is_rank() -> bool:
    """Whether `run_ranks` started this process."""
    return LAUNCHER in os.environ


@contextmanager
def as_rank(explain: Callable[[Exception], str], cause_of: Callable[[Exception], Cause]) -> Iterator[None]:
    """Run the block as a rank; the process ends with it. A failure ends in one line that `explain` makes of it, and its cause's
    exit code.
    """
    raise_when_stopped()  # and the process ends soon even where it waits for another rank in a collective
    try:
        die_with_parent(int(os.environ[LAUNCHER]))
        yield
    except Stopped as stop:
        _leave(128 + stop.number)
    except Exception as error:  # a rank may raise anything: the launcher has to be told in one line
        if _lost_another(error):
            _leave(LOST_ANOTHER)
        print(f"error: {explain(error)}", file=sys.stderr)
        _leave(TOO_LARGE if isinstance(error, MicroBatchTooLarge) else CODES.get(cause_of(error), CODES["error"]))
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    _leave(0)


def _leave(code: int) -> None:
    """Not sys.exit: tearing down a process group whose other ranks wait in a collective may wait for them, and one whose rank is
    done sometimes aborts there ("terminate called without an active exception": a thread of a library's that nobody joined).
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _lost_another(error: BaseException) -> bool:
    """Whether a collective failed because another rank was gone; gloo says so in words alone."""
    if isinstance(error, LadderError):
        return False
    if isinstance(error, torch.distributed.DistError) or (isinstance(error, RuntimeError) and "gloo" in str(error)):
        return True
    return error.__context__ is not None and _lost_another(error.__context__)
