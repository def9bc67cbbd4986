"""The one loop that lives as long as the process: a tick does one round and says how long to sleep."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from ..database.errors import is_internal
from ..settings import Settings

logger = logging.getLogger("convexpy.dispatch")

# A database that was away is noticed soon after it is back.
LONGEST_PAUSE: Final = timedelta(seconds=5)
# A transaction of the framework's own may take as long where the network is silent.
PATIENCE_SECONDS: Final = 20.0


class Loop:
    """Calls ``tick`` on a thread of its own: after the seconds it asked for, or sooner when somebody wakes it."""

    def __init__(self, name: str, tick: Callable[[], float], settings: Settings) -> None:
        self._name = name
        self._tick = tick
        self._settings = settings
        self._awake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._stopping = False
        thread = threading.Thread(target=self._run, name=f"convexpy-{self._name}", daemon=True)
        thread.start()
        self._thread = thread  # a signal may strike in between, and then there is nothing to wait for

    def wake(self) -> None:
        """Tick now. Never lost: if a tick is under way, another one follows."""
        self._awake.set()

    def stop(self) -> None:
        """Return when the tick that is under way has ended, or has taken so long that it may never end."""
        self._stopping = True
        self._awake.set()
        if self._thread is not None:
            self._thread.join(PATIENCE_SECONDS)
            if self._thread.is_alive():
                logger.warning("%s is left behind in the middle of something, for others to recover", self._name)
            self._thread = None

    def _run(self) -> None:
        failures = 0
        while not self._stopping:
            self._awake.clear()
            try:
                seconds = self._tick()
                failures = 0
            except Exception as error:
                failures += 1
                seconds = self._settings.backoff(failures, longest=LONGEST_PAUSE).total_seconds()
                text = f"{self._name} failed and goes on in {seconds:.1f} s"
                if is_internal(error):  # a database that is away says so; where that was in our code helps nobody
                    logger.warning("%s: %s", text, str(error).strip().partition("\n")[0])
                else:
                    logger.exception(text)
            self._awake.wait(seconds)
