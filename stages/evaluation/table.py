"""The report as Markdown: who is better at what, and how sure that is. Shares in percent, with their intervals."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

Row = dict[str, Any]

COUNTED = ("mean_length", "tokens_per_correct")  # in tokens, not shares


def markdown(report: dict[str, list[Row]], confidence: float, asked: str = "") -> str:
    """The whole report; sections without rows are left out. `asked` says how the problems were."""
    measured = [row for row in report["rows"] if row["status"] == "measured"]
    published = [row for row in report["rows"] if row["status"] == "published"]
    full, own = ([row for row in measured if row["at"] == at] for at in ("full", "own"))
    first = full[0]["metric"]  # avg@n: what the comparisons go by
    parts = [
        "# Evaluation",
        f"Brackets hold {confidence:.0%} intervals, by bootstrap over problems; shares are in percent. {first} is the mean share "
        f"of right samples (the release's pass@1).{asked and f' {asked}'}",
        *_by_metric(full, "at the full context, the same for all"),
        *_by_metric(
            [row for row in own if row["metric"] in (first, "greedy", "truncated")], "at each one's own context"
        ),
    ]
    if published:
        parts += ["## Published, not measured here", _benchmarks_table(published, _plain)]
        parts += ["\n".join(f"- {name}: {source}" for name, source in _sources(published).items())]
    compared = [row for row in report["comparisons"] if row["metric"] == first]
    if compared:
        parts += [
            f"## What beats what: {first} at the full context, on the same problems",
            "p-values are of paired sign flips over problems, adjusted (Holm) for all rows of this table.",
            table(("benchmark", "finding", "points", "p", "adjusted p", "problems"), map(_compared, compared)),
        ]
    if report["brittleness"]:
        parts += [
            "## Originals and their twins",
            table(
                ("checkpoint", "change", "originals", "twins", "gap", "p", "families"), map(_gap, report["brittleness"])
            ),
        ]
    if report["training_data"]:
        parts += [
            "## Problems from before and after the end of the base's training data",
            table(("checkpoint", "year", first, "problems"), map(_training_data, report["training_data"])),
        ]
    return "\n\n".join(parts) + "\n"


def _by_metric(rows: Sequence[Row], where: str) -> Iterable[str]:
    for metric in dict.fromkeys(row["metric"] for row in rows):
        cell = _count if metric in COUNTED else _share
        yield f"## {metric}, {where}"
        yield _benchmarks_table([row for row in rows if row["metric"] == metric], cell)


def _benchmarks_table(rows: Sequence[Row], cell: Callable[[Row], str]) -> str:
    """A line a checkpoint, a column a benchmark."""
    names = list(dict.fromkeys(row["checkpoint"] for row in rows))
    benchmarks = list(dict.fromkeys(row["benchmark"] for row in rows))
    cells = {(row["checkpoint"], row["benchmark"]): cell(row) for row in rows}
    return table(("", *benchmarks), ([name, *(cells.get((name, one), "-") for one in benchmarks)] for name in names))


def table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    drawn = [header, ["-"] * len(header), *lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in drawn)


def _share(row: Row) -> str:
    return between(row["value"], row["low"], row["high"], lambda share: f"{100 * share:.1f}")


def _count(row: Row) -> str:
    return between(row["value"], row["low"], row["high"], lambda count: f"{count:.0f}")


def _plain(row: Row) -> str:
    return f"{100 * row['value']:.1f}"


def between(value: float | None, low: float | None, high: float | None, form: Callable[[float], str]) -> str:
    """An interval's end is "?" where nothing bounds it."""
    if value is None:
        return "none"
    low_end, high_end = ("?" if end is None else form(end) for end in (low, high))
    return f"{form(value)} [{low_end}, {high_end}]"


def _compared(row: Row) -> list[str]:
    verb = "is not shown to differ from" if not row["shown"] else "beats" if row["difference"] > 0 else "is worse than"
    return [
        row["benchmark"],
        f"{row['checkpoint']} {verb} {row['against']}",
        between(row["difference"], row["low"], row["high"], lambda share: f"{100 * share:+.1f}"),
        f"{row['p_value']:.4f}",
        f"{row['p_adjusted']:.4f}",
        str(row["problems"]),
    ]


def _gap(row: Row) -> list[str]:
    def told(name: str, form: Callable[[float], str]) -> str:
        return between(row[name], row[f"{name}_low"], row[f"{name}_high"], form)

    return [
        row["checkpoint"],
        row["change"],
        told("originals", lambda share: f"{100 * share:.1f}"),
        told("twins", lambda share: f"{100 * share:.1f}"),
        told("gap", lambda share: f"{100 * share:+.1f}"),
        f"{row['p_value']:.4f}",
        str(row["families"]),
    ]


def _training_data(row: Row) -> list[str]:
    sampled = between(row["sampled"], row["low"], row["high"], lambda share: f"{100 * share:.1f}")
    return [row["checkpoint"], row["year"], sampled, f"{row['problems']:.0f}"]


def _sources(published: Sequence[Row]) -> dict[str, str]:
    return {row["checkpoint"]: row["source"] for row in published}
