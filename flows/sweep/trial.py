"""One trial: a ladder in a worktree of its own, and what it came to."""

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from optuna import Trial
from optuna.trial import TrialState

from flows.experiment import experiment, remove
from flows.fleet import Fleet
from flows.plan import Plan
from flows.sweep.study import PARAMS_YAML, TRIAL_PLAN, Ended, trial_name
from flows.sweep.watch import TrialWatch
from stages.errors import BudgetReached, GuardFired, LadderError
from stages.params import RUNGS, Params, Sweep

PLANNED = ("commit", "tree", "code")  # what of a plan is the checkout's
STOPPED = "the sweep was stopped"
EXAMINATION, BILL = Path("metrics/evaluation/24k.json"), Path("reports/bill.json")


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A trial that stays under way: who runs the sweep again goes on with it."""

    why: Literal["stopped", "budget"]
    said: str


class TrialRun:
    def __init__(self, trial: Trial, plan: Plan, params: Params, longest: int, fleet: Fleet) -> None:
        self.trial = trial
        self.name = trial_name(params.sweep.name, trial.number)
        self._plan = plan
        self._params = params
        self._longest = longest
        self._fleet = fleet

    def climb(self, waits: Callable[[str], None]) -> Ended | Unfinished:
        """Make the trial, in a task of a flow. What is raised is its one line in the study: the sweep goes on."""
        ended: Ended | Unfinished | None = None
        try:
            self.trial.set_user_attr(PARAMS_YAML, self._plan.params.decode())
            self.trial.set_user_attr(TRIAL_PLAN, {key: getattr(self._plan, key) for key in PLANNED})
            sweep, fleet = self._params.sweep.name, self._fleet
            with experiment(self._plan, self.name, self.name, sweep, waits, lambda: fleet.stopped) as workspace:
                root = workspace.root
                watch = TrialWatch(self.trial, root, self._params.sweep, self._longest)
                try:
                    self._fleet.climb(workspace, watch.over)
                    ended = measured(root, self._params.sweep)
                except LadderError as error:
                    ended = self._without_result(error, watch, root)
                    if isinstance(ended, Ended) and ended.state == TrialState.PRUNED:
                        remove(root)  # nobody goes on with it; its settings are in the study
                    raise
        except LadderError as error:
            return ended or Ended(TrialState.FAIL, why=str(error))
        except Exception as error:  # git, a disk, a database: a trial may fail of anything, and the others go on
            return Ended(TrialState.FAIL, why=" ".join(f"{type(error).__name__}: {error}".split())[:600])
        return ended

    def _without_result(self, error: LadderError, watch: TrialWatch, root: Path) -> Ended | Unfinished:
        if isinstance(
            error, GuardFired
        ):  # first: its last rewards, told when its rung ended, may be a pruner's reason too
            # With two objectives too: it has no values, so that no front can hold it, and its constraint tells TPE.
            return Ended(TrialState.PRUNED, why=str(error), guard=True, max_kl=max_kl(root))
        if watch.pruned is not None:
            return Ended(TrialState.PRUNED, why=watch.pruned, max_kl=max_kl(root))
        if self._fleet.stopped:
            return Unfinished("stopped", STOPPED)
        if isinstance(error, BudgetReached) and self._params.operations.budget.per == "sweep":
            return Unfinished("budget", str(error))
        return Ended(TrialState.FAIL, why=str(error))


def plan_of(trial: Trial, plan: Plan, params: bytes) -> Plan:
    """The trial's own plan: at the files that it was begun with, where it was; its settings are `params`."""
    begun: dict[str, str] = trial.user_attrs.get(TRIAL_PLAN) or {key: getattr(plan, key) for key in PLANNED}
    return Plan(**begun, params=params)


def measured(root: Path, sweep: Sweep) -> Ended:
    """The objectives of the ladder in `root`, from its own metrics. Raises LadderError where its dollars are not known."""
    accuracy = float(json.loads((root / EXAMINATION).read_bytes())["full"]["sampled"])
    values = [accuracy]
    if "usd" in sweep.objectives:
        bill = json.loads((root / BILL).read_bytes())
        if bill["made_usd"] is None:
            unknown = ", ".join(bill.get("unknown_stages", [])) or "its device"
            raise LadderError(
                f"{BILL}: made_usd is null: this ledger doesn't know what {unknown} cost; import that ledger "
                "(`python -m stages.accounting import`), or take objectives [accuracy]"
            )
        values.append(float(bill["made_usd"]))
    return Ended(TrialState.COMPLETE, tuple(values), max_kl=max_kl(root))


def max_kl(root: Path) -> float | None:
    """The highest KL of any step of any rung so far, in nats a token; None where none was measured."""
    found: list[float] = []
    for rung in RUNGS:
        table, live = root / f"metrics/train/{rung}.csv", root / f"runs/live/train@{rung}.jsonl"
        if table.exists():
            with table.open(newline="") as file:
                found += [float(row["kl"]) for row in csv.DictReader(file) if row.get("kl")]
        elif live.exists():
            rows = [json.loads(line) for line in live.read_text().splitlines(keepends=True) if line.endswith("\n")]
            found += [float(row["kl"]) for row in rows if row["kl"] is not None]
    return max(found, default=None)
