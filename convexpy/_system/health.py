"""``_system/health``: is everything on time, and is there enough of everything?"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Final, Literal

from pydantic import Field
from sqlalchemy import URL

from ..clock import Clock
from ..database.health_figures import SpanSums, database_figures, spans, sums_of_spans, worker_figures
from ..database.job_delays import delay_of, oldest_due
from ..doctor.finding import Finding, Mark
from ..errors import text_of
from ..functions.registry import Registry
from ..settings import Settings
from .context import LOOKED_EVERY, SystemQueryCtx, calls_of, system_query
from .document import Document, UnixTime

FIGURES_EVERY: Final = timedelta(seconds=10)
SPANS: Final = {60: (60, 1, 1), 1440: (96, 15, 5), 10_080: (84, 120, 6)}
"""For so many minutes: how many stretches of how many minutes each, and of how many of these the sums are read."""
MEASURE_SECONDS: Final = 0.5
"""For how long the doctor measures the rate of transactions."""
LIMIT_SECONDS: Final = 10.0
"""How long a statement of the doctor may take."""
CHECKED_EVERY: Final = timedelta(seconds=10)
"""Whoever asks again within this time is told the same."""
ORDER: Final[dict[Mark, int]] = {"risk": 0, "note": 1, "ok": 2}


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
    checked_time: UnixTime | None
    """When they were found. None: it has not looked yet."""
    problem: str | None
    """Why there are none."""
    is_looking: bool
    """Whether it looks now: in a few seconds there are others."""


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
    settings = calls_of(ctx).settings
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


@system_query(refresh=timedelta(seconds=1))
def findings(ctx: SystemQueryCtx, since: Annotated[int, Field(ge=0)] = 0) -> Findings:
    """What `convexpy doctor` finds. It looks when it is asked, not by itself, and at most every ten seconds.

    Args:
        since: In milliseconds since 1970: what was found before is too old.
    """
    calls = calls_of(ctx)
    now = calls.clock.now()
    wanted = min(datetime.fromtimestamp(since / 1000, UTC), now - CHECKED_EVERY)
    look = partial(look_at, calls.database.url, calls.settings, ctx.app.registry)
    return DOCTOR.visit(calls.database.url.render_as_string(hide_password=False), wanted, calls.clock, look)


class DoctorVisits:
    """What the doctor found last, of each database. It looks on a thread of its own: that takes seconds."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._last: dict[str, Findings] = {}
        self._looking: dict[str, threading.Thread] = {}

    def visit(self, url: str, wanted: datetime, clock: Clock, look: Callable[[], list[Finding]]) -> Findings:
        """What was found last. If that was before a time, it looks again, and says so."""
        with self._mutex:
            last, thread = self._last.get(url, NOTHING), self._looking.get(url)
            if thread is not None and not thread.is_alive():
                thread = None
            if thread is None and (last.checked_time is None or last.checked_time < wanted):
                thread = threading.Thread(
                    target=self._look, args=(url, clock, look), name="convexpy-doctor", daemon=True
                )
                self._looking[url] = thread
                thread.start()
        return last.model_copy(update={"is_looking": thread is not None})

    def _look(self, url: str, clock: Clock, look: Callable[[], list[Finding]]) -> None:
        found, problem = list[Finding](), None
        try:
            found = look()
        except Exception as error:
            problem = text_of(error)
        shown = [DoctorFinding(**each.document()) for each in sorted(found, key=lambda each: ORDER[each.mark])]
        with self._mutex:
            self._last[url] = Findings(findings=shown, checked_time=clock.now(), problem=problem, is_looking=False)


def look_at(url: URL, settings: Settings, registry: Registry) -> list[Finding]:
    from ..doctor.checks import run_checks  # it brings the migrations

    return run_checks(url, settings, seconds=MEASURE_SECONDS, registry=registry, limit=LIMIT_SECONDS)


NOTHING: Final = Findings(findings=[], checked_time=None, problem=None, is_looking=False)
DOCTOR: Final = DoctorVisits()
