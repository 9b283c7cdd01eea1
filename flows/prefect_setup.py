"""What a Prefect server has to know before it can run ladders: a work pool, how many GPUs are here, when a run is dead."""

import time
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectAlreadyExists
from prefect.workers.process import ProcessWorker

LOOK_S = 0.2
GPU = "gpu"  # the tag of a stage that occupies some
SILENT_S = 120  # four heartbeats (prefect.yaml)
ENDED = ("Completed", "Failed", "Cancelled", "Crashed")
SILENT = "GRPO Ladder: a run without heartbeats has crashed"


def set_up(pool: str, gpu_stages: int) -> None:
    """Make in the server of PREFECT_API_URL what is missing: the pool `pool` of processes, and the automation `SILENT`.

    `gpu_stages` bounds the stages on GPUs that run at once, of all flow runs; 0: no bound, as no GPU is here.
    """
    with get_client(sync_client=True) as client:
        try:
            template = ProcessWorker.get_default_base_job_template()
            client.create_work_pool(WorkPoolCreate(name=pool, type=ProcessWorker.type, base_job_template=template))
        except ObjectAlreadyExists:
            pass  # as somebody may have set it up
        if gpu_stages:
            client.create_concurrency_limit(tag=GPU, concurrency_limit=gpu_stages)
        if not client.read_automations_by_name(SILENT):
            client.create_automation(_crash_the_silent())


def await_ends(flow_runs: Sequence[str], limit_s: float) -> None:
    """Wait until the server knows how each of `flow_runs` (ids) ended, or for `limit_s` seconds."""
    deadline = time.monotonic() + limit_s
    with get_client(sync_client=True) as client:
        for name in flow_runs:
            while time.monotonic() < deadline:
                state = client.read_flow_run(UUID(name)).state
                if state is not None and state.is_final():
                    break
                time.sleep(LOOK_S)


def _crash_the_silent() -> AutomationCore:
    """As docs.prefect.io/v3/advanced/detect-zombie-flows: after a first heartbeat another one, or an end, is expected."""
    return AutomationCore(
        name=SILENT,
        description="Its process is gone, with its machine or by kill -9: running the same again goes on from where it was.",
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.heartbeat", *(f"prefect.flow-run.{state}" for state in ENDED)},
            match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=SILENT_S),
        ),
        actions=[
            ChangeFlowRunState(
                name=None,
                state=StateType.CRASHED,
                force=False,
                message=f"no heartbeat for {SILENT_S} s; running the same again goes on from where it was",
            )
        ],
    )
