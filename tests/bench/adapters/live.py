"""convexpy's live queries, followed by tasks of one event loop, as a server of sockets does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from ..app import live
from .adapter import run_adapter
from .live_adapter import LiveAdapter, Receive
from .ours import ConvexpyAdapter


class LiveConvexpyAdapter(LiveAdapter, ConvexpyAdapter):
    def subscribe(self, receivers: list[tuple[int, Receive]]) -> None:
        threading.Thread(target=asyncio.run, args=(self._follow_all(receivers),), daemon=True).start()

    async def _follow_all(self, receivers: list[tuple[int, Receive]]) -> None:
        await asyncio.gather(*[self._follow(channel, receive) for channel, receive in receivers])

    async def _follow(self, channel: int, receive: Receive) -> None:
        async for value in self.convex().subscribe(live.newest, channel=channel):
            receive(value)

    def runs(self) -> int:
        return live.runs

    def poster(self) -> Callable[[int, int], object]:
        convex = self.convex()
        return lambda channel, number: convex.run(live.post, channel=channel, number=number)


if __name__ == "__main__":
    run_adapter(LiveConvexpyAdapter)
