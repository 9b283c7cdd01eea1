"""The flow `ladder`: a whole ladder, in this workspace as `make run` has it, or as an experiment beside it.

`prefect deployment run 'ladder/mini' --param set='{"grpo.kl_coef": 0.002}'` means exactly `dvc exp run -S grpo.kl_coef=0.002`,
but for the place: a worktree of its own. Afterwards it is a DVC experiment with the flow run's name.
"""

import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

from prefect import flow, get_run_logger, runtime
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from pydantic import JsonValue

from flows.children import DvcChildren
from flows.climb import RUNNER, climb, slots_of
from flows.experiment import experiment
from flows.local import BUSY, LOCK
from flows.plan import plan_experiment
from flows.progress import ProgressLine
from flows.refusals import checked, refusals_booked
from flows.saved import free_name
from flows.worker_run import as_flow_run, in_worker
from flows.workspace import Workspace
from stages.accounting.origin import RUN, SWEEP, run_name
from stages.graph import DVC_YAML, load_graph
from stages.process import hold_lock

Profile = Literal["mini", "smollm2", "deepscaler", "laptop"] | None
Overrides = dict[str, JsonValue]


@flow(name="ladder", persist_result=False, task_runner=RUNNER)
def ladder(profile: Profile = None, set: Overrides = {}) -> list[str] | State[Any]:  # noqa: B006
    """Bring a whole ladder up to date and return the stages that had to run.

    With neither `profile` nor `set` it climbs in this workspace; else as a DVC experiment beside it. Raises LadderError with
    the first failed stage's message, once the stages that don't depend on it have ended; a worker's run ends as Failed with it.

    Args:
        profile: A file of profiles/, without .yaml; none: the params.yaml of the checkout.
        set: Settings that differ, as `dvc exp run -S` has them: {"grpo.kl_coef": 0.002}
    """  # Prefect's form shows what Args says
    return as_flow_run(lambda: _ladder(profile, set))


def _ladder(profile: str | None, set: Overrides) -> list[str]:
    run = os.environ.get(RUN) or run_name("flow", os.getpid())
    if profile is None and not set:
        with hold_lock(LOCK, BUSY) if in_worker() else nullcontext():  # `make run` holds it before it starts a server
            return _climb(Workspace(Path(), run))
    with refusals_booked():
        plan = plan_experiment(profile, set)
    name = free_name(runtime.flow_run.name, runtime.flow_run.id)
    with experiment(plan, name, run, os.environ.get(SWEEP), get_run_logger().info) as workspace:
        ran = _climb(workspace)
    create_markdown_artifact(
        f"`dvc exp apply {name}` brings its settings, metrics and checkpoints to the workspace; `dvc repro` there reruns it "
        f"exactly; `dvc exp show` compares it.",
        "experiment",
        f"the DVC experiment {name}",
    )
    return ran


def _climb(workspace: Workspace) -> list[str]:
    params = checked(workspace.root, workspace.experiment)
    children = DvcChildren(workspace, slots_of(params.operations.parallel_stages))
    with ProgressLine(len(load_graph(workspace.root / DVC_YAML))) as line:
        return climb(workspace, line, children)
