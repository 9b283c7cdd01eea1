"""What would this cost? From measured steps, with an interval: `python -m stages.accounting project`.

`rest_of_run` and `what_if` answer from measured rungs, `what_if_released` from the release's published totals; each gives a
`Projection`. Nothing here reads or writes a file but `present.py`, `reading.py` and `command.py`.
"""

from stages.accounting.projection.measured import DeviceFacts, MeasuredRung, MeasuredStep, OtherStage, PlannedRung
from stages.accounting.projection.questions import Change, rest_of_run, what_if
from stages.accounting.projection.release import what_if_released
from stages.accounting.projection.results import Comparison, Estimate, Projection, RungProjection

__all__ = [
    "Change",
    "Comparison",
    "DeviceFacts",
    "Estimate",
    "MeasuredRung",
    "MeasuredStep",
    "OtherStage",
    "PlannedRung",
    "Projection",
    "RungProjection",
    "rest_of_run",
    "what_if",
    "what_if_released",
]
