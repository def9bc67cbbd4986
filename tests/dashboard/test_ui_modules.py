"""The modules that pages share, each by its checks in Chromium: ``checks/<name>.js``. There is no server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

HERE: Final = Path(__file__).parent
STATIC: Final = HERE.parents[1] / "convexpy/dashboard/static"
CLIENT: Final = HERE.parents[1] / "convexpy/server/static/client.js"
CHECKS: Final = sorted({path.stem for path in (HERE / "checks").glob("*.js")} - {"check", "fake_server"})
ORIGIN: Final = "http://modules.test"
POLICY: Final = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'"
PAGE: Final = (
    '<!doctype html><html lang="en"><link rel="stylesheet" href="/dashboard/static/tokens.css">'
    '<link rel="stylesheet" href="/dashboard/static/app.css"><title>checks</title><body></body>'
)
FOLDERS: Final = {"/dashboard/static/": STATIC, "/checks/": HERE / "checks"}
TYPES: Final = {".js": "text/javascript", ".css": "text/css"}
RUN: Final = "async (name) => (await import('/checks/check.js')).run((await import(`/checks/${name}.js`)).default)"


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """A page to which the files of the dashboard are sent."""
    page = browser.new_page()
    page.route("**/*", answer)
    yield page
    page.close()


def answer(route: Route) -> None:
    path = route.request.url.removeprefix(ORIGIN)
    for prefix, folder in FOLDERS.items():
        file = folder / path.removeprefix(prefix)
        if path.startswith(prefix) and file.is_file():
            route.fulfill(body=file.read_text("utf-8"), content_type=TYPES[file.suffix])
            return
    if path == "/client.js":
        route.fulfill(path=CLIENT, content_type=TYPES[".js"])
    elif path == "/":
        route.fulfill(body=PAGE, content_type="text/html", headers={"content-security-policy": POLICY})
    else:
        route.fulfill(status=404)


@pytest.mark.parametrize(
    "name", sorted({path.stem for path in (HERE / "checks").glob("*.js")} - {"check", "fake_server"})
)
def test_a_module_keeps_what_it_says(page: Page, name: str) -> None:
    page.goto(f"{ORIGIN}/")
    result = page.evaluate(RUN, name)
    assert result["failed"] == []
    assert result["count"] > 0
