"""Runs as events: what is known of one run of a function once it is over, for logs, the command line and tests."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from ..clock import Clock
from ..database.types import JobId
from ..errors import ConvexError
from ..functions.declare import Kind

logger = logging.getLogger("convexpy.run")

Outcome = Literal["success", "failed", "canceled", "retry", "lost"]


class Scheduled(NamedTuple):
    """One function that a run scheduled."""

    name: str
    due: datetime
    job_id: JobId


class Job(NamedTuple):
    """The job that runs a call: ``ctx.job``. Its id is the natural idempotency key; attempts count from 1."""

    id: JobId
    attempt: int


class Run(NamedTuple):
    """One run of a function that was called directly or as a job.

    ``outcome`` is ``retry`` for a job that will be tried again after an internal error, ``canceled`` for an action
    that was canceled while it ran, and ``lost`` for a job that another worker had meanwhile.
    """

    name: str
    kind: Kind
    started: datetime
    seconds: float
    outcome: Outcome
    error: str | None = None
    job: Job | None = None
    cron: str | None = None
    scheduled: tuple[Scheduled, ...] = ()

    @property
    def job_id(self) -> JobId | None:
        return self.job.id if self.job else None

    @property
    def attempt(self) -> int:
        return self.job.attempt if self.job else 1


class RunListeners:
    """What is called after every run. A listener that raises is logged and disturbs nothing else."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[Run], None]] = []
        self._afterwards: list[Callable[[], None]] = []

    def add(self, listener: Callable[[Run], None], afterwards: Callable[[], None] | None = None) -> None:
        """``afterwards`` is called once the listener has had all runs that ended at the same time."""
        self._listeners.append(listener)
        if afterwards is not None:
            self._afterwards.append(afterwards)

    def exist(self) -> bool:
        """Whether a run would be noticed at all."""
        return bool(self._listeners) or logger.isEnabledFor(logging.DEBUG)

    def notify(self, *runs: Run) -> None:
        for run in runs:
            logger.debug("%s %s %s in %.1f ms", run.kind, run.name, run.outcome, run.seconds * 1000, extra={"run": run})
            for listener in self._listeners:
                try:
                    listener(run)
                except Exception:
                    logger.exception("a listener failed on %s", run.name)
        for afterwards in self._afterwards:
            try:
                afterwards()
            except Exception:
                logger.exception("a listener failed after %d runs", len(runs))


class RunRecorder:
    """Times one run, and reports it to the listeners."""

    def __init__(
        self,
        listeners: RunListeners,
        clock: Clock,
        name: str,
        kind: Kind,
        job: Job | None = None,
        cron: str | None = None,
        began: float | None = None,
    ) -> None:
        """``began``: by ``time.perf_counter``; now, if it is not given."""
        self._listeners = listeners
        self._clock = clock
        self._name = name
        self._kind = kind
        self._job = job
        self._cron = cron
        self._began = time.perf_counter() if began is None else began

    def seconds(self) -> float:
        """For how long it has been running."""
        return time.perf_counter() - self._began

    def run(
        self,
        outcome: Outcome,
        error: str | None = None,
        scheduled: tuple[Scheduled, ...] = (),
        seconds: float | None = None,
    ) -> Run:
        """The run as it has ended: now, or after so many seconds."""
        elapsed = self.seconds()
        started = self._clock.now() - timedelta(seconds=elapsed)
        seconds = elapsed if seconds is None else seconds
        return Run(self._name, self._kind, started, seconds, outcome, error, self._job, self._cron, scheduled)

    def report(self, outcome: Outcome, error: str | None = None, scheduled: tuple[Scheduled, ...] = ()) -> None:
        """The run has ended."""
        if self._listeners.exist():
            self._listeners.notify(self.run(outcome, error, scheduled))


def describe(error: BaseException) -> str:
    """An error as the row of a failed job keeps it: what it is, and the line of the user's code that raised it."""
    text = str(error) if isinstance(error, ConvexError) else f"{type(error).__name__}: {error}".removesuffix(": ")
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not is_internal_frame(frame.filename)]
    own = [frame for frame in frames if "site-packages" not in frame.filename and "<" not in frame.filename]
    if own:
        last = own[-1]
        text += f"\n  at {last.filename}:{last.lineno} in {last.name}"
    return storable(text)


def storable(text: str) -> str:
    """A text that every database keeps: no NUL, which PostgreSQL refuses, and nothing that is not Unicode."""
    return text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")


PACKAGE = __file__.rpartition("runtime")[0]


def is_internal_frame(filename: str) -> bool:
    return filename.startswith(PACKAGE) or "/lib/python" in filename
