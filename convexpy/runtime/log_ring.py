"""``LogRing``: the newest lines of this process's log: runs, and records of the app's and convexpy's own loggers.

A line costs an entry of a ``deque``. Runs are kept as they are and put into words when somebody reads them; of a record
only its text is kept, shortened, and of an exception its traceback: nothing that would keep a handler's objects alive.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import count
from typing import Any, Final, NamedTuple, Self

from .call_log import RUNNING, STANDARD
from .events import Run, trace_of

MOST_LINES: Final = 10_000
MOST_CHARACTERS: Final = 2_000
MOST_TRACE_CHARACTERS: Final = 4_000
MOST_EXTRAS: Final = 12
MOST_EXTRA_CHARACTERS: Final = 200
TRACES_A_SECOND: Final = 20
"""A function that fails thousands of times a second has the same traceback each time."""
SYSTEM: Final = "_system/"
RUN_LOGGER: Final = "convexpy.run"
ACCESS: Final = "convexpy.access"
DASHBOARD: Final = "/dashboard/"
NOT_EXTRA: Final = STANDARD | {"function", "job", "request", "run", "attempt"}
NO_EXTRA: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of the log. Texts are shortened."""

    number: int
    """Within its process, from 1."""
    time: float
    """When it was written, in seconds since 1970; of a run, when it ended."""
    level: str
    logger: str
    text: str
    function: str | None = None
    job: str | None = None
    request: str | None = None
    outcome: str | None = None
    """How a run ended. None: this is no run."""
    kind: str | None = None
    milliseconds: float | None = None
    attempt: int | None = None
    cron: str | None = None
    scheduled: int = 0
    """How many jobs the run scheduled."""
    trace: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_run(cls, number: int, ended: float, run: Run, trace: str | None = None) -> Self:
        """The line of a run."""
        return cls(
            number=number,
            time=ended,
            level=run.level,
            logger=RUN_LOGGER,
            text=shortened(run.error or "", MOST_CHARACTERS),
            function=run.name,
            job=run.job_id,
            request=str(run.request) if run.request is not None else None,
            outcome=run.outcome,
            kind=run.kind.value,
            milliseconds=round(run.seconds * 1000, 3),
            attempt=run.job.attempt if run.job is not None else None,
            cron=run.cron,
            scheduled=len(run.scheduled),
            trace=trace,
        )

    @classmethod
    def of_record(cls, number: int, noted: NotedRecord) -> Self:
        """The line of a record of ``logging``."""
        function, job, request = (None if each is None else str(each) for each in noted.origin)
        return cls(
            number=number,
            time=noted.time,
            level=noted.level,
            logger=noted.logger,
            text=noted.text,
            function=function,
            job=job,
            request=request,
            trace=noted.trace,
            extra=noted.extra,
        )

    def document(self) -> dict[str, Any]:
        """The line as JSON, without what it does not have."""
        return {name: value for name, value in asdict(self).items() if value not in (None, 0, {})}


class NotedRecord(NamedTuple):
    """What is kept of a record."""

    time: float
    level: str
    logger: str
    text: str
    origin: tuple[object, object, object]
    """The function, the job and the request."""
    trace: str | None
    extra: Mapping[str, str]

    @classmethod
    def of(cls, record: logging.LogRecord) -> Self:
        """Where it comes from, a record says itself, or the call that is running."""
        known, call = vars(record), RUNNING.get()
        origin: tuple[object, object, object]
        if call is not None and "function" not in known:
            origin = call.function.name, call.job.id if call.job else None, call.request
        else:
            origin = known.get("function"), known.get("job"), known.get("request")
        extra = known.keys() - NOT_EXTRA
        error = record.exc_info[1] if record.exc_info else None
        return cls(
            record.created,
            record.levelname,
            record.name,
            shortened(record.getMessage(), MOST_CHARACTERS),
            origin,
            None if error is None else shortened_trace(error),
            extra_texts(known, extra) if extra else NO_EXTRA,
        )


def extra_texts(known: Mapping[str, Any], names: Iterable[str]) -> dict[str, str]:
    given = [(name, known[name]) for name in sorted(names) if known[name] is not None]
    return {name: shortened(str(value), MOST_EXTRA_CHARACTERS) for name, value in given[:MOST_EXTRAS]}


class LogRing:
    """The newest 10,000 lines."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin with nothing: this process is another one now."""
        self._entries: deque[tuple[int, float, Run] | tuple[int, NotedRecord] | LogLine] = deque(maxlen=MOST_LINES)
        self._numbers = count(1)
        self.last = 0
        """The number of the newest line."""
        self._second, self._traces = 0, 0

    def note_run(self, run: Run) -> None:
        """A run has ended. Those of the framework's own functions are left out, unless they fail."""
        if run.outcome == "success" and run.name.startswith(SYSTEM):
            return
        now = time.time()
        self.last = number = next(self._numbers)
        if run.exception is None:
            self._entries.append((number, now, run))
            return
        # Put into words at once: the frames of the exception would keep alive all that the handler had.
        is_traced = not run.is_refusal and self._may_trace(now)
        trace = shortened_trace(run.exception) if is_traced else None
        self._entries.append(LogLine.of_run(number, now, run, trace))

    def note_record(self, record: logging.LogRecord) -> None:
        """A record was logged. That of a run is left out, which is a line already, and what the dashboard loads."""
        if hasattr(record, "run") or (record.name == ACCESS and DASHBOARD in getattr(record, "path", "")):
            return
        self.last = number = next(self._numbers)
        self._entries.append((number, NotedRecord.of(record)))

    def newest(self, after: int = 0, may_be: Callable[[Run], bool] = lambda run: True) -> Iterator[LogLine]:
        """The lines after this number, the newest first; ``may_be``: whether to put a run into words."""
        for entry in reversed(tuple(self._entries)):
            if isinstance(entry, LogLine):
                if entry.number > after:
                    yield entry
            elif entry[0] <= after:
                continue
            elif len(entry) == 2:
                yield LogLine.of_record(*entry)
            elif may_be(entry[2]):
                yield LogLine.of_run(*entry)

    def _may_trace(self, now: float) -> bool:
        second = int(now)
        if second != self._second:
            self._second, self._traces = second, 0
        self._traces += 1
        return self._traces <= TRACES_A_SECOND


class RingHandler(logging.Handler):
    """Gives each record of INFO and above to a ring.

    Python prints warnings that no handler was there for. Where this is the only handler, it does not count as one.
    """

    def __init__(self, note: Callable[[logging.LogRecord], None]) -> None:
        super().__init__(logging.INFO)
        self._note = note

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._note(record)
        except Exception:
            self.handleError(record)
        if record.levelno >= logging.WARNING and logging.lastResort is not None and self._is_alone(record):
            logging.lastResort.handle(record)

    def _is_alone(self, record: logging.LogRecord) -> bool:
        """Whether no other handler gets the record, and this one is the first of its kind that does."""
        first: RingHandler | None = None
        logger: logging.Logger | None = logging.getLogger(record.name)
        while logger is not None:
            for handler in logger.handlers:
                if not isinstance(handler, RingHandler):
                    return False
                first = first or handler
            logger = logger.parent if logger.propagate else None
        return first is self


def shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def shortened_trace(error: BaseException) -> str:
    """A traceback of which the end counts most: the beginning is left out first."""
    whole = trace_of(error)
    return whole if len(whole) <= MOST_TRACE_CHARACTERS else f"…{whole[1 - MOST_TRACE_CHARACTERS :]}"
