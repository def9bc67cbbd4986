"""``RunCollector``: sums up the runs of this process, and stores the sums every few seconds.

A process in which nothing runs stores nothing. What cannot be stored is kept, and is tried again.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable
from typing import Final

from ..clock import Clock
from ..database.cron_runs import FinishedRun
from ..database.database import Database
from ..database.timer import TimerHandle
from ..fork import in_child
from .collected_runs import MOST_CRON_RUNS, CollectedRuns, UnstoredRuns
from .events import Run, RunListeners
from .failure_origin import origin_of

logger = logging.getLogger("convexpy.run")

FLUSH_SECONDS: Final = 10.0
SYSTEM: Final = "_system/"
"""What the names of the framework's own functions begin with. They are not counted: to look is not to work."""

Submit = Callable[[Callable[[], None]], object]


class RunCollector:
    """A listener of runs. It is on in processes that work or serve."""

    def __init__(self, database: Database, clock: Clock, submit: Submit) -> None:
        """``submit`` runs a flush on a thread that may wait for the database."""
        self._database = database
        self._clock = clock
        self._submit = submit
        self._is_on = self._is_closed = False
        self._begin()
        in_child.add(self._begin)

    def _begin(self) -> None:
        self._mutex = threading.Lock()
        self._flushing = threading.Lock()
        self._runs = CollectedRuns()
        self._unstored = UnstoredRuns(secrets.token_hex(16))
        self._next_flush: TimerHandle | None = None

    def start(self, listeners: RunListeners) -> None:
        """Collect from now on."""
        if not self._is_on:
            self._is_on = True
            listeners.add(self.add)

    def add(self, run: Run) -> None:
        """A run has ended."""
        if run.outcome == "lost" or run.name.startswith(SYSTEM):
            return
        ended, failed = self._clock.now(), run.outcome == "failed" and is_failure(run)
        with self._mutex:
            self._runs.add(run, ended, failed)
            if self._next_flush is None:
                self._plan_flush()
        if failed:
            origin, message = origin_of(run.name, run.error or "")
            trace = run.trace if origin not in self._runs.failures else None
            with self._mutex:
                self._runs.add_failure(origin, message, trace, run, ended)
        if run.cron is not None and run.job is not None and run.outcome in ("success", "failed", "canceled"):
            finished = FinishedRun(run.cron, run.job.id, run.started, run.seconds, run.outcome)
            with self._mutex:
                if len(self._runs.cron_runs) < MOST_CRON_RUNS:
                    self._runs.cron_runs.append(finished)

    def flush(self) -> None:
        """Store what was collected. If that fails it is kept."""
        with self._flushing:
            with self._mutex:
                runs, self._runs = self._runs, CollectedRuns()
                if self._next_flush is not None:
                    self._next_flush.cancel()
                    self._next_flush = None
            now = self._clock.now()
            self._unstored.add(runs)
            if self._unstored:
                with self._database.write_internal(logged=True) as connection:
                    self._unstored.store(connection)
                self._unstored.stored(now)

    def try_to_flush(self) -> None:
        """Store what was collected, and plan to do it again if that fails."""
        try:
            self.flush()
        except Exception as error:
            logger.debug("sums of runs could not be stored yet: %s", error)
            with self._mutex:
                if self._next_flush is None:
                    self._plan_flush()

    def stop(self) -> None:
        """Store what is left, and nothing more from now on."""
        self._is_closed = True
        self.try_to_flush()

    def _plan_flush(self) -> None:
        if not self._is_closed:
            self._next_flush = self._database.timer.call_later(FLUSH_SECONDS, self._flush_soon)

    def _flush_soon(self) -> None:
        self._submit(self.try_to_flush)


def is_failure(run: Run) -> bool:
    """Whether a failed run is to be seen as one. A direct call may have been left by its caller instead."""
    return run.job is not None or isinstance(run.exception, Exception)
