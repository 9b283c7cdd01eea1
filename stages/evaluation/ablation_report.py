"""An ablation as Markdown: what each variant came to, and how sure it is that one differs from the reference."""

from collections.abc import Callable, Iterable, Sequence

from stages.evaluation.ablation import METRICS, Ablation, Average, Contrast, Metric, Variant
from stages.evaluation.intervals import Interval

TITLES: dict[Metric, str] = {
    "finished": "Accuracy of the runs that finished",
    "all_runs": "Accuracy of all runs, diverged ones as they ended",
    "diverged": "Share of runs that diverged",
}


def ablation_report(ablation: Ablation, title: str) -> str:
    """The whole report under `title`. Shares are in percent, differences in points."""
    parts = [
        f"# {title}",
        f"Brackets hold {ablation.confidence:.0%} intervals over seeds: Student's t for means, which takes the runs' accuracies "
        "for normally distributed (few seeds can't tell), Clopper and Pearson's for shares. A run that diverged is no part of "
        "the mean of those that finished; the mean of all runs counts it with the last accuracy that it had, or 0. Dollars and "
        "tokens are means over the runs whose costs are known: one that a guard stopped has no bill.",
        _table(
            (
                "variant",
                "seeds",
                "accuracy, finished",
                "finished",
                "accuracy, all runs",
                "diverged",
                "dollars",
                "tokens",
            ),
            (_line(variant, ablation.reference) for variant in ablation.variants),
        ),
    ]
    if ablation.contrasts:
        parts += [
            f"## Against {_cell(ablation.reference)}, seed by seed",
            "p-values are of paired sign flips over the seeds that count for both, adjusted (Holm) for all rows of a table; the "
            "intervals are each row's own. The last column is the smallest p-value that so many seeds can have, before the "
            "adjustment.",
        ]
    for metric in METRICS:
        rows = [contrast for contrast in ablation.contrasts if contrast.metric == metric]
        if rows:
            parts += [
                f"### {TITLES[metric]}",
                _table(("finding", "points", "seeds", "p", "adjusted p", "least p"), map(_found, rows)),
            ]
    return "\n\n".join(parts) + "\n"


def _line(variant: Variant, reference: str) -> list[str]:
    runs = variant.all_runs.runs
    return [
        f"{_cell(variant.name)}{' (reference)' if variant.name == reference else ''}",
        str(runs),
        _between(variant.finished.value, variant.finished.interval, _percent),
        f"{variant.finished.runs} of {runs}",
        _between(variant.all_runs.value, variant.all_runs.interval, _percent),
        _between(variant.diverged.value, variant.diverged.interval, _percent),
        _average(variant.usd, runs, lambda usd: f"{usd:.4f}"),
        _average(variant.sampled_tokens, runs, lambda tokens: f"{tokens:,.0f}"),
    ]


def _found(contrast: Contrast) -> list[str]:
    more, less = (
        ("diverges more often than", "diverges less often than")
        if contrast.metric == "diverged"
        else ("beats", "is worse than")
    )
    if contrast.difference is None:
        verb = "has no seed in common with"
    elif contrast.shown:
        verb = more if contrast.difference > 0 else less
    else:
        verb = "is not shown to differ from"
    return [
        f"{_cell(contrast.variant)} {verb} {_cell(contrast.against)}",
        _between(contrast.difference, contrast.interval, lambda share: f"{100 * share:+.1f}"),
        str(len(contrast.seeds)),
        f"{contrast.p_value:.4f}",
        f"{contrast.p_adjusted:.4f}",
        f"{contrast.least_p:.4f}",
    ]


def _between(value: float | None, interval: Interval, form: Callable[[float], str]) -> str:
    """An interval's end is "?" where nothing bounds it."""
    if value is None:
        return "none"
    low, high = ("?" if end is None else form(end) for end in (interval.low, interval.high))
    return f"{form(value)} [{low}, {high}]"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _average(average: Average, runs: int, form: Callable[[float], str]) -> str:
    if average.value is None:
        return "unknown"
    return form(average.value) + (f" ({average.runs} of {runs} known)" if average.runs < runs else "")


def _table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    drawn = [header, ["-"] * len(header), *lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in drawn)


def _cell(name: str) -> str:
    """A name as it can stand in a table."""
    return name.replace("|", "\\|")
