"""``_system/health``: is everything on time, and is there enough of everything?"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Literal

from ..database.health_figures import DatabaseFigures, SpanSums, database_figures, spans, sums_of_spans, worker_figures
from ..database.job_delays import delay_of, oldest_due
from ..doctor.finding import Finding, Mark
from .context import LOOKED_EVERY, SystemQueryCtx, executor_of, system_query
from .document import Document, UnixTime

FIGURES_EVERY: Final = timedelta(seconds=10)
SPANS: Final = {60: (60, 1, 1), 1440: (96, 15, 5), 10_080: (84, 120, 6)}
"""For so many minutes: how many stretches of how many minutes each, and of how many of these the sums are read."""
MEASURE_SECONDS: Final = 0.5
"""For how long the doctor measures the rate of transactions."""
LIMIT_SECONDS: Final = 10.0
"""How long a statement of the doctor may take."""
KEPT_SECONDS: Final = 60.0
"""What the doctor found is shown for so long."""


class RunFigures(Document):
    """What was run in a stretch of time. Rates are of a second."""

    start: UnixTime
    calls: float
    jobs: float
    failures: int
    """How many, of the minutes that were looked at."""
    retries: int
    """Attempts of jobs that were rolled back, and made again."""
    p50: float | None
    """In milliseconds. None: nothing was run."""
    p95: float | None
    delay: float | None
    """How many milliseconds after its time the first job that succeeded began. None: there was none."""


class Figures(Document):
    """What was run, stretch by stretch, the oldest first; and what is late now."""

    points: Sequence[RunFigures]
    minutes: int
    """How many minutes a stretch has."""
    looked_at: int
    """Of how many of these the sums were read."""
    calls: int
    """In all."""
    retries: int
    p50: float | None
    """Of all, in milliseconds."""
    p95: float | None
    late: float
    """For how many milliseconds the oldest job is due that no worker has taken."""


class WorkerStatus(Document):
    """A registered worker. One that is lost is removed when another one has recovered its jobs."""

    id: str
    host: str
    pid: int
    started_time: UnixTime
    """When it began to run the version of the app that it runs."""
    heartbeat_time: UnixTime
    is_alive: bool
    mutations: int
    """How many jobs it holds that are mutations, running or next."""
    actions: int


class Workers(Document):
    """The workers, those that were heard last first."""

    workers: Sequence[WorkerStatus]
    action_concurrency: int
    """How many actions a worker with the settings of this process runs at once."""
    heartbeat_timeout: float
    """After so many seconds without a heartbeat a worker counts as lost."""


class DatabaseStatus(Document):
    """The size of the database in bytes, and its connections. Null: it has none, or it does not tell."""

    kind: str
    version: str
    size: int | None
    log_size: int | None
    """Of SQLite's write-ahead log."""
    own_connections: int | None
    """Those of convexpy."""
    all_connections: int | None
    most_connections: int | None


class DoctorFinding(Document):
    """What `convexpy doctor` saw, why it matters and what to do."""

    mark: Mark
    about: str
    seen: str
    why: str
    todo: str


class Findings(Document):
    """The findings of all checks, risks first."""

    findings: Sequence[DoctorFinding]
    checked_time: UnixTime
    problem: str | None
    """Why there are none."""


@system_query(refresh=FIGURES_EVERY)
def figures(ctx: SystemQueryCtx, minutes: Literal[60, 1440, 10080] = 60) -> Figures:
    """What was run in the last hour, day or week. Of a day and a week, sums of some minutes stand for the others."""
    count, length, looked_at = SPANS[minutes]
    found = sums_of_spans(ctx.connection, spans(ctx.now, count, length, looked_at))
    total = SpanSums(found[0].span)
    for each in found:
        total.sums.add(each.sums)
    due = oldest_due(ctx.connection)
    return Figures(
        points=[point_of(each, delay_of(ctx.connection, each.span.start)) for each in found],
        minutes=length,
        looked_at=looked_at,
        calls=total.sums.calls,
        retries=total.sums.retries,
        p50=milliseconds(total.sums.p50),
        p95=milliseconds(total.sums.p95),
        late=0.0 if due is None else max(0.0, (ctx.now - due).total_seconds() * 1000),
    )


def point_of(found: SpanSums, delay: float | None) -> RunFigures:
    return RunFigures(
        start=found.span.start,
        calls=found.sums.calls / found.seconds,
        jobs=found.sums.jobs / found.seconds,
        failures=found.sums.failures,
        retries=found.sums.retries,
        p50=milliseconds(found.sums.p50),
        p95=milliseconds(found.sums.p95),
        delay=milliseconds(delay),
    )


def milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)


@system_query(refresh=LOOKED_EVERY)
def workers(ctx: SystemQueryCtx) -> Workers:
    """Who runs jobs, when each was heard last, and how much it holds."""
    settings = executor_of(ctx).settings
    found = worker_figures(ctx.connection, ctx.now, settings.heartbeat_timeout)
    return Workers(
        workers=[WorkerStatus(**vars(each)) for each in found],
        action_concurrency=settings.action_concurrency,
        heartbeat_timeout=settings.heartbeat_timeout.total_seconds(),
    )


@system_query(refresh=timedelta(seconds=30))
def database(ctx: SystemQueryCtx) -> DatabaseStatus:
    """How large the database is, and how many connections it has."""
    dialect, found = ctx.connection.dialect, database_figures(ctx.connection)
    is_postgres = dialect.name == "postgresql"
    version = ".".join(map(str, dialect.server_version_info or ()))
    return DatabaseStatus(kind="PostgreSQL" if is_postgres else "SQLite", version=version, **vars(found))


@system_query
def findings(ctx: SystemQueryCtx) -> Findings:
    """What `convexpy doctor` finds: not live. It is asked at most once a minute, in each process."""
    executor = executor_of(ctx)
    return DOCTOR.findings(ctx, executor.database.url.render_as_string(hide_password=False))


class DoctorVisits:
    """What the doctor found last, of each database. One visit at a time."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._last: dict[str, tuple[float, Findings]] = {}

    def findings(self, ctx: SystemQueryCtx, url: str) -> Findings:
        """What was found less than a minute ago, or is found now."""
        with self._mutex:
            at, found = self._last.get(url, (0.0, None))
            if found is None or time.monotonic() - at > KEPT_SECONDS:
                found = checked(ctx)
                self._last[url] = time.monotonic(), found
            return found


DOCTOR: Final = DoctorVisits()


def checked(ctx: SystemQueryCtx) -> Findings:
    from ..doctor.checks import run_checks  # it brings the migrations

    executor, problem = executor_of(ctx), None
    found: list[Finding] = []
    try:
        found = run_checks(
            executor.database.url,
            executor.settings,
            seconds=MEASURE_SECONDS,
            registry=ctx.app.registry,
            limit=LIMIT_SECONDS,
        )
    except Exception as error:
        problem = str(error)
    order: dict[Mark, int] = {"risk": 0, "note": 1, "ok": 2}
    shown = [DoctorFinding(**each.document()) for each in sorted(found, key=lambda each: order[each.mark])]
    return Findings(findings=shown, checked_time=now_of(ctx), problem=problem)


def now_of(ctx: SystemQueryCtx) -> datetime:
    return executor_of(ctx).clock.now()
