"""A page of the dashboard, drawn by Streamlit itself without a browser."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

DRAW = """
from dashboards.look import colours_of
from dashboards.screens import {name}
from dashboards.view import View, sources

found = sources()
chosen = tuple(run for run in found.runs if run.key in {chosen})
{name}.draw(View(found.runs, chosen, colours_of([run.key for run in chosen]), found.book))
"""


def page(
    root: Path,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    chosen: Sequence[str] = ("workspace",),
    query: Mapping[str, str] | None = None,
) -> AppTest:
    """The page `name` of the checkout `root`, of the runs whose keys are `chosen`, with `query` in its address."""
    monkeypatch.chdir(root)
    drawn = AppTest.from_string(DRAW.format(name=name, chosen=list(chosen)), default_timeout=60)
    for key, value in (query or {}).items():
        drawn.query_params[key] = value
    return drawn.run()


def said(drawn: AppTest) -> str:
    """All words of the page that are text, headings and notices."""
    parts = [*drawn.header, *drawn.markdown, *drawn.caption, *drawn.info, *drawn.warning, *drawn.error]
    return "\n".join(part.value for part in parts)
