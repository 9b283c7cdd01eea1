"""The flow `ablate`: every run a DVC experiment of its own, some side by side; one that is there already is not run again."""

import os
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State

from flows.ablate.outcome import outcome, stopped_outcome
from flows.ablate.plan import Run, planned, read_ablation
from flows.climb import RUNNER
from flows.experiment import experiment
from flows.fleet import Fleet
from flows.saved import SavedExperiment, free_name, saved
from flows.worker_run import as_flow_run
from stages.accounting.origin import run_name
from stages.errors import GuardFired
from stages.evaluation.ablation import Outcome, ablation
from stages.evaluation.ablation_report import ablation_report
from stages.params import load_params
from stages.store.files import write_bytes, write_json


@flow(name="ablate", persist_result=False, task_runner=RUNNER)
def ablate(path: str = "profiles/ablations/kl.yaml") -> str | State[Any]:
    """Run what is missing of an ablation, and return its report. Raises LadderError.

    Args:
        path: A file of profiles/ablations/.
    """
    return as_flow_run(lambda: _ablate(path))


def _ablate(path: str) -> str:
    settings = read_ablation(Path(path))
    runs = planned(settings)
    params = load_params()
    fleet = Fleet(params.operations.parallel_stages)
    turns = threading.BoundedSemaphore(params.operations.parallel_stages)
    done = Progress(len(runs))
    with fleet.stopped_on_error():
        futures = []
        for run in runs:
            turns.acquire()
            future = run_variant.submit(run, fleet, done)
            future.add_done_callback(lambda ended: turns.release())
            futures.append((run, future))
        outcomes: dict[str, dict[int, Outcome]] = {name: {} for name in settings.variants}
        for run, future in futures:
            outcomes[run.variant][run.seed] = future.result()
    compared = ablation(outcomes, settings.reference, params.evaluation.confidence)
    report = ablation_report(compared, settings.name)
    each = {name: {str(seed): asdict(one) for seed, one in found.items()} for name, found in outcomes.items()}
    write_json(Path(f"reports/ablation-{settings.name}.json"), {"runs": each, **asdict(compared)})
    write_bytes(Path(f"reports/ablation-{settings.name}.md"), report.encode())
    create_markdown_artifact(report, f"ablation-{settings.name}", f"the ablation {settings.name}")
    return report


@task(task_run_name="{run.name}", persist_result=False, cache_policy=NO_CACHE)
def run_variant(run: Run, fleet: Fleet, done: "Progress") -> Outcome:
    """Climb, unless the same was climbed before. Raises LadderError where it ended otherwise than by a guard."""
    name = saved(run.plan)
    if name is not None:
        ended = outcome(SavedExperiment(name).read)
        done.say(run, ended, f"is there: {name}")
        return ended
    name = free_name(run.name, run.plan.key)  # a variant whose settings were changed must not take its old runs' places
    try:
        booked_as, waits = f"{run_name('ablate', os.getpid())}-{name}", get_run_logger().info
        with experiment(run.plan, name, booked_as, None, waits, lambda: fleet.stopped) as workspace:
            root = workspace.root
            fleet.climb(workspace)
            ended = outcome(lambda path: (root / path).read_bytes())
    except GuardFired as guard:
        ended = stopped_outcome(lambda path: (root / path).read_bytes())
        done.say(run, ended, str(guard))
        return ended
    done.say(run, ended, "climbed")
    return ended


class Progress:
    """A line a run."""

    def __init__(self, total: int) -> None:
        self._total, self._ended, self._lock = total, 0, threading.Lock()

    def say(self, run: Run, ended: Outcome, how: str) -> None:
        with self._lock:
            self._ended += 1
            accuracy = "-" if ended.accuracy is None else f"{ended.accuracy:.3f}"
            print(f"[{self._ended:>2}/{self._total}] {run.name:<28} {accuracy}  {how}", flush=True)
