"""A projection to be read: a line a rung, the total, what it is compared with, and what it supposes."""

from collections.abc import Iterator

from stages.accounting.projection.results import Estimate, Projection

NAME, WIDTH = 13, 34


def table(projection: Projection) -> str:
    return "\n".join(_lines(projection))


def _lines(projection: Projection) -> Iterator[str]:
    yield f"{projection.question} ({projection.basis}; {projection.confidence:.0%} intervals)"
    yield f"{'rung':<{NAME}}{'steps':>6}{'from':>6}  {'hours':<{WIDTH}}{'dollars':<{WIDTH}}device"
    for rung in projection.by_rung:
        hours = _interval(rung.seconds, 1 / 3600)
        where = f"{rung.devices} x {rung.device}"
        yield (
            f"{rung.name:<{NAME}}{rung.steps:>6}{rung.measured_steps:>6}  {hours:<{WIDTH}}{_interval(rung.usd):<{WIDTH}}{where}"
        )
    hours, dollars = _interval(projection.seconds, 1 / 3600), _interval(projection.usd)
    yield f"{'total':<{NAME}}{sum(rung.steps for rung in projection.by_rung):>6}{'':>6}  {hours:<{WIDTH}}{dollars:<{WIDTH}}"
    yield f"device hours: {_interval(projection.device_hours)}"
    if projection.spent_seconds:
        yield f"spent before: {_figure(projection.spent_seconds / 3600)} hours, ${_figure(projection.spent_usd)}"
    if projection.compared:
        compared = projection.compared
        yield f"{compared.what}: {_interval(compared.seconds, 1 / 3600)} hours, ${_interval(compared.usd)}"
        yield f"over that: {_interval(compared.seconds_ratio)} x the hours, {_interval(compared.usd_ratio)} x the dollars"
    yield "supposed:"
    for number, assumption in enumerate(projection.assumptions, 1):
        yield f"  {number}. {assumption}"


def _interval(estimate: Estimate, unit: float = 1.0) -> str:
    return f"{_figure(estimate.value * unit)} [{_figure(estimate.low * unit)} .. {_figure(estimate.high * unit)}]"


def _figure(value: float) -> str:
    """Three significant digits, never as a power of ten."""
    if value >= 100:
        return f"{value:,.0f}"
    digits = f"{value:.3g}"
    return f"{value:.6f}".rstrip("0") if "e" in digits else digits
