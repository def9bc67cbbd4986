"""A visitor of the dashboard: a tab of Chromium in which nothing may go wrong unseen."""

from __future__ import annotations

import re
from typing import Any, Literal

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Response, expect

Theme = Literal["light", "dark"]
WIDE = (1440, 900)
NARROW = (390, 844)
PATIENCE_MS = 60_000
WATCH_VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.violations.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
});
"""

expect.set_options(timeout=PATIENCE_MS)


class Visitor:
    """A tab at a server, with what went wrong in it.

    Args:
        browser: The browser.
        url: The server.
        size: The window.
        theme: What the system prefers.
    """

    def __init__(
        self, browser: Browser, url: str, size: tuple[int, int] = WIDE, theme: Theme = "light", **options: Any
    ) -> None:
        self.url = url
        viewport = {"width": size[0], "height": size[1]}
        self.context: BrowserContext = browser.new_context(
            viewport=viewport, color_scheme=theme, reduced_motion="reduce", has_touch=size == NARROW, **options
        )
        self.context.set_default_timeout(PATIENCE_MS)
        self.context.add_init_script(WATCH_VIOLATIONS)
        self.page: Page = self.context.new_page()
        self.problems: list[str] = []
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.problems.append(f"error of a script: {error}"))
        self.page.on("response", self._on_response)
        self.page.on("requestfailed", self._on_failed)

    def sign_in(self, key: str) -> None:
        """Show a key to the form."""
        self.page.goto(f"{self.url}/dashboard/login")
        self.page.get_by_label(re.compile("key", re.I)).first.fill(key)
        self.page.keyboard.press("Enter")
        self.page.wait_for_url(re.compile(r"/dashboard/(?!login)"))

    def open(self, path: str) -> Page:
        """Open a page of the dashboard by its address, and wait until it shows what it is about."""
        self.page.goto(f"{self.url}/dashboard/{path.lstrip('/')}")
        expect(self.page.get_by_role("heading", level=1)).to_be_visible()
        return self.page

    def settle(self) -> None:
        """Wait until nothing says that it is still being loaded."""
        expect(self.page.locator("[aria-busy=true]")).to_have_count(0)

    def check(self) -> None:
        """Nothing went wrong since the last check."""
        violations = self.page.evaluate("() => window.violations ?? []")
        found, self.problems = [*self.problems, *violations], []
        assert not found, "\n".join(found)

    def close(self) -> None:
        """Close the tab, with its cookies."""
        self.context.close()

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(f"console {message.type}: {message.text} ({message.location.get('url')})")

    def _on_response(self, response: Response) -> None:
        if response.status >= 500:
            self.problems.append(f"{response.status} for {response.url}")

    def _on_failed(self, request: Request) -> None:
        if not request.url.startswith(self.url):
            self.problems.append(f"a request to elsewhere: {request.url}")
