"""A trial's rewards as its rungs grow: told to the study at fixed steps, which says when to give the trial up."""

import csv
import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import fmean
from typing import Self

from optuna import Trial
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import SQLAlchemyError

from flows.children import DvcChildren
from flows.progress import done_of
from stages.params import RUNGS, Params, Sweep


def position(rung: str, step: int, longest: int) -> int:
    """A rung's step among all steps of a trial, in Optuna's count: every rung takes as many as the longest one may have."""
    return RUNGS.index(rung) * longest + step


def longest_rung(params: Params, sweep: Sweep) -> int:
    """The most steps that a rung has in any trial."""
    steps: list[int] = []
    for rung in RUNGS:
        dimension = sweep.space.get(f"rungs.r{rung}.steps")
        tried: Sequence[object] = (
            [params.rungs.of(rung).steps] if dimension is None else dimension.choices or [dimension.high]
        )
        steps += [value for value in tried if isinstance(value, int)]
    return max(steps)


class TrialWatch:
    """Reads each rung's live table in `root`. `pruned` says why the trial was given up."""

    def __init__(self, trial: Trial, root: Path, sweep: Sweep, longest: int) -> None:
        self._trial = trial
        self._root = root
        self._every = sweep.pruner.every_steps
        self._judges = len(sweep.objectives) == 1  # Optuna has no intermediate values for two
        self._longest = longest
        self._told = set(trial.study.trials[trial.number].intermediate_values)  # by who began this trial
        self._lock = threading.Lock()
        self._children: DvcChildren | None = None
        self.pruned: str | None = None

    def over(self, children: DvcChildren) -> Self:
        """Over the trial's processes, which are ended when it is pruned."""
        self._children = children
        return self

    def show(self, stage: str, note: str) -> None:
        """`stage` is at `note`."""
        found = done_of(note)
        if stage.startswith("train@") and found and found[0] % self._every == 0:
            self._judge(stage.removeprefix("train@"), live_rewards)

    def end(self, stage: str, how: str) -> None:
        """`stage` has ended; of a rung that came from DVC's cache its table is all there is."""
        if stage.startswith("train@"):
            self._judge(stage.removeprefix("train@"), kept_rewards)

    def _judge(self, rung: str, rewards: Callable[[Path, str], Mapping[int, float]]) -> None:
        if not self._judges:
            return
        with self._lock:
            for step, mean in means(rewards(self._root, rung), self._every).items():
                at = position(rung, step, self._longest)
                if at in self._told or self.pruned:
                    continue
                # A busy database must not cost a rung of hours: the next step is told again.
                with suppress(SQLAlchemyError, StorageInternalError):
                    self._trial.report(mean, at)
                    self._told.add(at)
                    if self._trial.should_prune():
                        self.pruned = (
                            f"train@{rung}: pruned at step {step}, its mean reward {mean:.3f} over {self._every} steps"
                        )
                        if self._children is not None:
                            self._children.prune(self.pruned)


def means(rewards: Mapping[int, float], every: int) -> dict[int, float]:
    """By every `every`-th step, the mean reward of the steps since the last such one, where all of them are there."""
    windows = {
        end: [rewards.get(step) for step in range(end - every + 1, end + 1)] for end in rewards if end % every == 0
    }
    return {end: fmean(known) for end, window in sorted(windows.items()) if len(known := _known(window)) == every}


def live_rewards(root: Path, rung: str) -> dict[int, float]:
    """By step; of a step that was made twice (a killed attempt's) the last. The line being written does not count yet."""
    path = root / f"runs/live/train@{rung}.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return _by_step(json.loads(line) for line in lines if line.endswith("\n"))


def kept_rewards(root: Path, rung: str) -> dict[int, float]:
    """Of the table among the rung's outs; of a rung that did not come to its end, of its live one."""
    path = root / f"metrics/train/{rung}.csv"
    if not path.exists():
        return live_rewards(root, rung)
    with path.open(newline="") as file:
        return _by_step(csv.DictReader(file))


def _by_step(rows: Iterable[Mapping[str, object]]) -> dict[int, float]:
    return {int(str(row["step"])): float(str(row["reward"])) for row in rows}


def _known(window: Sequence[float | None]) -> list[float]:
    return [value for value in window if value is not None]
