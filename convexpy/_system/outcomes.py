"""What came of a call by hand, or would come of it: its result as JSON text, its error, and the rows that it writes."""

from __future__ import annotations

import json
import time
from typing import Any, Final, Self

from ..database.row_changes import Action, RowChanges
from ..database.row_changes import RowChange as StoredChange
from ..database.row_watch import SentStatement
from ..errors import ConvexError
from ..runtime.call import Call, ResultForm
from ..runtime.dry_run import DryRun
from ..runtime.events import Job, describe, trace_of
from ..runtime.schedule import check_job_id
from .context import SystemActionCtx
from .document import Document, UnixTime

LONGEST_TEXT: Final = 200_000
"""Characters of a result. What follows is left out."""
MOST_JOBS: Final = 100


class CallError(Document):
    """What a call has raised."""

    exception: str
    message: str
    code: str | None
    """Of a ``ConvexError``."""
    data: str | None
    """Of a ``ConvexError``, as JSON text."""
    trace: str

    @classmethod
    def of(cls, error: BaseException) -> Self:
        own = error if isinstance(error, ConvexError) else None
        return cls(
            exception=type(error).__name__,
            message=own.message if own is not None else describe(error).partition("\n  at ")[0],
            code=own.code if own is not None else None,
            data=json_text(own.data) if own is not None and own.data is not None else None,
            trace=trace_of(error),
        )


class Outcome(Document):
    """What a call has returned or raised, and how long it took."""

    value: str | None
    """As JSON text, as numbers and keys of any kind are in it. None: it raised an error."""
    error: CallError | None
    milliseconds: float


class Stopwatch:
    """Times a call."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    def value(self, value: Any) -> Outcome:
        """It returned."""
        return Outcome(value=json_text(value), error=None, milliseconds=self._elapsed())

    def error(self, error: BaseException) -> Outcome:
        """It raised."""
        return Outcome(value=None, error=CallError.of(error), milliseconds=self._elapsed())

    def _elapsed(self) -> float:
        return (time.perf_counter() - self._began) * 1000


class RowChange(Document):
    """A row that would be inserted, updated or deleted. Values are texts, as they are shown."""

    action: Action
    key: str
    before: dict[str, str] | None
    after: dict[str, str] | None
    """Of an updated row, both have the columns that would change."""

    @classmethod
    def of(cls, change: StoredChange) -> Self:
        return cls(action=change.action, key=change.key, before=change.before, after=change.after)


class TableChanges(Document):
    """The rows of one table that would change, at most 100 of them, and how many of each kind."""

    table: str
    key: tuple[str, ...]
    counts: dict[Action, int]
    rows: tuple[RowChange, ...]

    @classmethod
    def of(cls, changes: RowChanges) -> Self:
        rows = tuple(map(RowChange.of, changes.rows))
        return cls(table=changes.table, key=tuple(changes.key), counts=changes.counts, rows=rows)


class WouldSchedule(Document):
    """A job that would be scheduled."""

    name: str
    time: UnixTime
    milliseconds: float
    """How long after the call."""
    args: str


class Statement(Document):
    """A statement that was sent."""

    text: str
    rows: int | None
    milliseconds: float

    @classmethod
    def of(cls, sent: SentStatement) -> Self:
        return cls(text=sent.text, rows=sent.rows, milliseconds=sent.seconds * 1000)


class DryRunOutcome(Outcome):
    """What a mutation would do. Nothing of it has happened."""

    changes: tuple[TableChanges, ...]
    unknown: tuple[str, ...]
    """Sentences about what else it would write, or may."""
    scheduled: tuple[WouldSchedule, ...]
    canceled: tuple[str, ...]
    """The ids of jobs that it would cancel."""
    statements: tuple[Statement, ...]
    """The first 50."""
    statement_count: int

    @classmethod
    def of(cls, run: DryRun) -> Self:
        return cls(
            value=None if run.error is not None else json_text(run.value),
            error=None if run.error is None else CallError.of(run.error),
            milliseconds=run.seconds * 1000,
            changes=tuple(map(TableChanges.of, run.report.changes)),
            unknown=tuple(run.report.unknown),
            scheduled=tuple(
                WouldSchedule(
                    name=job.name,
                    time=job.scheduled_time,
                    milliseconds=(job.scheduled_time - run.began).total_seconds() * 1000,
                    args=job.args,
                )
                for job in run.scheduled[:MOST_JOBS]
            ),
            canceled=tuple(run.canceled[:MOST_JOBS]),
            statements=tuple(map(Statement.of, run.report.statements)),
            statement_count=run.report.statement_count,
        )


def job_call(ctx: SystemActionCtx, job_id: str, args: dict[str, Any] | None) -> Call:
    """The call that a job made, as it would be made again; with other arguments, if there are any.

    Raises:
        ConvexError: There is no such job (NOT_FOUND), or its function or its arguments no longer fit.
    """
    job = ctx.system.get(check_job_id(job_id))
    if job is None:
        raise ConvexError("NOT_FOUND", f"there is no job {job_id}: it never existed, or it was purged")
    function = ctx.calls.registry.find(job.name)
    if args is None:
        values = function.arguments.load(function.name, json.dumps(job.args))
    else:
        values = function.arguments.check_json(function.name, args)
    return Call(function, values, job=Job(job.id, max(1, job.attempts)), form=ResultForm.JSON)


def json_text(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"
