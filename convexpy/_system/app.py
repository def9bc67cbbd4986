"""``_system/app``: what the dashboard shows around every page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from importlib.metadata import version
from typing import Annotated, Final, Literal, Self

from pydantic import StringConstraints

from ..database import overview as stored
from ..database.job_queries import jobs_by_prefix
from ..database.scheduled_function import StateKind
from ..functions.declare import Kind, Visibility
from .context import SystemQueryCtx, admin_of, calls_of, system_query
from .document import Document, UnixTime

MOST_FOUND: Final = 6
"""Jobs that the palette shows at most."""


class Count(Document):
    """A count. It stops at 10,000, and then there may be ``more``."""

    count: int
    more: bool

    @classmethod
    def of(cls, counted: stored.Counted) -> Self:
        return cls(count=counted.count, more=counted.more)


class Counts(Document):
    """What stands in the navigation."""

    pending: Count
    """Jobs that are not finished."""
    failed: Count
    """Jobs that failed within the last hour."""
    errors: Count
    """Groups of errors that were seen for the first time within the last hour."""
    live: int
    """Live queries of all processes."""


class Workers(Document):
    """The workers that are alive, and when the latest of them was heard."""

    count: int
    heard_time: UnixTime | None


class DatabaseInfo(Document):
    """The database that everything is in."""

    kind: str
    """``SQLite`` or ``PostgreSQL``."""
    version: str
    bytes: int


class Overview(Document):
    """The app, as this process serves it, and the caller's rights."""

    name: str
    """The name of its package."""
    mode: Literal["dev", "production"]
    version: str
    """Of convexpy."""
    actor: str
    """As the audit log names the caller."""
    writable: bool
    """Whether the caller may change anything: not with a read-only key."""
    retention_seconds: float
    """How long finished jobs are kept."""
    database: DatabaseInfo
    counts: Counts
    workers: Workers


@system_query(refresh=timedelta(seconds=2))
def overview(ctx: SystemQueryCtx) -> Overview:
    """The app, its database, its workers, and the counts of the navigation."""
    settings, admin = calls_of(ctx).settings, admin_of(ctx)
    connection = ctx.connection
    database = stored.stored_in(connection)
    workers = stored.workers_heard(connection, ctx.now, settings.heartbeat_timeout)
    return Overview(
        name=next(iter(ctx.app.modules), "").partition(".")[0],
        mode="dev" if settings.debug else "production",
        version=version("convexpy"),
        actor=admin.name if admin is not None else "local",
        writable=admin is None or not admin.is_read_only,
        retention_seconds=settings.retention.total_seconds(),
        database=DatabaseInfo(kind=database.kind, version=database.version, bytes=database.bytes),
        counts=Counts(
            pending=Count.of(stored.count_unfinished(connection)),
            failed=Count.of(stored.count_failed(connection, ctx.now)),
            errors=Count.of(stored.count_new_errors(connection, ctx.now)),
            live=stored.count_live_queries(connection, ctx.now),
        ),
        workers=Workers(count=workers.count, heard_time=workers.heard_time),
    )


class FunctionName(Document):
    """A function of the app, without its schemas."""

    name: str
    kind: Kind
    visibility: Visibility


@system_query
def function_names(ctx: SystemQueryCtx) -> Sequence[FunctionName]:
    """The functions of the app, by name."""
    found = ctx.app.registry.functions.values()
    return [FunctionName(name=each.name, kind=each.kind, visibility=each.visibility) for each in found]


class FoundJob(Document):
    """A job, in few words."""

    id: str
    name: str
    state: StateKind
    time: UnixTime
    """When it was over, began, or is due."""


@system_query
def find_jobs(
    ctx: SystemQueryCtx, prefix: Annotated[str, StringConstraints(pattern="^[0-9a-f]{4,32}$")]
) -> Sequence[FoundJob]:
    """The first jobs whose id begins with these hexadecimal digits, six at most."""
    found = jobs_by_prefix(ctx.connection, prefix, MOST_FOUND)
    return [
        FoundJob(
            id=job.id,
            name=job.name,
            state=job.state.kind,
            time=job.completed_time or job.started_time or job.next_try or job.scheduled_time,
        )
        for job in found
    ]
