"""How every stage runs: settings and inputs are checked, the attempt is booked, any end of it is one clear line.

``with stage("train@8k") as running: ...`` checks params.yaml, the stage's inputs and what it needs before the work begins, and
records how it ended: done, failed (exit code 2) or killed (SIGTERM 143, Ctrl-C 130, a budget's limit 3).
"""

import errno
import os
import signal
import sqlite3
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from stages.accounting.booking import Booking
from stages.accounting.budget import Purse
from stages.accounting.ledger import Ledger
from stages.accounting.meters import meter_of
from stages.accounting.origin import SWEEP, run_of_this_process
from stages.accounting.prices import read_prices
from stages.accounting.records import CPU_CORE, Device, Failure, Status, StepCost
from stages.accounting.workspace import present_prices
from stages.errors import FULL_DISK, SQLITE_FULL_DISK, BudgetReached, Cause, LadderError
from stages.estimate import check_fits, parameters
from stages.graph import check_inputs, inputs_identities, load_graph, workspace_identity
from stages.params import Operations, Params, load_params
from stages.process import STOP_S, Stopped, die_with_parent, process_age_s, processor, raise_when_stopped, repeating

HEARTBEAT_S = 5.0
PROGRESS_MARK = "~ "  # what the flow shows as its live line
ERRORS = Path("runs/errors")
PRUNED = Path("runs/pruned")  # written by who prunes, before the stop: why
ATTEMPT, IDENTITY = "LADDER_ATTEMPT", "LADDER_IDENTITY"
LOST_DEVICE = (  # the words of CUDA's errors (cudaGetErrorString) that are the machine's fault
    "uncorrectable ECC error", "uncorrectable NVLink error", "busy or unavailable", "unspecified launch failure",
    "hardware stack error", "GPU is lost", "has fallen off the bus",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Running:
    """A stage at work: its settings, its identity, and where it says how far it is and what a step took."""

    name: str
    params: Params
    identity: str
    booking: Booking

    def took(self, cost: StepCost) -> str | None:
        """Book a step; why the work has to end with it, if it has to."""
        return self.booking.took(cost)

    def environment(self) -> dict[str, str]:
        """By which a process that shares the work joins it."""
        return {ATTEMPT: str(self.booking.attempt), IDENTITY: self.identity}

    def replan(self, operations: Operations) -> None:
        """Book that the work goes by other `operations` than the settings'."""
        plan = _plan(self.name, self.params.model_copy(update={"operations": operations}))
        self.booking.ledger.replan(self.booking.attempt, plan)

    def say(self, note: str) -> None:
        """A line of its own that a log keeps, the flow's live line while it is the last one."""
        print(f"{'' if sys.stderr.isatty() else PROGRESS_MARK}{self.name} {note}", file=sys.stderr, flush=True)

    def progress(self, done: int, total: int, note: str = "") -> None:
        """On a terminal one line that lives, else (for the flow and for logs) a line of its own."""
        said = f"{self.name} {done}/{total} {note}".rstrip()
        if sys.stderr.isatty():
            print(f"\r\x1b[K{said}", end="\n" if done == total else "", file=sys.stderr, flush=True)
        else:
            print(f"{PROGRESS_MARK}{said}", file=sys.stderr, flush=True)


def one_core(params: Params) -> Device:
    return Device(CPU_CORE, 1)


@contextmanager
def stage(name: str, device: Callable[[Params], Device] = one_core) -> Iterator[Running]:
    """Run the block as an attempt at stage `name` of dvc.yaml on `device`; never returns to the caller after a failure."""
    if "DVC_STAGE" in os.environ:  # by itself a stage may outlive its shell, as nohup wants
        die_with_parent()
    booking: Booking | None = None

    def book_late(number: signal.Signals) -> None:
        if booking:
            with suppress(sqlite3.Error):  # who can't write it now is booked by who opens the ledger next
                status, failure = _stopped(f"{Stopped(number)}, and did not end in {STOP_S:.0f} s")
                Ledger.open_here().end(booking.attempt, status, failure)

    raise_when_stopped(book_late)
    try:
        ledger = Ledger.open_here()
        booking = Booking(ledger, ledger.start(name, process_age_s()))
        running = _checked(name, device, booking)
        with _heartbeat(booking):
            yield running
        booking.end("done")
    except Stopped as stop:
        if booking:
            booking.end(*_stopped(str(stop)))
        sys.exit(128 + stop.number)
    except Exception as error:  # a stage may raise anything: it must be booked as failed and end in one line
        message = one_line(name, error)
        print(f"error: {message}", file=sys.stderr, flush=True)
        if booking:  # a budget's end is no fault: the work is kept
            booking.end("killed" if isinstance(error, BudgetReached) else "failed", Failure(cause_of(error), message))
        sys.exit(error.exit_code if isinstance(error, LadderError) else 2)


def _checked(name: str, device: Callable[[Params], Device], booking: Booking) -> Running:
    params = load_params()
    graph = load_graph()
    check_inputs(graph[name], graph)
    identity = workspace_identity(graph[name])
    occupied = device(params)
    operations = params.operations
    # First: nothing is booked on a device without a price.
    price = read_prices().price_of(occupied.name, operations.market, operations.prices)
    booking.ledger.identify(booking.attempt, identity, occupied, price.booked(), _plan(name, params))
    booking.meter = meter_of(occupied, price.watts)
    booking.purse = _purse(name, params, identity)
    if why := booking.over_budget():
        raise BudgetReached(why)
    if name.startswith("train@") and booking.purse.limited:
        from stages.accounting.ahead import check_ahead  # simulates with what no other stage needs

        check_ahead(params, booking.ledger.read, present_prices(), name.removeprefix("train@"))
    check_fits(params, checkpoints=sum(out.startswith("models/") for out in graph[name].outs))
    return Running(name, params, identity, booking)


def joined(name: str) -> Running:
    """The attempt at `name` that another process has checked and booked, and shares with this one."""
    params, ledger, identity = load_params(), Ledger.open_here(), os.environ[IDENTITY]
    booking = Booking(ledger, int(os.environ[ATTEMPT]), purse=_purse(name, params, identity))
    return Running(name, params, identity, booking)


def _purse(name: str, params: Params, identity: str) -> Purse:
    below = frozenset(inputs_identities(load_graph(), name))
    return Purse(params.operations.budget, run_of_this_process(), os.environ.get(SWEEP), identity, below)


def _plan(name: str, params: Params) -> dict[str, str | int]:
    """What the last bits of a result depend on besides the identity, and what was asked of a rung."""
    operations = params.operations
    return {
        "processor": processor(),
        "devices": operations.devices,
        "zero_stage": operations.zero_stage,
        "rollout_batch_rows": operations.rollout_batch_rows,
        "micro_batch_tokens": operations.micro_batch_tokens,
        **_asked(name, params),
    }


def _asked(name: str, params: Params) -> dict[str, int]:
    """Of a rung, what its steps are asked for: by it their seconds compare with those of other settings."""
    if not name.startswith("train@"):
        return {}
    rung = params.rungs.of(name.removeprefix("train@"))
    return {
        "parameters": round(parameters(params)),
        "context": rung.max_response_tokens,
        "rollouts_per_prompt": rung.rollouts_per_prompt,
        "prompts_per_step": params.grpo.prompts_per_step,
    }


@contextmanager
def _heartbeat(booking: Booking) -> Iterator[None]:
    beats = Ledger(booking.ledger.path)  # a connection of its own: the stage's may be in use

    def beat() -> None:
        with suppress(sqlite3.Error):  # a busy ledger or a full disk: the next beat may get through, work goes on
            beats.beat(booking.attempt, booking.energy())

    with closing(beats), repeating(beat, HEARTBEAT_S):
        yield


def _stopped(how: str) -> tuple[Status, Failure]:
    """How a stop is booked: as killed, or as pruned where a sweep has said why."""
    if PRUNED.exists():
        return "pruned", Failure("pruned", PRUNED.read_text())
    return "killed", Failure("stopped", how)


def one_line(name: str, error: Exception) -> str:
    """What is said of an error that ends the stage `name`; of one that nobody expected, where its traceback is."""
    if isinstance(error, LadderError):
        return str(error)
    if _is_full_disk(error):
        return f"{name}: no disk space left ({' '.join(str(error).split())}); free some and run it again, it resumes where it can"
    summary = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    if type(error).__name__ == "OutOfMemoryError":  # torch's
        summary = (
            f"no GPU memory left ({summary}); set operations.micro_batch_tokens, rollout_batch_rows or vllm_gpu_memory lower, or "
            "train on shorter responses, and run it again, it resumes where it can"
        )
    trace = ERRORS / f"{name}-{int(time.time())}.txt"
    try:
        trace.parent.mkdir(parents=True, exist_ok=True)
        trace.write_text("".join(traceback.format_exception(error)))
    except OSError:  # the message matters more than its traceback
        return f"{name}: {summary}"
    return f"{name}: {summary}; the traceback is in {trace}"


def cause_of(error: Exception) -> Cause:
    """By which a flow tells what may pass (memory, a lost device) from what would end the same again."""
    if isinstance(error, LadderError):
        return error.cause
    if _is_full_disk(error):
        return "disk"
    out_of_memory = (
        isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    )  # torch's, not imported here
    if out_of_memory:
        return "memory"
    return "device" if any(sign in str(error) for sign in LOST_DEVICE) else "error"


def _is_full_disk(error: BaseException) -> bool:
    """Whether a full disk is behind it: torch hides the error that says so, safetensors tells it in words, SQLite by name."""
    if isinstance(error, OSError) and error.errno in FULL_DISK:
        return True
    if getattr(error, "sqlite_errorname", "") in SQLITE_FULL_DISK:
        return True
    if os.strerror(errno.ENOSPC) in str(error):
        return True
    return error.__context__ is not None and _is_full_disk(error.__context__)
