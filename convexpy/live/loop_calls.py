"""``LoopCalls``: what other threads let an event loop call.

A refresh wakes thousands of tasks within milliseconds. The loop is woken once for all of them, and wakes them in
slices: if all are woken before the first of them runs, the garbage collector takes much of the time.
"""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final
from weakref import WeakKeyDictionary

AT_ONCE: Final = 100
"""After so many calls the tasks that they have woken run, and the loop's others: what they make is garbage soon."""


class LoopCalls:
    """The calls of one event loop, in their order."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = weakref.ref(loop)  # which is the key under which this is kept: it would live for ever
        self._calls: deque[Callable[[], None]] = deque()
        self._is_woken = False

    def soon(self, call: Callable[[], None]) -> None:
        """The loop makes this call soon. From any thread. It must return at once, and raise nothing."""
        self._calls.append(call)
        if not self._is_woken:
            self._is_woken = True
            loop = self._loop()
            with suppress(RuntimeError):  # the loop is closed
                if loop is not None:
                    loop.call_soon_threadsafe(self._make)

    def _make(self) -> None:
        self._is_woken = False  # first: what comes from now on wakes it again
        for _ in range(min(len(self._calls), AT_ONCE)):
            self._calls.popleft()()
        if self._calls:
            self._is_woken = True
            asyncio.get_running_loop().call_soon(self._make)


_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, LoopCalls] = WeakKeyDictionary()


def running_loop_calls() -> LoopCalls:
    """Those of the running event loop."""
    loop = asyncio.get_running_loop()
    found = _loops.get(loop)
    if found is None:
        found = _loops[loop] = LoopCalls(loop)
    return found
