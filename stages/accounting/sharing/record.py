"""What a comparison reads of a record, typed: whatever else a record holds is as good as its hash."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from stages.accounting.sharing.sealed import opened
from stages.params import validated


class Part(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, allow_inf_nan=False)


class Made(Part):
    seconds: float


class UsedPrice(Part):
    device: str
    usd_per_hour: float
    usd_per_kwh: float | None
    market: str
    date: str
    source: str


class UnitCosts(Part):
    usd_per_accuracy_point: float | None
    usd_per_million_trained_tokens: float | None


class Row(Part):
    """A phase of an attempt; `wasted` are dollars by reason."""

    device: str
    device_count: int
    seconds: float
    usd: float | None
    wasted: dict[str, float]


class Bill(Part):
    total_usd: float
    seconds: float
    wasted_by_reason: dict[str, float]
    made: Made
    made_usd: float | None
    unknown_stages: list[str]
    unpriced_attempts: int
    energy_kwh: float
    prices: list[UsedPrice]
    unit_costs: UnitCosts
    rows: list[Row]


class Totals(Part):
    sampled_tokens: int
    trained_tokens: int


class Attempt(Part):
    state: str
    totals: Totals | None


class Figure(Part):
    """A row of the evaluation's report; a published one has no context that it was taken `at`."""

    checkpoint: str
    benchmark: str
    metric: str
    value: float | None
    low: float | None
    high: float | None
    at: str | None


class Evaluation(Part):
    rows: list[Figure]


class Record(Part):
    params: dict[str, Any]
    commit: str | None
    dirty: bool | None
    evaluation: Evaluation | None
    bill: Bill
    attempts: list[Attempt]
    sha256: str


def read_record(path: Path) -> Record:
    """The record `path`. Raises LadderError for one that is changed, newer than this code, or no record."""
    return checked(opened(path), path)


def checked(content: dict[str, Any], path: Path) -> Record:
    """`content` of the file `path`. Raises LadderError that names every field which no export writes."""
    return validated(Record, content, path, "`python -m stages.accounting export` writes it")
