"""A run at work is drawn while it climbs, in pages that nobody reloads, and what was zoomed and chosen stays so."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, TimeoutError

from tests.conftest import Project
from tests.dashboards.browser import LINKS, Visitor

pytestmark = pytest.mark.xdist_group("browser")
TRIES = 50
TURNS = 10
LIMIT_MS = 240_000  # no more than a bound: a busy machine takes its time
# Of the time line: how many steps its strip has, and what the x of its panels goes from and to.
VIEW = """() => {
    const chart = document.querySelector("[data-testid=stVegaLiteChart] svg.marks");
    const line = chart?.querySelector(".mark-line.role-mark path");
    if (!line) return {steps: 0};
    const axes = [...chart.querySelectorAll(".role-axis")].map(axis => axis.getAttribute("aria-label") ?? "");
    return {
        steps: line.getAttribute("d").split("L").length,
        zoom: axes.find(said => said.startsWith("X-axis titled")),
        brush: chart.querySelector(".zoom_brush path").getAttribute("d"),
    };
}"""


def test_a_run_at_work_is_drawn_and_keeps_the_zoom(visit: Callable[..., Visitor], project: Project) -> None:
    project.set("rungs.r8k.steps", 100_000)  # still at work when all has been looked at
    visitor = visit(project.root)
    visitor.open("/stability?by=tokens")
    page = visitor.page
    page.get_by_text("make run").wait_for()
    climbing = project.start("flows")
    try:
        page.wait_for_function(f"() => ({VIEW})().steps >= 4", timeout=LIMIT_MS)
        whole = page.evaluate(VIEW)
        strip = page.locator("[data-testid=stVegaLiteChart] svg.marks").first
        for _ in range(TRIES):  # what is drawn anew under the hand takes no brush
            _drag(strip, 0.2, 0.6)
            if page.evaluate(VIEW)["brush"] != whole["brush"]:
                break
        before: dict[str, Any] = page.evaluate(VIEW)
        page.wait_for_function(f"least => ({VIEW})().steps >= least", arg=before["steps"] + 5, timeout=LIMIT_MS)
        after: dict[str, Any] = page.evaluate(VIEW)
        assert after["zoom"] == before["zoom"] != whole["zoom"]
        assert "by=tokens" in page.url
        for _ in range(TURNS):  # the page that is drawn anew for a step does not come back
            _turn_to(page, "Overview")
            page.get_by_text("running: train@8k").wait_for(timeout=LIMIT_MS)
            _turn_to(page, "Stability")
        _turn_to(page, "Overview")
    finally:
        os.killpg(climbing.pid, signal.SIGTERM)
        climbing.communicate(timeout=60)
    page.get_by_text("killed", exact=True).first.wait_for(timeout=LIMIT_MS)
    assert not visitor.failures()
    assert visitor.errors == []


def _turn_to(page: Page, name: str) -> None:
    """By the navigation; a click is lost where the link is drawn anew under the hand."""
    for _ in range(TRIES):
        page.locator(LINKS, has_text=name).click()
        with suppress(TimeoutError):
            page.locator(f"{LINKS}[aria-current=page]", has_text=name).wait_for(timeout=10_000)
            return
    raise AssertionError(f"no click leads to {name}")


def _drag(chart: Locator, first: float, last: float) -> None:
    """Over the strip above all panels, from one share of its width to another."""
    box = chart.bounding_box()
    assert box is not None
    mouse, y = chart.page.mouse, box["y"] + 50
    mouse.move(box["x"] + first * box["width"], y)
    mouse.down()
    mouse.move(box["x"] + last * box["width"], y, steps=6)
    mouse.up()
