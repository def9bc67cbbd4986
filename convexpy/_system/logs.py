"""``_system/logs``: the newest lines of the log, of all processes that show theirs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from heapq import merge
from itertools import islice
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field

from ..runtime.log_filter import LogFilter
from ..runtime.log_ring import LogLine as StoredLine
from ..runtime.shared_logs import Shown
from .context import SystemQueryCtx, calls_of, system_query
from .document import Document, UnixTime
from .traceback import RaisedError, parse_trace

LOOKED_EVERY: Final = timedelta(seconds=1)
MOST_LINES: Final = 1000

Level = Literal["INFO", "WARNING", "ERROR", "CRITICAL"]


class LogLine(Document):
    """A line: a run of a function, or a record of a logger. Texts are shortened, and arguments are in none."""

    process: str
    number: int
    """Within its process."""
    time: UnixTime
    """When it was written; of a run, when it ended."""
    level: str
    logger: str
    text: str
    """The message; of a run, its error."""
    function: str | None
    job: str | None
    request: str | None
    outcome: str | None
    """How a run ended: success, failed, canceled, retry or lost. None: this is no run."""
    kind: str | None
    milliseconds: float | None
    attempt: int | None
    cron: str | None
    scheduled: int
    """How many jobs the run scheduled."""
    errors: Sequence[RaisedError]
    """The traceback, part by part; empty if there is none. Of a long one, the beginning is left out."""
    extra: Mapping[str, str]
    """The ``extra`` of the record."""

    @classmethod
    def of(cls, process: str, line: StoredLine) -> Self:
        values: dict[str, Any] = {field.name: getattr(line, field.name) for field in fields(line)}
        trace, when = values.pop("trace"), datetime.fromtimestamp(values.pop("time"), UTC)
        return cls(**values, process=process, time=when, errors=parse_trace(trace) if trace is not None else ())


class LogProcess(Document):
    """A process whose lines are among those that were looked through."""

    id: str
    host: str
    pid: int
    is_answering: bool
    """Whether it answers. Of it all of its newest 10,000 lines are looked through, of others what they have shown."""


class LogLines(Document):
    """The newest lines that fit, the oldest first."""

    lines: Sequence[LogLine]
    has_more: bool
    """Whether older ones fit as well."""
    processes: Sequence[LogProcess]


@system_query(refresh=LOOKED_EVERY)
def lines(
    ctx: SystemQueryCtx,
    after: dict[str, int] | None = None,
    function: str | None = None,
    outcome: str | None = None,
    level: Level | None = None,
    request: str | None = None,
    job: str | None = None,
    text: str | None = None,
    limit: Annotated[int, Field(ge=1, le=MOST_LINES)] = 300,
) -> LogLines:
    """The newest lines that fit.

    Args:
        after: The numbers of the lines that are known already, by process.
        function: A name, or a module with its colon.
        outcome: Runs that ended like this.
        level: This level, and those above it.
        request: Lines of one request.
        job: Lines of one job.
        text: It is in the message, the traceback, or what else the line says.
        limit: At most so many.
    """
    wanted = LogFilter(after or {}, function or None, outcome, level, request, job, text or None)
    shown = calls_of(ctx).logs.read(ctx.connection, wanted)
    by_time = merge(*(fitting(each, wanted) for each in shown), key=lambda found: -found[1].time)
    newest = list(islice(by_time, limit + 1))
    return LogLines(
        lines=[LogLine.of(process, line) for process, line in reversed(newest[:limit])],
        has_more=len(newest) > limit,
        processes=[
            LogProcess(id=each.process, host=each.host, pid=each.pid, is_answering=each is shown[0]) for each in shown
        ],
    )


def fitting(shown: Shown, wanted: LogFilter) -> Iterator[tuple[str, StoredLine]]:
    """Those of the lines of a process that are wanted, each with its process."""
    after = wanted.after.get(shown.process, 0)
    return ((shown.process, line) for line in shown.lines if line.number > after and wanted.fits(line))
