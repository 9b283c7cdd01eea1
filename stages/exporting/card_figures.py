"""The sections of a model card that tell how good the model is: its examination, its tax elsewhere, what a format cost."""

from collections.abc import Sequence
from typing import Any

from stages.evaluation.off_domain.table import tax_markdown
from stages.evaluation.table import COUNTED
from stages.exporting.manifest import Manifest
from stages.exporting.record import Record


def evaluation(record: Record, manifest: Manifest) -> list[str]:
    rows = record.evaluation["rows"]
    shown = ("base", manifest.rung)
    metrics = list(dict.fromkeys(row["metric"] for row in rows))
    found = {(row["benchmark"], row["metric"], row["checkpoint"]): row for row in rows if row["at"] == "full"}
    table = [
        f"| {benchmark} | {metric} | {_interval(found.get((benchmark, metric, 'base')))} |"
        f" {_interval(found.get((benchmark, metric, manifest.rung)))} |"
        for benchmark in dict.fromkeys(row["benchmark"] for row in rows)
        for metric in metrics
        if any((benchmark, metric, checkpoint) in found for checkpoint in shown)
    ]
    differences = [
        f"| {one['benchmark']} | {one['metric']} | {_points(one['difference'])} [{_points(one['low'])}, {_points(one['high'])}]"
        f" | {one['p_adjusted']:.3g} |"
        for one in record.evaluation["comparisons"]
        if (one["checkpoint"], one["against"]) == (manifest.rung, "base")
    ]
    twins = [
        f"| {one['change']} | {one['families']} | {_share(one['originals'])} | {_share(one['twins'])} |"
        f" {_points(one['gap'])} [{_points(one['gap_low'])}, {_points(one['gap_high'])}] |"
        for one in record.evaluation["brittleness"]
        if one["checkpoint"] == manifest.rung
    ]
    level = record.params.evaluation.confidence
    return [
        "## Evaluation",
        "",
        f"On held-out problems, at the full context; brackets hold {level:.0%} intervals by bootstrap over problems. Lengths "
        "are in tokens.",
        "",
        f"| benchmark | metric | base | {manifest.rung} |",
        "|-|-|-|-|",
        *table,
        *titled("Paired difference from base, in points:", "| benchmark | metric | points | p, Holm |", differences),
        *titled(
            "The same problems with other numbers or words (a gap above 0 is brittleness):",
            "| change | problems | originals | twins | gap, points |",
            twins,
        ),
    ]


def elsewhere(record: Record, manifest: Manifest) -> list[str]:
    """Beside the base; a record of before the stage `elsewhere` has none of it."""
    rows = [one for one in record.evaluation.get("elsewhere", []) if one["checkpoint"] in ("base", manifest.rung)]
    return [
        tax_markdown(rows).strip()
        or "## Elsewhere\n\nNothing was measured of what the training cost it in other fields."
    ]


def examined(record: Record, manifest: Manifest) -> list[str]:
    assert record.examined is not None
    one = record.examined
    ends = "".join(
        f" {'to ' if name == 'high' else ''}{_points(one[name])}" for name in ("low", "high") if one[name] is not None
    )
    return [
        "## What the format cost",
        "",
        f"{one['problems']} of the held-out problems, asked greedily of llama.cpp and of the checkpoint:",
        "",
        "| | checkpoint | this file |",
        "|-|-|-|",
        f"| accuracy | {_share(one['original'])} | {_share(one['exported'])} |",
        "",
        f"Paired difference {_points(one['difference'])} points ({ends.strip() or 'no interval'}). The same answer to the "
        f"letter: {_share(one['same'])}. {one['mib']:.2f} MiB; on {one['threads']} thread(s) of the machine that examined it "
        f"{one['tokens_per_s']:.0f} tokens/s, {one['first_token_s']:.3f} s to the first token, {one['load_s']:.2f} s to load.",
    ]


def titled(title: str, head: str, rows: Sequence[str]) -> list[str]:
    """A table under its title; nothing where it has no rows."""
    return ["", title, "", head, "|-" * (head.count("|") - 1) + "|", *rows] if rows else []


def _interval(row: dict[str, Any] | None) -> str:
    if row is None:
        return "-"
    told = _count if row["metric"] in COUNTED else _share
    return f"{told(row['value'])} [{told(row['low'])}, {told(row['high'])}]"


def _count(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _points(value: float) -> str:
    return f"{100 * value:+.1f}"
