"""Every page in a real Chromium: drawn, without an error on it or in the console, on a wide screen and on a telephone's."""

from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import pytest

from tests.conftest import Project
from tests.dashboards.browser import NARROW, WIDE, Visitor, chromium, dashboard

pytestmark = pytest.mark.xdist_group("browser")  # one server of a climbed ladder for all of them
Visit = Callable[..., Visitor]
CHARTED = {"Stability", "Spend", "Evaluation", "Problems"}  # of a climbed ladder; the others have tables
# What an empty checkout's pages say to run; Samples has one of its runs to choose first.
FIRST = {
    "Overview": "make run",
    "Stability": "make run",
    "Spend": "make run",
    "Evaluation": "make run",
    "Problems": "make run",
    "Sweep": "python -m flows.sweep run",
}


@pytest.mark.parametrize(("width", "dark"), [(WIDE, False), (NARROW, True)])
def test_every_page_of_a_climbed_ladder_is_drawn(visit: Visit, climbed_root: Path, width: int, dark: bool) -> None:
    visitor = visit(climbed_root, width, dark)
    visitor.open()
    paths = visitor.pages()
    assert set(paths) >= CHARTED
    for name, path in paths.items():
        visitor.open(path)
        assert visitor.headings()[0] == name
        charts = 0
        for part in visitor.parts():
            marks = visitor.marks()
            charts += len(marks)
            assert all(marks), f"{name}, {part}: charts without a mark: {marks}"
            assert not visitor.failures(), f"{name}, {part}"
            assert visitor.overflow() == 0, f"{name}, {part}: wider than {width} px"
        assert charts or name not in CHARTED, name
    assert visitor.errors == []


def test_the_navigation_changes_the_page(visit: Visit, climbed_root: Path) -> None:
    visitor = visit(climbed_root)
    visitor.open()
    for name in visitor.pages():
        visitor.go(name)
        assert visitor.headings()[0] == name
        assert not visitor.failures()
    assert visitor.errors == []


def test_every_page_of_an_empty_checkout_says_what_to_run(visit: Visit, project: Project) -> None:
    visitor = visit(project.root, NARROW)
    visitor.open()
    for name, path in visitor.pages().items():
        visitor.open(path)
        assert FIRST.get(name, "") in visitor.page.locator("[data-testid=stMain]").inner_text(), name
        assert not visitor.failures(), name
        assert visitor.overflow() == 0, name
    assert visitor.errors == []
    assert not (project.root / "runs").exists()


def test_what_goes_wrong_is_seen(visit: Visit, project: Project) -> None:
    """The checks above find an exception, an `st.error`, a chart without a mark, a side beyond the screen, a foreign request."""
    (project.root / "dashboards/app.py").write_text(BROKEN)
    visitor = visit(project.root, NARROW)
    visitor.open()
    said, raised = visitor.failures()
    assert said == "wrong: this"
    assert raised.startswith("This app has encountered an error")
    assert visitor.marks() == [0, 3]
    assert visitor.overflow() > 0
    visitor.page.evaluate("() => { console.error('complaint'); fetch('http://127.0.0.1:9/elsewhere').catch(() => 0) }")
    visitor.page.wait_for_timeout(0)
    assert any("complaint" in error for error in visitor.errors)
    assert "asks http://127.0.0.1:9/elsewhere" in visitor.errors


BROKEN = """
import altair as alt
import pandas as pd
import streamlit as st
none, three = pd.DataFrame({"x": []}), pd.DataFrame({"x": [1, 2, 3]})
for data in (none, three):
    st.altair_chart(alt.Chart(data).mark_point().encode(x="x:Q", y="x:Q"))
st.html("<style>html { width: 900px; } body, #root { width: 900px; }</style>")
st.error("wrong: this")
1 / 0
"""


def test_a_browser_is_found_where_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("LADDER_CHROMIUM", raising=False)
    assert chromium() is None
    monkeypatch.setenv("LADDER_CHROMIUM", "/opt/browser")
    assert chromium() == "/opt/browser"


def test_it_listens_on_this_machine_alone(project: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    with dashboard(project.root, tmp_path_factory.mktemp("dashboard") / "server.log") as (_, process):
        listening = [one.laddr.ip for one in process.net_connections() if one.status == "LISTEN"]
    assert listening
    assert all(ip_address(ip).is_loopback for ip in listening)
