"""Anybody's texts stand on the pages as texts: they end no line, no table and no fence."""

import json
import re
from typing import Any

from stages.problems.__main__ import page as page_of_leaks
from stages.problems.leaks import Leak, Screened
from stages.problems.page import page
from stages.problems.problem import Problem
from stages.problems.report import Tables, report
from stages.problems.rows import Row

LINE_ENDS = ("\n", "\r", "\r\n", "\x0b", "\x0c", "\x85", "\u2028", "\u2029")


def reported(text: str) -> str:
    """The page where `text` is a problem, an answer, a source's name and a licence."""
    told: dict[str, Any] = {"source": text, "record": 1, "id": "x", "problem": text, "answers": [text, text]}
    leak = {
        "kind": "near", "score": 0.9, "step": "ngram", "grey": True, "removed": True, "train": told, "benchmark": told,
    }  # fmt: skip
    problem = Problem(
        id="x", problem=text, answers=("2",), source=text, record=1, licence=text, split="train", rating=None, year=2024
    )
    return page(report(Tables([problem], [], [], [], [], [leak], {}, {}), "rating"))


def test_a_text_ends_no_line_of_the_report() -> None:
    plain = reported("text").count("\n")
    for end in LINE_ENDS:
        said = reported(f"a{end}{end}# b")
        assert said.count("\n") == plain, end
        assert not set(said) & set("\r\x0b\x0c\x85\u2028\u2029"), end
        assert "<pre>a&#10;&#10;# b</pre>= <code>a&#10;&#10;# b or a&#10;" in said
    assert "\n| a &#124; &lt;i&gt; | train | a &#124; &lt;i&gt; | 1 |" in reported("a | <i>")


def outside_fences(markdown: str) -> list[str]:
    """The lines of no fence, after CommonMark 4.5: a line of as many tildes as opened it, or more, closes it."""
    outside, opened = [], ""
    for line in re.split("\r\n|\n|\r", markdown):
        tildes = line.strip(" ")
        if opened:
            opened = "" if tildes.startswith(opened) and not tildes.strip("~") else opened
        elif tildes.startswith("~~~"):
            opened = tildes
        elif tildes:
            outside.append(line)
    return outside


def test_a_text_closes_no_fence_of_the_leaks() -> None:
    title = [
        "# Leaks: 1 pairs",
        "## Leaks to be read: 0",
        "## No leaks, to be read: 0",
        "## Leaks: 1",
        "### near (ngram, 0.9)",
    ]
    for row in (
        Row("x", "Find ~~~x.", ("2", "\n~~~\n# 2")),
        Row("x", "Find x.", ("3\r~~~~\r# 3",)),
        Row("x\r\n~~~\n# 4", "Find x.", ()),
        Row("x", "Find x.\r~~~~~~\r\n# 5", ()),
    ):
        leak = Leak(train=row.id, benchmark=row.id, kind="near", score=0.9, step="ngram", grey=False)
        said = page_of_leaks(Screened([leak], []), [row], [row])
        assert outside_fences(said) == title
        assert f"~\ntrain {json.dumps(row.id)}\n" in said
