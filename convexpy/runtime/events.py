"""Runs as events: what is known of one run of a function once it is over, for logs, the command line and tests."""

from __future__ import annotations

import inspect
import logging
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from types import CodeType
from typing import Final, Literal, NamedTuple, Self

from ..clock import Clock
from ..database.types import JobId
from ..errors import HTTP_STATUS, NO_TEXT, ConvexError, text_of
from ..functions.declare import Kind

logger = logging.getLogger("convexpy.run")

MOST_TRACE_BYTES: Final = 16 * 1024
SERVER_FAULT: Final = 500
"""The least status of an error whose fault is the server's."""
LEFT_OUT: Final = "\n  … the middle is left out …\n"

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
    exception: BaseException | None = None
    """What was raised. None as well for a run that failed because its process died."""
    request: object = None
    """The id of the request that a direct call was made for: its ``str``. None: it is a job."""

    @property
    def is_refusal(self) -> bool:
        """Whether a caller was refused in words that are meant for it: the app has no fault in it."""
        error = self.exception
        return self.job is None and isinstance(error, ConvexError) and error.status < SERVER_FAULT

    @property
    def level(self) -> Literal["INFO", "WARNING", "ERROR"]:
        """How much its line of the log matters."""
        if self.outcome == "success" or self.is_refusal:
            return "INFO"
        return "ERROR" if self.outcome == "failed" else "WARNING"

    @property
    def trace(self) -> str | None:
        """The traceback of the exception and of its causes, of at most 16 KiB."""
        return trace_of(self.exception) if self.exception is not None else None

    @property
    def job_id(self) -> JobId | None:
        return self.job.id if self.job else None

    @property
    def attempt(self) -> int:
        return self.job.attempt if self.job else 1


@dataclass(frozen=True)
class Failure:
    """Why a run failed: the text that its job's row keeps, and what was raised."""

    text: str
    exception: BaseException | None = None

    @classmethod
    def of(cls, error: BaseException) -> Self:
        return cls(describe(error), error)

    @cached_property
    def trace(self) -> str | None:
        return trace_of(self.exception) if self.exception is not None else None


class RunListeners:
    """What is called after every run; a job that failed is an ERROR of the log besides.

    A listener that raises is logged and disturbs nothing else.
    """

    def __init__(self) -> None:
        self._listeners: list[Callable[[Run], None]] = []
        self._afterwards: list[Callable[[], None]] = []

    def add(self, listener: Callable[[Run], None], afterwards: Callable[[], None] | None = None) -> None:
        """``afterwards`` is called once the listener has had all runs that ended at the same time.

        Raises:
            TypeError: One of them is ``async def``: nothing would await it.
        """
        for given in (listener, afterwards):
            if inspect.iscoroutinefunction(given):
                raise TypeError(f"on_run calls plain functions, and {given.__name__} is `async def`. Make it `def`")
        self._listeners.append(listener)
        if afterwards is not None:
            self._afterwards.append(afterwards)

    def exist(self) -> bool:
        """Whether a run would be noticed at all."""
        return bool(self._listeners) or logger.isEnabledFor(logging.DEBUG)

    def notify(self, *runs: Run) -> None:
        for run in runs:
            with suppress(Exception):  # of a filter of the user's
                log(run)
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
        request: object = None,
    ) -> None:
        """``began``: by ``time.perf_counter``; now, if it is not given."""
        self._listeners = listeners
        self._clock = clock
        self._name = name
        self._kind = kind
        self._job = job
        self._cron = cron
        self._request = request
        self._began = time.perf_counter() if began is None else began

    def seconds(self) -> float:
        """For how long it has been running."""
        return time.perf_counter() - self._began

    def run(
        self,
        outcome: Outcome,
        failure: Failure | None = None,
        scheduled: tuple[Scheduled, ...] = (),
        seconds: float | None = None,
    ) -> Run:
        """The run as it has ended: now, or after so many seconds."""
        elapsed = self.seconds()
        started = self._clock.now() - timedelta(seconds=elapsed)
        seconds = elapsed if seconds is None else seconds
        error, exception = (failure.text, failure.exception) if failure is not None else (None, None)
        about = (self._job, self._cron, scheduled, exception, self._request)
        return Run(self._name, self._kind, started, seconds, outcome, error, *about)

    def report(self, outcome: Outcome, failure: Failure | None = None, scheduled: tuple[Scheduled, ...] = ()) -> None:
        """The run has ended."""
        if self._listeners.exist() or (outcome == "failed" and self._job is not None):
            self._listeners.notify(self.run(outcome, failure, scheduled))


def log(run: Run) -> None:
    """Log a run: a job that failed is an ERROR. A direct call raises to its caller instead."""
    what = (run.kind, run.name, run.outcome, run.seconds * 1000)
    extra = {"run": run, "function": run.name, "job": run.job_id, "attempt": run.attempt}
    if run.outcome == "failed" and run.job is not None:
        reason = (run.error or "").partition("\n")[0]
        text = "%s %s %s in %.1f ms, job %s, attempt %d: %s"
        logger.error(text, *what, *run.job, reason, exc_info=run.exception, extra=extra)
    else:
        logger.debug("%s %s %s in %.1f ms", *what, extra=extra)


def describe(error: BaseException) -> str:
    """An error as the row of a failed job keeps it: what it is, and the line of the user's code that raised it."""
    text = text_of(error)
    if not isinstance(error, ConvexError) or text.startswith(NO_TEXT):
        text = f"{name_of(type(error))}: {text}".removesuffix(": ")
    own = [(frame.f_code, line) for frame, line in traceback.walk_tb(error.__traceback__) if is_own(frame.f_code)]
    if own:
        code, line = own[-1]
        text += f"\n  at {code.co_filename}:{line} in {code.co_name}"
    return storable(text)


def name_of(kind: type[BaseException]) -> str:
    """The name of a class of errors. None reads like a code, after which a text is for clients."""
    return f"{kind.__module__}.{kind.__name__}" if kind.__name__ in HTTP_STATUS else kind.__name__


def trace_of(error: BaseException) -> str:
    """The traceback of an error and of its causes. Of a long one, the middle is left out."""
    try:
        lines = traceback.format_exception(error)
    except Exception as failure:  # of what the error says about itself, such as its notes
        lines = [describe(error), f"\n(its traceback cannot be made: {describe(failure)})"]
    whole = storable("".join(lines)).encode()
    if len(whole) <= MOST_TRACE_BYTES:
        return whole.decode()
    half = (MOST_TRACE_BYTES - len(LEFT_OUT.encode())) // 2
    return whole[:half].decode(errors="ignore") + LEFT_OUT + whole[-half:].decode(errors="ignore")


def is_own(code: CodeType) -> bool:
    """Whether this is code of the user's, in a file."""
    return is_own_file(code.co_filename)


def is_own_file(filename: str) -> bool:
    return not is_internal_frame(filename) and "site-packages" not in filename and "<" not in filename


def storable(text: str) -> str:
    """A text that every database keeps: no NUL, which PostgreSQL refuses, and nothing that is not Unicode."""
    return text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")


PACKAGE = __file__.rpartition("runtime")[0]


def is_internal_frame(filename: str) -> bool:
    return filename.startswith(PACKAGE) or "/lib/python" in filename
