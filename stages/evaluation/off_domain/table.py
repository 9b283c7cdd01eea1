"""The tax as Markdown, after the examination's own report."""

from collections.abc import Callable, Sequence
from typing import Any

from stages.evaluation.off_domain.examined import ANSWERS
from stages.evaluation.table import between, table

Row = dict[str, Any]


def tax_markdown(rows: Sequence[Row]) -> str:
    """Nothing where no set is asked and nothing was measured."""
    bits = [row for row in rows if row["measure"] in ("bits_per_byte", "score")]
    far = [row for row in rows if row["measure"] in ("kl", "weights")]
    parts = []
    if bits:
        parts += [
            "## What it cost elsewhere",
            "Fewer bits per byte are better, higher scores are. What counts is the change from the base, in parentheses, paired "
            "over the same texts. Intervals are of texts, and not corrected for being several.",
            _cells(bits, bits_told),
        ]
    if far:
        parts += [
            "## How far from the base",
            "KL(checkpoint || base) in nats a token, over the whole vocabulary; weights: |w - w0| / |w0| over all tensors.",
            _cells(far, far_told),
        ]
    return "".join(f"\n{part}\n" for part in parts)


def bits_told(row: Row) -> str:
    """As in "1.02 -> 1.09 (+0.07 [+0.05, +0.09])"; the base's with its interval, or why there is none."""
    if row["value"] is None:
        return str(row["note"])
    if row["base"] is None:
        return between(row["value"], row["low"], row["high"], lambda bits: f"{bits:.3f}")
    change = between(row["difference"], row["difference_low"], row["difference_high"], lambda bits: f"{bits:+.3f}")
    return f"{row['base']:.3f} -> {row['value']:.3f} ({change})"


def far_told(row: Row) -> str:
    if row["measure"] == "weights":
        return f"{row['value']:.3g} ({row['note']})"
    return between(row["value"], row["low"], row["high"], lambda nats: f"{nats:.3g}")


def measured(row: Row) -> str:
    """What a row is of."""
    if row["measure"] == "bits_per_byte":
        return f"{row['set']}, bits per byte"
    if row["measure"] == "score":
        return f"{row['set']}, score"
    if row["measure"] == "weights":
        return "weights"
    return "KL on its own answers" if row["set"] == ANSWERS else f"KL on {row['set']}"


def _cells(rows: Sequence[Row], told: Callable[[Row], str]) -> str:
    """A line a checkpoint, a column a measure."""
    names, columns = (list(dict.fromkeys(map(of, rows))) for of in (_checkpoint, measured))
    cells = {(_checkpoint(row), measured(row)): told(row) for row in rows}
    return table(("", *columns), ([name, *(cells.get((name, one), "-") for one in columns)] for name in names))


def _checkpoint(row: Row) -> str:
    return str(row["checkpoint"])
