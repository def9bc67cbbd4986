"""``StopNotice``: tells what runs in a server that it stops, and lets it finish."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

STATE_KEY: Final = "convexpy_stop_notice"

Drain = Callable[[float], Awaitable[None]]
"""Lets something finish what it runs within so many seconds, and ends it."""


class StopNotice:
    """The notice of one server, or of one version of its app. It is in the state of every scope, see ``notice_of``."""

    def __init__(self) -> None:
        self.has_come = False
        """Whether the server stops: it is not ready for more. Any thread may set it."""
        self._drains: set[Drain] = set()

    def drain_with(self, drain: Drain) -> None:
        """Call this when the server stops, before it closes what is open. Once, however often it is passed."""
        self._drains.add(drain)

    async def give(self, seconds: float) -> None:
        """The server stops. Returns when all has finished, at the latest after so many seconds."""
        self.has_come = True
        if self._drains:
            await asyncio.gather(*(drain(seconds) for drain in self._drains))


def notice_of(scope: Mapping[str, Any]) -> StopNotice | None:
    """The notice of the server that a request or a socket came to. None: it is not a server of convexpy's own."""
    notice = scope.get("state", {}).get(STATE_KEY)
    return notice if isinstance(notice, StopNotice) else None
