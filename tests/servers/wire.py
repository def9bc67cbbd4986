"""A network between a test and its server, with the chaos kit's proxy, so that it can be cut at the worst moment."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from stress.chaos.proxy import Cut, Mode, Proxy

T = TypeVar("T")
NAME = "test"


class Wire:
    """One port that leads to the server."""

    def __init__(self, server_port: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wire", daemon=True)
        self._thread.start()
        self._proxy = Proxy(server_port)
        self.port = self._do(self._proxy.open(NAME))

    def cut(self, when: Cut, times: int = 1) -> None:
        """Break the connection at the next COMMIT: before the server hears of it, or before its answer arrives."""
        self._tell("cut", when, times)

    def mode(self, mode: Mode, seconds: float = 0.0) -> None:
        """What happens to everything that passes."""
        self._tell("mode", mode, seconds)

    def reset(self) -> None:
        """Break every connection."""
        self._tell("reset")

    def struck(self) -> int:
        """How often what was set has happened."""
        return self._tell("look")

    def close(self) -> None:
        self._do(self._proxy.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _tell(self, command: str, *args: Any) -> int:
        async def tell() -> int:
            return self._proxy.do(command, NAME, *args)

        return self._do(tell())

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)


@contextmanager
def wire(server_port: int) -> Iterator[Wire]:
    made = Wire(server_port)
    try:
        yield made
    finally:
        made.mode("pass")
        made.close()
