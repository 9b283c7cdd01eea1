"""The flow `sweep`: as many trials as asked for, some at a time, each a task that climbs a ladder.

It can be killed at any moment: a trial that was under way keeps its number and its parameters, and the next run goes on with it
in its worktree. One process of a host at a time works at a study; those of other hosts share it by its storage.
"""

import queue
import sys
import time
from typing import Annotated, Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.trial import TrialState
from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from pydantic import Field

from flows.climb import RUNNER
from flows.fleet import Fleet
from flows.ladder import Overrides, Profile
from flows.overrides import with_overrides
from flows.sweep.base import SWEEPS, Base, plan_base
from flows.sweep.costs import trial_costs
from flows.sweep.owners import beating, this_process
from flows.sweep.report import REPORT_MD, best_so_far, trial_line, write_report
from flows.sweep.space import distributions
from flows.sweep.storage import address_of, storage
from flows.sweep.study import Ended, ask, left_behind, open_study, tell, try_again
from flows.sweep.trial import TrialRun, Unfinished, plan_of
from flows.sweep.watch import longest_rung
from flows.worker_run import as_flow_run
from stages.errors import BudgetReached, LadderError
from stages.params import parse_yaml
from stages.process import hold_lock
from stages.store.files import write_bytes

UNCOUNTED = (TrialState.FAIL, TrialState.WAITING)
IN_A_ROW = 3  # trials that fail one after the other: the fault is not theirs

Trials = Annotated[int | None, Field(ge=1)]


@flow(name="sweep", persist_result=False, task_runner=RUNNER)
def sweep(profile: Profile = None, set: Overrides = {}, trials: Trials = None) -> list[str] | State[Any]:  # noqa: B006
    """Bring a sweep to its number of trials and return the names of the best so far (of the Pareto front for two objectives).

    Raises BudgetReached where the sweep's budget ends it: what is under way is kept, and goes on once that is raised.

    Args:
        profile: A file of profiles/, without .yaml; none: the params.yaml of the checkout.
        set: Settings of all trials that differ, as `dvc exp run -S` has them: {"sweep.name": "wider"}
        trials: How many in all; none: sweep.trials of the settings.
    """
    return as_flow_run(lambda: _sweep(profile, set, trials))


def _sweep(profile: Profile, set: Overrides, trials: int | None) -> list[str]:
    base = plan_base(profile, set)
    params = base.params
    name, address = params.sweep.name, address_of(params.sweep)
    busy = f"another process of this machine makes the sweep {name}"
    with hold_lock(SWEEPS / f"{name}.lock", busy), storage(address) as opened:
        write_bytes(base.source, base.plan.params)
        study = open_study(opened, params.sweep, base.begun())
        with beating(study, this_process()):
            try:
                _Trials(study, base, trials or params.sweep.trials).make()
            except LadderError:
                write_report(study, params)
                raise
        write_report(study, params)
        create_markdown_artifact(REPORT_MD.read_text(), "sweep", f"the sweep {name}")
        return best_so_far(study, params.sweep)


@task(task_run_name="{run.name}", tags=["trial"], persist_result=False, cache_policy=NO_CACHE)
def make_trial(run: TrialRun) -> Ended | Unfinished:
    return run.climb(get_run_logger().info)


class _Trials:
    """The trials under way, and what comes of each."""

    def __init__(self, study: Study, base: Base, wanted: int) -> None:
        self._study = study
        self._base = base
        self._sweep = base.params.sweep
        self._wanted = wanted
        self._me = this_process()
        settings = parse_yaml(base.plan.params.decode())
        self._space: dict[str, BaseDistribution] = distributions(self._sweep.space, settings)
        self._longest = longest_rung(base.params, self._sweep)
        self._fleet = Fleet(base.params.operations.parallel_stages)
        self._running: dict[int, TrialRun] = {}
        self._ended: queue.Queue[tuple[int, PrefectFuture[Ended | Unfinished]]] = queue.Queue()
        self._failed: list[str] = []
        self._stop: LadderError | None = None
        self._began = time.monotonic()

    def make(self) -> None:
        """Raises LadderError where the budget, or failures one after the other, ended it before its number of trials."""
        try_again(self._study, self._me)
        with self._fleet.stopped_on_error():
            while True:
                while self._stop is None and len(self._running) < self._sweep.parallel and self._begin():
                    pass
                if not self._running:
                    break
                self._end(*self._ended.get())
        if self._stop is not None:
            raise self._stop

    def _begin(self) -> bool:
        """Go on with a trial that was left behind, or begin a new one; False where there is none to begin."""
        trial = left_behind(self._study, self._sweep, self._space, self._me)
        if trial is None:
            counted = [one for one in self._study.get_trials(deepcopy=False) if one.state not in UNCOUNTED]
            if len(counted) >= self._wanted:
                return False
            trial = ask(self._study, self._sweep, self._space, self._me)
        if trial is None:  # a grid's end
            return False
        try:
            params = with_overrides(self._base.source, trial.params)
        except LadderError as error:  # values that only together are refused
            tell(trial, Ended(TrialState.FAIL, why=str(error)), self._sweep)
            self._say(trial.number)
            return self._may_go_on(str(error))
        run = TrialRun(trial, plan_of(trial, self._base.plan, params), self._base.params, self._longest, self._fleet)
        self._running[trial.number] = run
        number = trial.number
        make_trial.submit(run).add_done_callback(lambda future: self._ended.put((number, future)))
        return True

    def _end(self, number: int, future: PrefectFuture[Ended | Unfinished]) -> None:
        run = self._running.pop(number)
        ended: Any = future.result(raise_on_failure=False)
        if isinstance(ended, BaseException):  # of Prefect itself
            ended = Ended(TrialState.FAIL, why=" ".join(f"{type(ended).__name__}: {ended}".split()))
        if isinstance(ended, Unfinished):
            self._stop = self._stop or BudgetReached(ended.said)
            return
        tell(run.trial, ended, self._sweep)
        self._say(number)
        if ended.state != TrialState.FAIL:
            self._failed.clear()
        else:
            self._may_go_on(ended.why)

    def _may_go_on(self, failed: str) -> bool:
        self._failed.append(failed)
        if len(self._failed) >= IN_A_ROW and self._stop is None:
            self._stop = LadderError(
                f"sweep {self._sweep.name}: {IN_A_ROW} trials in a row failed, the last of: {failed}"
            )
        return self._stop is None

    def _say(self, number: int) -> None:
        costs = trial_costs(self._sweep.name)
        line = trial_line(self._study, self._sweep, number, costs, time.monotonic() - self._began)
        get_run_logger().info(line)
        print(line, file=sys.stderr, flush=True)
