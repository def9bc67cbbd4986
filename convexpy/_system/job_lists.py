"""``_system/jobs``: what the page of jobs shows: the list, how many there are, figures, and the hour around now."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Self

from pydantic import Field

from ..database.job_counts import counts as count_jobs
from ..database.job_counts import due_between
from ..database.job_delays import delays_of, oldest_due
from ..database.job_filter import JobFilter
from ..database.job_rows import JobRow, names_of
from ..database.job_scans import Place
from ..database.job_search import Cursor
from ..database.job_search import search as search_jobs
from ..database.job_tree import retried
from ..database.minutes import MINUTE, RunSums, minute_of, sums_by_minute
from ..database.scheduled_function import StateKind
from ..database.types import JobId
from ..errors import ConvexError
from ..functions.load import App
from .context import SystemQueryCtx, system_query
from .document import Document, UnixTime

LISTED_EVERY: Final = timedelta(seconds=1)
SEARCHED_EVERY: Final = timedelta(seconds=5)
COUNTED_EVERY: Final = timedelta(seconds=3)
SUMMED_EVERY: Final = timedelta(seconds=5)
MINUTES: Final = 60
MINUTES_AHEAD: Final = 20
MOST_DUE: Final = 1_000
"""So many jobs that are due in a minute are counted."""


class Filter(Document):
    """Which jobs: those that fit each part. A part that is empty fits all."""

    states: tuple[StateKind, ...] = ()
    functions: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    """Of any of these functions or modules."""
    left_out: tuple[str, ...] = ()
    """Functions and modules."""
    cron: str | None = None
    since: UnixTime | None = None
    until: UnixTime | None = None
    """When they were over, began, or are due."""
    text: str | None = None
    """In the arguments or an error."""

    def resolved(self, app: App) -> JobFilter:
        """With the functions of its modules."""
        registry, functions = app.registry, None
        if self.functions or self.modules:
            known = [*registry.functions, *(alias for each in registry.functions.values() for alias in each.aliases)]
            modules = JobFilter(left_out=self.modules)
            functions = tuple(
                dict.fromkeys([*self.functions, *(name for name in known if not modules.fits_name(name))])
            )
        since, until = (each.astimezone(UTC) if each else None for each in (self.since, self.until))
        return JobFilter(self.states, functions, self.left_out, self.cron, since, until, self.text or None)


class Origin(Document):
    """The call that scheduled a job, which was not the run of another job."""

    function: str | None
    caller: str | None
    """``http``, ``socket``, ``python``, ``cli`` or ``dashboard``."""
    actor: str | None
    """The admin key that was used, or ``dev``."""
    started: int | None
    """Milliseconds since 1970."""
    attempt: int

    @classmethod
    def of(cls, text: str | None) -> Self | None:
        if text is None:
            return None
        values: dict[str, Any] = json.loads(text)
        names = ("function", "caller", "actor", "started")
        return cls(**{name: values.get(name) for name in names}, attempt=values.get("attempt", 1))


class ListedJob(Document):
    """A job in a list. Its arguments and errors are cut after 400 characters."""

    id: str
    name: str
    kind: str
    state: StateKind
    args: str
    error: str | None
    last_error: str | None
    scheduled_time: UnixTime
    next_try: UnixTime | None
    started_time: UnixTime | None
    completed_time: UnixTime | None
    attempts: int
    cron: str | None
    parent: str | None
    parent_name: str | None
    """The function of the job that scheduled it."""
    request: str | None
    origin: Origin | None
    retry_of: str | None
    """The job that this one repeats by hand."""

    @classmethod
    def of(cls, row: JobRow, parents: dict[JobId, str]) -> Self:
        values = row._asdict()
        old = retried(row)
        values |= {"origin": Origin.of(row.origin), "request": None if old else row.request, "retry_of": old}
        return cls(**values, parent_name=parents.get(row.parent) if row.parent else None)


class JobPage(Document):
    """Jobs that fit a filter: what is in progress; what is pending, soonest first; what is over, latest first."""

    jobs: Sequence[ListedJob]
    cursor: str | None
    """Where the next page begins. None: there are no more."""
    is_cut: bool
    """The page is not full: it goes on when it is asked to, as many jobs were looked at."""
    has_more_pending: bool
    """More are pending than were asked for."""
    time: UnixTime


@system_query(refresh=LISTED_EVERY)
def search(
    ctx: SystemQueryCtx,
    filter: Filter = Filter(),  # noqa: B008 - it is frozen
    cursor: str | None = None,
    limit: Annotated[int, Field(ge=1, le=500)] = 100,
    most_pending: Annotated[int, Field(ge=0)] | None = None,
) -> JobPage:
    """A page of the jobs that fit.

    Args:
        filter: Which jobs.
        cursor: Where the page begins: what the page before it gave.
        limit: How many jobs a page has.
        most_pending: After so many pending ones, what is finished comes next.

    Raises:
        ConvexError: The cursor is none (BAD_REQUEST).
    """
    return page_of(ctx, filter, cursor, limit, most_pending)


@system_query(refresh=SEARCHED_EVERY)
def find(
    ctx: SystemQueryCtx,
    filter: Filter = Filter(),  # noqa: B008 - it is frozen
    cursor: str | None = None,
    limit: Annotated[int, Field(ge=1, le=500)] = 100,
    most_pending: Annotated[int, Field(ge=0)] | None = None,
) -> JobPage:
    """As ``search``; a subscription to it looks less often. For a text, which many jobs are looked through for."""
    return page_of(ctx, filter, cursor, limit, most_pending)


def page_of(ctx: SystemQueryCtx, filter: Filter, cursor: str | None, limit: int, most_pending: int | None) -> JobPage:
    wanted, begin = filter.resolved(ctx.app), None if cursor is None else read_cursor(cursor)
    found = search_jobs(ctx.connection, wanted, ctx.now, begin, limit, most_pending)
    parents = names_of(ctx.connection, list({row.parent for row in found.rows if row.parent}))
    return JobPage(
        jobs=[ListedJob.of(row, parents) for row in found.rows],
        cursor=None if found.cursor is None else written(found.cursor),
        is_cut=found.is_cut,
        has_more_pending=found.has_more_pending,
        time=ctx.now,
    )


class JobCount(Document):
    """How many jobs. ``more``: at least so many."""

    count: int
    more: bool


@system_query(refresh=COUNTED_EVERY)
def counts(ctx: SystemQueryCtx, filter: Filter = Filter()) -> dict[str, JobCount]:  # noqa: B008 - it is frozen
    """How many jobs fit, by state. A count stops at 10,000, and with a name or a text it is of the newest."""
    found = count_jobs(ctx.connection, filter.resolved(ctx.app), ctx.now)
    return {state: JobCount(count=count.number, more=count.more) for state, count in found.items()}


class JobFigures(Document):
    """How jobs went in the last hour: each figure now, and each minute."""

    minutes: Sequence[UnixTime]
    oldest_due: UnixTime | None
    """When the oldest job was due that waits for a worker. None: none is due."""
    delays: Sequence[float | None]
    """Seconds from the time of a job to its begin: of the first one of each minute."""
    jobs_per_second: float
    jobs: Sequence[int]
    p95: float | None
    """Of the durations of the last five minutes, in seconds."""
    p95_by_minute: Sequence[float | None]
    failed: int
    ran: int
    failures: Sequence[int]


@system_query(refresh=SUMMED_EVERY)
def figures(ctx: SystemQueryCtx) -> JobFigures:
    """Lag, jobs a second, durations and failures."""
    minutes = sums_by_minute(ctx.connection, ctx.now, MINUTES)
    due, sums = oldest_due(ctx.connection), [each.sums for each in minutes]
    part, latest = (ctx.now - minute_of(ctx.now)) / MINUTE, RunSums()
    for each in sums[-5:]:
        latest.add(each)
    return JobFigures(
        minutes=[each.minute for each in minutes],
        oldest_due=due if due is not None and due <= ctx.now else None,
        delays=delays_of(ctx.connection, [each.minute for each in minutes]),
        # A minute back from now: the current one, and the rest from the one before it.
        jobs_per_second=(sums[-1].jobs + sums[-2].jobs * (1 - part)) / 60,
        jobs=[each.jobs for each in sums],
        p95=latest.p95,
        p95_by_minute=[each.p95 for each in sums],
        failed=sum(each.job_failures for each in sums),
        ran=sum(each.jobs for each in sums),
        failures=[each.job_failures for each in sums],
    )


class StripMinute(Document):
    """How many jobs ended, how many of them failed, and how many are due in a minute."""

    time: UnixTime
    ran: int
    failed: int
    due: int


@system_query(refresh=SUMMED_EVERY)
def strip(ctx: SystemQueryCtx) -> Sequence[StripMinute]:
    """Each minute of the last hour and of the next twenty minutes. Up to 1,000 that are due in a minute are counted."""
    past = sums_by_minute(ctx.connection, ctx.now, MINUTES)
    this = past[-1].minute
    ahead = [this + MINUTE * number for number in range(MINUTES_AHEAD + 1)]
    dues = {minute: due_between(ctx.connection, minute, minute + MINUTE, MOST_DUE) for minute in ahead}
    before = [StripMinute(time=at, ran=sums.jobs, failed=sums.job_failures, due=dues.get(at, 0)) for at, sums in past]
    return [*before, *(StripMinute(time=at, ran=0, failed=0, due=dues[at]) for at in ahead[1:])]


def written(cursor: Cursor) -> str:
    """A cursor as text."""
    place = cursor.place
    return json.dumps([cursor.section, place.time.isoformat(), place.tie, place.job_id])


def read_cursor(text: str) -> Cursor:
    try:
        section, time, tie, job_id = json.loads(text)
        place = Place(datetime.fromisoformat(time), tie, JobId(job_id))
    except (ValueError, TypeError):
        raise ConvexError("BAD_REQUEST", "this is no cursor of a list of jobs. Begin with the first page") from None
    is_number = isinstance(tie, int) and section in ("running", "pending")
    if not (is_number or (isinstance(tie, str) and section == "finished")) or place.time.tzinfo is None:
        raise ConvexError("BAD_REQUEST", "this is no cursor of a list of jobs. Begin with the first page")
    return Cursor(section, place)
