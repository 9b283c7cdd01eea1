"""The problems' report as a page for people (Markdown): the counts, then every leak with both texts side by side."""

import html
import re
from collections.abc import Mapping, Sequence
from typing import Any

MOST_VARIANTS = 20  # on the page: all are in the JSON beside it
_LINE_END = re.compile("\r\n|[\n\x0b\x0c\r\x85\u2028\u2029]")


def page(report: Mapping[str, Any]) -> str:
    leaks = report["leaks"]
    parts = ["# What was learned from, and what was examined on\n", *_sources(report), *_rungs(report)]
    duplicates = ", ".join(f"{count} {kind}" for kind, count in report["duplicates"].items()) or "none"
    parts.append(
        f"\nRepeated training problems: {duplicates}. Texts whose answers disagree: {len(report['conflicts'])}.\n"
    )
    for split, kinds in report["answers"].items():
        parts.append(f"\nAnswers, {split}: " + ", ".join(f"{count} {kind}" for kind, count in kinds.items()) + ".\n")
    parts.append(
        "\nLicences: " + ", ".join(f"{_escaped(name)} ({count})" for name, count in report["licences"].items()) + ".\n"
    )
    for source, years in report["years"].items():
        parts.append(f"\n{_escaped(source)}: set from {years['from']} to {years['to']}.\n")
    parts += _pairs("Training problems that are problems of the examination", leaks["found"])
    parts += _pairs("Doubtful pairs, for a person to read", leaks["to_read"])
    parts += _pairs("Variants: the same text with other numbers", leaks["variants"], MOST_VARIANTS)
    return "".join(parts)


def _sources(report: Mapping[str, Any]) -> list[str]:
    rungs = list(report["rungs"])
    parts = [
        "\n## From the sources to the rungs\n\n",
        _line("source", "split", "licence", "records", "used", *rungs, "set aside"),
    ]
    parts.append("|" + "-|" * (6 + len(rungs)) + "\n")
    for name, entry in report["sources"].items():
        aside = ", ".join(f"{count} {reason}" for reason, count in entry["set_aside"].items()) or "-"
        counts = [entry["rungs"].get(rung, 0) for rung in rungs]
        where = ", ".join(entry["split"]), ", ".join(entry["licence"])
        parts.append(_line(name, *where, entry["records"], entry["used"], *counts, aside))
    return parts


def _rungs(report: Mapping[str, Any]) -> list[str]:
    parts = [f"\n## The rungs\n\nDifficulty is by {report['difficulty']}.\n\n"]
    parts.append(
        _line("rung", "problems", "difficulty", "median", "prompt tokens", "longest", "left out") + "|-|-|-|-|-|-|-|\n"
    )
    for name, rung in report["rungs"].items():
        hard, tokens = rung["difficulty"], rung["prompt_tokens"]
        left = ", ".join(f"{count}: {reason}" for reason, count in rung["left_out"].items()) or "-"
        span = f"{hard['min']:g} to {hard['max']:g}" if hard else "not known"
        median = f"{hard['median']:g}" if hard else "-"
        parts.append(_line(name, rung["problems"], span, median, f"{tokens['median']:g}", tokens["max"], left))
    return parts


def _pairs(title: str, pairs: Sequence[Mapping[str, Any]], most: int | None = None) -> list[str]:
    shown = pairs if most is None else pairs[:most]
    of = f", {len(shown)} of them shown" if len(shown) < len(pairs) else ""
    parts = [f"\n## {title}: {len(pairs)}{of}\n"]
    for pair in shown:
        kept = "removed" if pair["removed"] else "kept"
        parts.append(f"\n{pair['kind']}, found by {pair['step']} ({pair['score']:g}), {kept}\n\n<table><tr>")
        parts += [_cell(pair[side]) for side in ("train", "benchmark")]
        parts.append("</tr></table>\n")
    return parts


def _cell(problem: Mapping[str, Any]) -> str:
    """Texts are anybody's: nothing of them is read as Markdown or HTML."""
    answers = _escaped(" or ".join(problem["answers"]))
    return (
        f"<td><b>{_escaped(problem['source'])} {problem['record']}</b><pre>{_escaped(problem['problem'])}</pre>= "
        f"<code>{answers}</code></td>"
    )


def _escaped(text: str) -> str:
    """No line end is left: a blank line would end the table in Markdown, a new one its row."""
    return _LINE_END.sub("&#10;", html.escape(text))


def _line(*cells: Any) -> str:
    return "| " + " | ".join(_escaped(str(cell)).replace("|", "&#124;") for cell in cells) + " |\n"
