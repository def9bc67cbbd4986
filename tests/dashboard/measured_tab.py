"""A tab whose paints, filters and frames are timed."""

from __future__ import annotations

import statistics
import time

from playwright.sync_api import Browser, WebSocket, expect

from .demo_server import DemoServer
from .subscribed import Subscriptions
from .visitor import Visitor

FIRST_PAINT = """() => new Promise((resolve) => {
  const painted = () => performance.getEntriesByName("first-contentful-paint")[0]?.startTime;
  const look = () => (painted() ? resolve(painted()) : setTimeout(look, 5));
  look();
})"""
# Frames while the wheel turns: the time between each two, in milliseconds.
WATCH_FRAMES = """() => {
  window.frames_seen = [];
  let last = performance.now();
  const next = (now) => {
    window.frames_seen.push(now - last);
    last = now;
    window.frames_watch = requestAnimationFrame(next);
  };
  window.frames_watch = requestAnimationFrame(next);
}"""
SEEN_FRAMES = "() => (cancelAnimationFrame(window.frames_watch), window.frames_seen.slice(2))"
TURNS = 80
LINES = "[role=row], tbody tr"
SHORTEST_LONG_FRAME_MS = 50.0


class MeasuredTab:
    """A tab of the dashboard, signed in once. Each measurement opens pages of its own."""

    def __init__(self, browser: Browser, server: DemoServer) -> None:
        self._visitor = Visitor(browser, server.url)
        self._page_name = "schedules"
        self.subscriptions = Subscriptions()
        self._visitor.page.on("websocket", self._watch)
        self._visitor.sign_in(server.key)
        cookies = self._visitor.context.cookies()
        self.subscriptions.cookie = "; ".join(f"{each['name']}={each['value']}" for each in cookies)

    def _watch(self, socket: WebSocket) -> None:
        socket.on("framesent", lambda data: self.subscriptions.note(self._page_name, str(data)))

    def visit(self, name: str) -> None:
        """Open a page, so that what it subscribes to is known."""
        self._page_name = name
        self._visitor.open(name)
        self._visitor.settle()

    def first_paint(self) -> tuple[float, float]:
        """Milliseconds until the first paint, and until the list has lines, without anything cached."""
        session = self._visitor.context.new_cdp_session(self._visitor.page)
        session.send("Network.setCacheDisabled", {"cacheDisabled": True})
        began = time.perf_counter()
        page = self._visitor.page
        page.goto(f"{self._visitor.url}/dashboard/schedules", wait_until="commit")
        page.locator(LINES).nth(5).wait_for()
        rows = (time.perf_counter() - began) * 1000
        painted: float = page.evaluate(FIRST_PAINT)
        session.send("Network.setCacheDisabled", {"cacheDisabled": False})
        session.detach()
        return painted, rows

    def filtered(self, text: str) -> float:
        """Milliseconds from Enter in the filter until the list shows what fits. The median of five."""
        times = []
        page = self._visitor.page
        name, _, value = text.partition(":")
        for _ in range(5):
            self._visitor.open("schedules")
            page.locator(LINES).nth(5).wait_for()
            page.keyboard.press("/")
            page.keyboard.type(text)
            began = time.perf_counter()
            page.keyboard.press("Enter")
            shown = value if name == "function" else "Failed"
            expect(page.locator(LINES).nth(3)).to_contain_text(shown.rpartition(":")[2])
            times.append((time.perf_counter() - began) * 1000)
        return statistics.median(times)

    def scrolled(self) -> tuple[float, int]:
        """The longest frame in milliseconds while the list is scrolled, and how many took over 50."""
        self._visitor.open("schedules")
        page = self._visitor.page
        page.locator(LINES).nth(5).wait_for()
        page.mouse.move(700, 600)
        page.evaluate(WATCH_FRAMES)
        for _ in range(TURNS):
            page.mouse.wheel(0, 240)
            page.wait_for_timeout(16)
        frames: list[float] = page.evaluate(SEEN_FRAMES)
        return max(frames), sum(frame > SHORTEST_LONG_FRAME_MS for frame in frames)

    def close(self) -> None:
        """Close it. What went wrong in it fails the measurement."""
        self._visitor.check()
        self._visitor.close()
