"""One DVC stage as a Prefect task: `dvc --wait-for-lock repro --single-item STAGE` in a child process, if there is need of it.

The same command by hand gives the same bytes. How an attempt ended is read from the ledger: DVC exits with 255 for any
failure. What may pass is tried again, and goes on where it was; what would end the same is not.
"""

import random
import signal
from collections import deque
from subprocess import Popen
from typing import Any, Protocol

from prefect import Task, get_run_logger, runtime, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun

from flows.artifacts import StageProgress, show_result
from flows.children import DvcChildren
from flows.slots import hold_gpus
from stages.accounting.ledger import Ledger
from stages.accounting.reading import Scope
from stages.accounting.records import Attempt
from stages.errors import BudgetReached, Cause, GuardFired, LadderError
from stages.graph import StageSpec
from stages.params import CHECKPOINTS, Operations, Params
from stages.stage import PROGRESS_MARK

LAST_LINES = 20
ADVICE = ("To track the changes", "git add ", "To enable auto staging", "dvc config ", "Use `dvc push`")  # of DVC
UP_TO_DATE = "up to date"
ENDS: dict[Cause, str] = {"budget": "STOPPED by the budget", "pruned": "PRUNED"}
MAY_PASS: tuple[Cause, ...] = ("memory", "device", "vanished", "stopped")  # `stopped` by somebody else: preempted


class Watch(Protocol):
    """Who is told how far the stages are."""

    def show(self, stage: str, note: str) -> None:
        """`stage` is at `note`."""

    def end(self, stage: str, how: str) -> None:
        """`stage` has ended."""


class StageFailed(LadderError):
    """A stage's attempt ended without a result; `cause` says whether another one may end better."""

    def __init__(self, message: str, cause: Cause) -> None:
        super().__init__(message)
        self.cause = cause


def _may_pass(task: Task[Any, Any], run: TaskRun, state: State[Any]) -> bool:
    failure: Any = state.result(raise_on_failure=False)
    return isinstance(failure, StageFailed) and failure.cause in MAY_PASS


@task(task_run_name="{spec.name}", persist_result=False, cache_policy=NO_CACHE, retry_condition_fn=_may_pass)
def dvc_stage(spec: StageSpec, params: Params, watch: Watch, children: DvcChildren, unchanged: bool) -> bool:
    """Bring a stage up to date and return whether it had to run (False: unchanged, or restored from DVC's run cache).

    Where DVC has called it `unchanged` before the climb there is nothing to do. Raises LadderError with the attempt's own message
    where it failed or was killed.
    """
    stage, run = spec.name, children.workspace.run
    if unchanged and not children.stopped:
        get_run_logger().info(UP_TO_DATE)
        show_result(stage, children.workspace)
        watch.end(stage, UP_TO_DATE)
        return False
    progress = StageProgress(stage)
    before = len(_attempts(run, stage))
    operations, logger = params.operations, get_run_logger()
    if delay := _delay_s(runtime.task_run.run_count, operations.retry_delay_s):
        logger.info(f"{stage}: tries again in {delay:.0f} s")
        children.pause(delay)  # Prefect's own delay sleeps on when the flow is stopped
    with (
        hold_gpus(
            gpus_of(spec, params), operations.stages_per_gpu, logger.info, lambda: children.stopped, stage=stage
        ) as gpus,
        children.repro(stage, gpus) as child,
    ):
        last_lines = _follow(child, stage, watch, progress)
        returncode = child.wait()
    mine = _attempts(run, stage)[before:]
    if returncode != 0:
        error = _error(stage, mine, last_lines, returncode, children.stopped)
        watch.end(stage, ENDS.get(error.cause, "STOPPED" if children.stopped else "FAILED"))
        raise error
    progress.done()
    show_result(stage, children.workspace)
    watch.end(stage, f"{mine[-1].wall_s:.1f} s" if mine else _without_an_attempt(last_lines))
    return bool(mine)


def task_of(spec: StageSpec, params: Params) -> Task[Any, bool]:
    """`dvc_stage` with the stage's tags, by which Prefect finds and limits it, and as many retries as the settings say."""
    operations: Operations = params.operations
    kind, _, rung = spec.name.partition("@")
    tags = [kind, *([f"rung:{rung}"] if rung in CHECKPOINTS else []), *(["gpu"] if gpus_of(spec, params) else [])]
    return dvc_stage.with_options(
        tags=tags,
        retries=operations.retries,
        retry_delay_seconds=0,
    )


def _delay_s(attempt: int, first_s: float) -> float:
    """Before attempt number `attempt`: none before the first, then `first_s`, twice as long before each further one, and up to
    20 % more, so that those that failed together don't come back together.
    """
    return first_s * 2 ** (attempt - 2) * random.uniform(1, 1.2) if attempt > 1 else 0.0


def gpus_of(spec: StageSpec, params: Params) -> int:
    """How many GPUs a stage occupies: a rung `operations.devices`, others that read the engine's settings one."""
    if params.engine.device != "cuda" or not any(key.startswith("engine") for key in spec.params):
        return 0
    return params.operations.devices if spec.name.startswith("train@") else 1


def _attempts(run: str, stage: str) -> list[Attempt]:
    ledger = Ledger.open_here()
    ledger.close_vanished()
    found = [attempt for attempt in ledger.read.attempts(Scope(run=run)) if attempt.stage == stage]
    ledger.close()
    return found


def _follow(child: Popen[str], stage: str, watch: Watch, progress: StageProgress) -> list[str]:
    """Show and log what the child says until its output ends, and return the last lines that are no progress."""
    logger = get_run_logger()
    last_lines: deque[str] = deque(maxlen=LAST_LINES)
    assert child.stdout is not None
    for raw in child.stdout:
        said = raw.strip()
        if not said or said.startswith(ADVICE):
            continue
        logger.info(said.removeprefix(PROGRESS_MARK))
        if said.startswith(PROGRESS_MARK):
            note = said.removeprefix(f"{PROGRESS_MARK}{stage} ")
            watch.show(stage, note)
            progress.show(note)
        else:
            last_lines.append(said)
    return list(last_lines)


def _error(stage: str, mine: list[Attempt], last_lines: list[str], returncode: int, we_stopped: bool) -> LadderError:
    failure = mine[-1].failure if mine else None
    if we_stopped and (failure is None or failure.cause in ("stopped", "vanished")):
        return LadderError(f"{stage}: stopped; running the same again goes on from its last checkpoint")
    if failure is None:
        killed = returncode < 0  # before the stage had booked anything
        said = f"killed by {signal.Signals(-returncode).name}" if killed else " ".join(last_lines)[-600:]
        return StageFailed(f"{stage}: dvc: {said}", "vanished" if killed else "error")
    match failure.cause:
        case "budget":
            return BudgetReached(failure.message)
        case "guard":
            return GuardFired(failure.message)
        case "stopped" | "vanished":
            message = f"{stage}: {failure.message}; running the same again goes on from its last checkpoint"
            return StageFailed(message, failure.cause)
        case cause:
            return StageFailed(failure.message, cause)


def _without_an_attempt(last_lines: list[str]) -> str:
    """What DVC did about a stage that booked nothing."""
    said = " ".join(last_lines)
    if "didn't change" in said:
        return UP_TO_DATE
    return "from DVC's cache" if "cached" in said else "done"
