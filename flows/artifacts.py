"""What Prefect's page shows of a stage: a progress bar while it runs, then its table, the evaluation's report, the bill.

A server that doesn't answer shows less: it must not cost a stage of hours.
"""

import csv
import json
import re
import time
from contextlib import suppress
from pathlib import Path
from typing import cast
from urllib.parse import urlencode
from uuid import UUID

import httpx
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from flows.progress import done_of
from flows.workspace import Workspace

EVERY_S = 2.0  # a bar asks the server; a step of the miniature takes less
COLUMNS = (
    "step", "reward", "accuracy", "kl", "entropy", "completions/mean_length", "completions/clipped_ratio", "grad_norm",
    "learning_rate",
)  # fmt: skip
DASHBOARD = "http://localhost:8501"  # where `make dashboard` serves


class StageProgress:
    """A bar for a stage that says how far it is; none for one that doesn't."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._bar: UUID | None = None
        self._told = 0.0

    def show(self, note: str) -> None:
        """What a stage says of its progress."""
        found = done_of(note)
        now = time.monotonic()
        if found is None or now - self._told < EVERY_S:
            return
        self._told = now
        done, total = found
        percent = 100 * done / max(1, total)
        with suppress(httpx.HTTPError):
            if self._bar is None:
                self._bar = cast(UUID, create_progress_artifact(percent, _key("progress", self._stage), note))
            else:
                update_progress_artifact(self._bar, percent, note)

    def done(self) -> None:
        if self._bar is not None:
            with suppress(httpx.HTTPError):
                update_progress_artifact(self._bar, 100.0, f"{self._stage} is done")


def show_result(stage: str, workspace: Workspace) -> None:
    """What the stage has made, where people read it."""
    with suppress(httpx.HTTPError):
        _show_result(stage, workspace)


def _show_result(stage: str, workspace: Workspace) -> None:
    kind, _, rung = stage.partition("@")
    root = workspace.root
    if kind == "train":
        table = _rows(root / f"metrics/train/{rung}.csv")
        create_table_artifact(table, _key("rung", rung), f"{stage}, step by step")
        shown = urlencode({"runs": workspace.experiment or "workspace"})
        create_link_artifact(
            f"{DASHBOARD}/stability?{shown}",
            "reward, KL, entropy, lengths by step (`make dashboard`)",
            _key("dashboard", rung),
        )
    elif kind == "compare":
        create_markdown_artifact(
            (root / "reports/evaluation.md").read_text(), "evaluation", "every checkpoint, compared"
        )
    elif kind == "cost":
        bill = json.loads((root / "reports/bill.json").read_bytes())
        table = [{"what": key.replace("_", " "), "figure": value} for key, value in bill.items()]
        create_table_artifact(table, "bill", f"what {workspace.experiment or 'this workspace'} took")


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return [{name: row[name] for name in COLUMNS if name in row} for row in csv.DictReader(file)]


def _key(*parts: str) -> str:
    """Prefect's keys are of small letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower())
