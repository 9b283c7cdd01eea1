"""The flow `ladder`: every stage of dvc.yaml as a task, side by side where the graph allows it. `python -m flows` runs it."""

import os
from pathlib import Path
from typing import Any, cast

from prefect import flow
from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from flows.dvc_task import DvcChildren, dvc_stage
from flows.progress import ProgressLine
from stages.accounting.ahead import check_ahead
from stages.accounting.ledger import Ledger, ledger_path
from stages.accounting.origin import RUN, run_name
from stages.accounting.prices import read_prices
from stages.accounting.reading import reading
from stages.accounting.records import CPU_CORE, Failure
from stages.accounting.workspace import present_prices
from stages.errors import BudgetReached, LadderError
from stages.estimate import check_fits
from stages.graph import in_order, load_graph, upstream
from stages.params import CHECKPOINTS, Params, load_params

# A task that waits for another occupies a thread: there must be more than there are stages, or they block each other.
# How many stages really run side by side is `operations.parallel_stages`.
RUNNER = cast(TaskRunner[PrefectFuture[Any]], ThreadPoolTaskRunner(max_workers=64))  # Prefect's own types don't fit


@flow(name="ladder", persist_result=False, task_runner=RUNNER)
def ladder() -> list[str]:
    """Bring the whole ladder up to date and return the stages that had to run.

    Raises LadderError with the first failed stage's message, once the stages that don't depend on it have ended.
    """
    params = _checked_params()
    graph = load_graph()
    children = DvcChildren(params.operations.parallel_stages, os.environ.get(RUN) or run_name("flow", os.getpid()))
    futures: dict[str, PrefectFuture[bool]] = {}
    with ProgressLine(len(graph)) as line:
        try:
            for stage in in_order(graph):
                futures[stage] = dvc_stage.submit(
                    stage,
                    line,
                    children,
                    wait_for=[futures[other] for other in upstream(graph, stage)],
                    return_state=False,
                )
            for future in futures.values():
                future.wait()
        except BaseException:
            children.stop()
            raise
    return [stage for stage, future in futures.items() if _result(future)]


def _result(future: PrefectFuture[bool]) -> bool:
    if future.state.name == "NotReady":  # a stage that it needs has failed, and has its own future
        return False
    ran: Any = future.result(raise_on_failure=False)
    if isinstance(ran, BaseException):
        raise ran
    return bool(ran)


def _checked_params() -> Params:
    """The settings, refused before anything starts where they are wrong or this machine can't hold what they ask for."""
    try:
        params = load_params()
        read_prices().price_of(CPU_CORE, params.operations.market, params.operations.prices)
        # Those that are here need no more room; a stale one is checked by its own stage before it is made anew.
        with reading(ledger_path()) as ledger:
            check_ahead(params, ledger, present_prices())
        check_fits(params, checkpoints=sum(not Path("models", name).exists() for name in CHECKPOINTS))
    except LadderError as error:
        booked = Ledger.open_here()
        booked.end(
            booked.start("ladder"),
            "killed" if isinstance(error, BudgetReached) else "failed",
            Failure(error.cause, str(error)),
        )
        raise
    return params
