"""How a benchmark's result is recorded: with the day, the commit, the device and the versions that it came from."""

import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from stages.accounting.origin import COMMIT
from stages.process import processor
from stages.store.files import write_json

RESULTS = Path("benchmarks/results")


def write_result(name: str, packages: Sequence[str], configuration: dict[str, Any], figures: dict[str, Any]) -> Path:
    """Write results/`name`.json: `figures` (ratios first) of `configuration`, and where they come from."""
    path = RESULTS / f"{name}.json"
    write_json(
        path,
        {
            "benchmark": f"python -m benchmarks.{name}",
            "date": datetime.now(UTC).date().isoformat(),
            "commit": commit(),
            "device": device(),
            "versions": {"python": platform.python_version(), **{package: version(package) for package in packages}},
            "configuration": configuration,
            "figures": figures,
        },
    )
    return path


def commit() -> str:
    """The commit of the checkout, marked where tracked files differ from it; what every run rewrites does not count.

    On another machine a copy of a checkout is no commit of its own: LADDER_COMMIT says there what it is a copy of.
    """
    if COMMIT in os.environ:
        return os.environ[COMMIT]
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!reports", ":!dvc.lock")
    return _git("rev-parse", "--short=12", "HEAD") + ("-dirty" if changed else "")


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()


def device() -> str:
    """The processor's name and its cores, as the system tells them."""
    return f"{processor()}, {psutil.cpu_count()} logical cores, {psutil.virtual_memory().total / 2**30:.0f} GiB"
