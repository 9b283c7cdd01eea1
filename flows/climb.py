"""The chain: every stage of dvc.yaml as a task, side by side where the graph allows it."""

import threading
from typing import Any, cast

from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from flows.children import DvcChildren
from flows.dvc_task import Watch, task_of
from flows.workspace import Workspace
from stages.graph import DVC_YAML, in_order, load_graph, upstream

# A task that waits for another, or that climbs a ladder, occupies a thread: there are enough for 16 ladders (the bound of
# `sweep.parallel` and of `operations.parallel_stages`) of two dozen stages each, or they could wait for one another for ever.
# How many stages really run side by side is `operations.parallel_stages`.
RUNNER = cast(TaskRunner[PrefectFuture[Any]], ThreadPoolTaskRunner(max_workers=512))  # Prefect's own types don't fit


def climb(workspace: Workspace, watch: Watch, children: DvcChildren) -> list[str]:
    """Bring the whole ladder of `workspace` up to date and return the stages that had to run.

    To be called in a flow with `RUNNER`, or in a task of one. Raises the first failed stage's LadderError once the stages that
    don't depend on it have ended; whatever else is raised meanwhile stops what is running.
    """
    params, graph = workspace.params(), load_graph(workspace.root / DVC_YAML)
    futures: dict[str, PrefectFuture[bool]] = {}
    try:
        unchanged = children.unchanged(graph)
        for stage in in_order(graph):
            futures[stage] = task_of(graph[stage], params).submit(
                graph[stage],
                params,
                watch,
                children,
                stage in unchanged,
                wait_for=[futures[other] for other in upstream(graph, stage)],
                return_state=False,
            )
        for future in futures.values():
            future.wait()
    except BaseException:
        children.stop()
        raise
    return [stage for stage, future in futures.items() if _result(future)]


def slots_of(parallel_stages: int) -> threading.Semaphore:
    """What bounds the stages that run side by side, of one ladder or of several that share it."""
    return threading.BoundedSemaphore(parallel_stages)


def _result(future: PrefectFuture[bool]) -> bool:
    if future.state.name == "NotReady":  # a stage that it needs has failed, and has its own future
        return False
    ran: Any = future.result(raise_on_failure=False)
    if isinstance(ran, BaseException):
        raise ran
    return bool(ran)
