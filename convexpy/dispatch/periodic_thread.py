"""A thread that lives as long as the worker and calls functions, each after the seconds that it asked for."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from ..database.errors import is_internal
from ..database.outage import Outage
from ..settings import Settings

logger = logging.getLogger("convexpy.dispatch")

Tick = Callable[[], float]

# A database that was away is noticed soon after it is back.
LONGEST_PAUSE: Final = timedelta(seconds=5)
# A transaction of the framework's own may take as long where the network is silent.
PATIENCE_SECONDS: Final = 20.0
STUCK_SECONDS: Final = 60.0
"""A tick that has been under way for so long may never end."""


class PeriodicThread:
    """Calls its ticks on one thread. Each does one round and returns how long to wait; ``wake`` makes it sooner."""

    def __init__(self, name: str, settings: Settings, *ticks: Tick, outage: Outage | None = None) -> None:
        self._name = name
        self._settings = settings
        self._ticks = ticks
        self._outage = outage or Outage()
        self._next = [0.0] * len(ticks)
        self._failures = [0] * len(ticks)
        self._awake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._began: float | None = None

    def start(self) -> None:
        self._stopping = False
        thread = threading.Thread(target=self._run, name=f"convexpy-{self._name}", daemon=True)
        thread.start()
        self._thread = thread  # a signal may strike in between, and then there is nothing to wait for

    def wake(self, index: int = 0) -> None:
        """Call this tick now. Never lost: if it is under way, another one follows."""
        self._next[index] = 0.0
        self._awake.set()

    @property
    def is_stuck(self) -> bool:
        """Whether it was started and calls nothing any more."""
        thread, began = self._thread, self._began
        if thread is None or self._stopping:
            return False
        return not thread.is_alive() or (began is not None and time.monotonic() - began > STUCK_SECONDS)

    def stop(self) -> None:
        """Return when the tick that is under way has ended, or has taken so long that it may never end."""
        self._stopping = True
        self._awake.set()
        if self._thread is not None:
            self._thread.join(PATIENCE_SECONDS)
            if self._thread.is_alive():
                logger.warning("%s does not end and is left behind; its work is recovered by others", self._name)
            self._thread = None

    def _run(self) -> None:
        while not self._stopping:
            self._awake.clear()
            for index, tick in enumerate(self._ticks):
                if not self._stopping and self._next[index] <= time.monotonic():
                    self._call(index, tick)
            self._awake.wait(max(0.0, min(self._next) - time.monotonic()))

    def _call(self, index: int, tick: Tick) -> None:
        # Before the tick: a wake from here on asks for another one.
        self._next[index] = woken = float("inf")
        self._began = time.monotonic()
        try:
            seconds = tick()
            self._failures[index] = 0
            self._outage.answered()
        except Exception as error:
            self._failures[index] += 1
            seconds = self._settings.backoff(self._failures[index], longest=LONGEST_PAUSE).total_seconds()
            text = f"{self._name} failed and goes on in {seconds:.1f} s"
            if is_internal(error):  # the database is away; where in our code that was noticed helps nothing
                self._outage.failed(text, error)
            else:
                logger.exception(text)
        finally:
            self._began = None
        if self._next[index] == woken:
            self._next[index] = time.monotonic() + seconds
