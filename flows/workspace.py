"""Where a ladder climbs: a checkout with its own outs, and the environment of the processes that work in it."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stages.accounting.origin import RUN
from stages.params import PARAMS, Params, load_params

FLOW_RUN = "PREFECT__FLOW_RUN_ID"  # in the environment of a process that a worker has started for one flow run
MAKING = "LADDER_MAKING"  # the folder of locks by which two experiments never make the same at once
EXPERIMENT = "DVC_EXP_NAME"  # DVC's own name for it, which the ledger books


@dataclass(frozen=True, slots=True)
class Workspace:
    """`run` is booked with every attempt; `environment` is added to that of each child."""

    root: Path
    run: str
    experiment: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    def params(self) -> Params:
        return load_params(self.root / PARAMS)

    def child_environment(self) -> dict[str, str]:
        bin_folder = Path(sys.executable).parent  # dvc.yaml says `python`: it must be this one
        named = {} if self.experiment is None else {EXPERIMENT: self.experiment}
        path = f"{bin_folder}{os.pathsep}{os.environ.get('PATH', '')}"
        inherited = {key: value for key, value in os.environ.items() if key != EXPERIMENT}
        return {**inherited, "PATH": path, "DVC_NO_ANALYTICS": "1", RUN: self.run, **named, **self.environment}
