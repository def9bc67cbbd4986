"""A server of the tea shop for each database, and tabs that visit it. Without Chromium or Playwright all is skipped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from servers.shared import drop, new_database
from support.chromium import ARGUMENTS, MISSING, find_chromium
from support.npm import node_modules

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from .demo_server import DemoServer
    from .visitor import Visitor

__all__ = ["node_modules"]

Visit = Callable[..., "Visitor"]


# Of this package, not of the session: as long as Playwright runs, its event loop is that of the thread.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium without a window."""
    program = find_chromium() or pytest.skip(MISSING)
    playwright = pytest.importorskip("playwright.sync_api", reason="the package `playwright` is not installed")
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=program, args=[*ARGUMENTS])
        yield launched
        launched.close()


@pytest.fixture(scope="package", params=["sqlite", pytest.param("postgres", marks=pytest.mark.long)])
def demo(
    request: pytest.FixtureRequest, browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DemoServer]:
    """The tea shop, served in production. It asks for the browser first: without one no server is started."""
    from .demo_server import DemoServer

    folder = tmp_path_factory.mktemp("teashop")
    yield from _on_database(request.param, folder, lambda url: DemoServer(folder, url, hostile=True))


def _on_database(kind: str, folder: Path, make: Callable[[str], DemoServer]) -> Iterator[DemoServer]:
    if kind == "sqlite":
        with make(f"sqlite:///{folder / 'shop.db'}") as server:
            yield server
        return
    database = new_database()
    try:
        with make(database.render_as_string(hide_password=False)) as server:
            yield server
    finally:
        drop(database)


@pytest.fixture
def visit(browser: Browser, demo: DemoServer) -> Iterator[Visit]:
    """Opens a tab that is signed in. Whatever goes wrong in it fails the test."""
    from .visitor import Visitor

    visitors: list[Visitor] = []

    def open_tab(key: str | None = None, **options: Any) -> Visitor:
        visitor = Visitor(browser, demo.url, **options)
        visitors.append(visitor)
        visitor.sign_in(key or demo.key)
        return visitor

    yield open_tab
    for visitor in visitors:
        visitor.check()
        visitor.close()
