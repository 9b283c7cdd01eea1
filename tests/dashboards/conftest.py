"""A real browser at a real dashboard. Its tests share a worker: `pytestmark = pytest.mark.xdist_group("browser")`."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.conftest import Project
from tests.dashboards.browser import HOW, WIDE, Visitor, chromium, chromium_running, dashboard


# Of a module and no longer: while Playwright runs, its thread has an event loop at work, and asyncio.run() refuses another.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for the tests of a module, which skip where there is none."""
    if chromium() is None:
        pytest.skip(HOW)
    with chromium_running() as running:
        yield running


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], str]]:
    """The address of a checkout's dashboard, which is served until the module's tests have ended."""
    addresses: dict[Path, str] = {}
    with ExitStack() as servers:

        def serve(root: Path) -> str:
            if root not in addresses:
                log = tmp_path_factory.mktemp("dashboard") / "server.log"
                addresses[root], _ = servers.enter_context(dashboard(root, log))
            return addresses[root]

        yield serve


@pytest.fixture
def visit(browser: Browser, served: Callable[[Path], str]) -> Iterator[Callable[..., Visitor]]:
    """A new visitor of a checkout's dashboard: `visit(root, width=NARROW, dark=True)`."""
    with ExitStack() as visitors:

        def arrive(root: Path, width: int = WIDE, dark: bool = False) -> Visitor:
            visitor = Visitor(browser, served(root), width, dark)
            visitors.callback(visitor.close)
            return visitor

        yield arrive


@pytest.fixture
def climbed_root(climbed_once: tuple[Project, Any]) -> Path:
    """The checkout of a climbed ladder, to be looked at."""
    return climbed_once[0].root
