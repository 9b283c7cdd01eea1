"""A comparison as people read it: a column an experiment, a paragraph a section."""

from collections.abc import Sequence
from itertools import groupby

from stages.accounting.sharing.comparison import Cell, Row
from stages.terminal import printable

NAME, COLUMN = 40, 26


def as_table(names: Sequence[str], rows: Sequence[Row]) -> str:
    """`names` of the experiments, in the order of the cells."""
    lines = [_line("", names)]
    for section, part in groupby(rows, key=lambda row: row.section):
        lines += ["", section, *(_line(f"  {row.name}", [told(cell) for cell in row.cells]) for row in part)]
    return "\n".join(lines)


def told(cell: Cell) -> str:
    """The figure to six places, its interval, and by which metric."""
    if cell.value is None:
        return "-"
    said = cell.value if isinstance(cell.value, str) else f"{cell.value:.6f}".rstrip("0").rstrip(".")
    if cell.low is not None and cell.high is not None:
        said += f" [{cell.low:.3f}, {cell.high:.3f}]"
    return said if cell.metric is None else f"{said} {cell.metric}"


def _line(name: str, texts: Sequence[str]) -> str:
    return f"{_fit(name, NAME):<{NAME}}" + "".join(f"  {_fit(text, COLUMN):>{COLUMN}}" for text in texts)


def _fit(text: str, width: int) -> str:
    """On one line, whatever a record calls its settings."""
    text = printable(" ".join(text.split()) if text.strip() == text else "  " + " ".join(text.split()))
    return text if len(text) <= width else text[: width - 1] + "…"
