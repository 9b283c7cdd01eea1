"""A small real study in a folder of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from optuna import Study

from flows.sweep.storage import storage
from flows.sweep.study import open_study
from stages.params import Sweep

SWEEP: dict[str, Any] = {
    "name": "small",
    "sampler": "tpe",
    "seed": 3,
    "trials": 20,
    "parallel": 1,
    "space": {
        "grpo.kl_coef": {"low": 0.0001, "high": 0.1, "log": True},
        "grpo.clip_high": {"low": 0.1, "high": 0.5},
    },
    "objectives": ["accuracy"],
    "constraints": {"max_kl": None},
    "pruner": {"kind": "median", "startup_trials": 2, "warmup_steps": 3, "every_steps": 2, "patience": 1},
    "storage": None,
}
BEGUN = {"space": {"a": 1}, "settings": {"seed": 0}, "commit": "abc"}


def sweep_of(**changes: Any) -> Sweep:
    return Sweep.model_validate(SWEEP | changes)


@contextmanager
def studied(folder: Path, sweep: Sweep, begun: dict[str, Any] = BEGUN) -> Iterator[Study]:
    with storage(f"sqlite:///{folder / 'sweeps.db'}") as opened:
        yield open_study(opened, sweep, begun)
