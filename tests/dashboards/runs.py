"""Runs made by hand, for tests of what is drawn of them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dashboards.load.book import Book, read_book
from dashboards.load.runs import Run, all_runs


def book_of(root: Path) -> Book:
    return read_book(root / "runs/ledger.db", lambda device: None)


def runs_of(root: Path) -> dict[str, Run]:
    """By key."""
    return {run.key: run for run in all_runs(root, book_of(root))}


def row(step: int, **other: Any) -> dict[str, Any]:
    """A line of a rung's table, of a calm run unless `other` says otherwise."""
    calm = {
        "reward": 0.5, "reward_std": 0.4, "frac_reward_zero_std": 0.2, "accuracy": 0.5, "advantage_std": 0.8,
        "completions/mean_length": 20.0, "completions/clipped_ratio": 0.1, "loss": 0.0, "grad_norm": 0.2, "learning_rate": 1e-6,
        "entropy": 0.3, "kl": 0.01, "kl_coef": 0.001, "sampling/sampling_logp_difference/mean": 1e-7, "skipped_updates": 0,
        "sampled_prompts": 32, "sampled_tokens": 100, "trained_tokens": 100,
    }  # fmt: skip
    return {"step": step, **calm, **other}


def write_live(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
