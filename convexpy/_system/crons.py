"""``_system/crons``: see crons and their runs, run one now, pause and resume one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Annotated, Any, Final, Self

from pydantic import AwareDatetime, Field, StringConstraints
from sqlalchemy import Connection

from ..database import cron_pauses
from ..database import crons as stored
from ..database.cron_pauses import CronPause
from ..database.cron_runs import CronOutcome, recent_runs
from ..database.cron_runs import CronRun as StoredRun
from ..database.job_queries import find_job
from ..database.scheduled_function import StateKind
from ..database.types import JobId
from ..errors import ConvexError
from ..functions.timetable import MICROSECOND, Timetable, parse
from ..functions.timetable_words import in_words
from .audit import actor_of, audit
from .context import LOOKED_EVERY, SystemMutationCtx, SystemQueryCtx, system_mutation, system_query
from .document import Document, UnixTime

SHOWN_SLOTS: Final = 5
MOST_SLOTS: Final = 100
"""Of one cron, in a plan or a preview: to find more takes long."""
LONGEST_PAUSE: Final = timedelta(days=366)
PLANNED_AGAIN: Final = timedelta(minutes=1)
AUDITED: Final = "cron {}"


class Pause(Document):
    """A pause that goes on."""

    time: UnixTime
    """When it began."""
    until: UnixTime
    """From then on, the cron runs again."""
    by: str
    """The name of an admin key, ``dev`` or ``local``."""
    note: str

    @classmethod
    def of(cls, pause: CronPause | None, now: datetime) -> Self | None:
        if pause is None or pause.until <= now:
            return None
        return cls(time=pause.time, until=pause.until, by=pause.by, note=pause.note)


class NextSlot(Document):
    """A slot that is still to come."""

    time: UnixTime
    left_out: bool
    """By a pause."""


class CronStatus(Document):
    """A stored cron: what it runs, when next, and how its last run ended."""

    name: str
    schedule: str
    """``"interval 7200s"`` or ``"cron 0 9 * * *"``."""
    words: str
    """``"Every 2 hours"``, ``"Every day at 09:00 UTC"``, or the expression if no short sentence says it."""
    function: str
    args: dict[str, object]
    next_time: UnixTime
    next_slots: tuple[NextSlot, ...]
    """The next five."""
    next_run: UnixTime | None
    """The first slot that no pause leaves out."""
    pause: Pause | None
    last_time: UnixTime | None
    """The slot that fired last."""
    last_state: StateKind | None
    """The state of its last run's job. None: it never ran, or the job was purged."""
    place: str | None
    """The file and line that declare it. None: the loaded app does not declare it."""

    @classmethod
    def of(cls, ctx: SystemQueryCtx, row: Any) -> Self:
        timetable, pause = parse(row.schedule), Pause.of(CronPause.of(row), ctx.now)
        definition = ctx.app.crons.definitions.get(row.name)
        job = find_job(ctx.connection, row.last_job) if row.last_job else None
        until = pause.until if pause is not None else row.next_time
        return cls(
            name=row.name,
            schedule=row.schedule,
            words=in_words(timetable),
            function=row.function,
            args=row.args,
            next_time=row.next_time,
            next_slots=tuple(
                NextSlot(time=slot, left_out=slot < until)
                for slot in islice(slots(timetable, row.next_time), SHOWN_SLOTS)
            ),
            next_run=first_from(timetable, row.next_time, until),
            pause=pause,
            last_time=row.last_time,
            last_state=job.state.kind if job else None,
            place=definition.place if definition is not None else None,
        )


class CronRun(Document):
    """A run of a cron that is over, or a slot that was left out."""

    slot_time: UnixTime
    job_id: JobId | None
    started_time: UnixTime | None
    seconds: float | None
    outcome: CronOutcome
    reason: str | None
    """Why a slot was left out, or a run failed, as far as its job is still there."""


class CronStrip(Document):
    """The last runs of one cron."""

    name: str
    runs: tuple[CronRun, ...]
    """At most 30, the oldest first."""
    is_removed: bool
    """No worker declares it any more."""


class CronPlan(Document):
    """The slots of a cron in the next 24 hours."""

    name: str
    slots: tuple[UnixTime, ...]
    more: bool
    """There are more slots than these, as close to each other."""


class PausePreview(Document):
    """What a pause would leave out."""

    left_out: int
    more: bool
    """It is more than that."""
    next_run: UnixTime | None


@system_query(refresh=LOOKED_EVERY)
def list(ctx: SystemQueryCtx) -> Sequence[CronStatus]:
    """Every stored cron, by name."""
    return [CronStatus.of(ctx, row) for row in stored.stored_crons(ctx.connection).values()]


@system_query(refresh=LOOKED_EVERY)
def runs(ctx: SystemQueryCtx, name: str | None = None) -> Sequence[CronStrip]:
    """The last runs of one cron, or of all, those that were removed among them."""
    known = stored.stored_crons(ctx.connection)
    found = recent_runs(ctx.connection, name)
    names = sorted({*known, *found} if name is None else {name})
    return [
        CronStrip(
            name=each,
            runs=tuple(run_of(ctx.connection, run, with_error=name is not None) for run in found.get(each, ())),
            is_removed=each not in known,
        )
        for each in names
    ]


def run_of(connection: Connection, run: StoredRun, *, with_error: bool) -> CronRun:
    reason = run.reason
    if reason is None and with_error and run.outcome == "failed" and run.job_id is not None:
        job = find_job(connection, run.job_id)
        reason = (job.state.error or "").partition("\n")[0] if job is not None else None
    return CronRun(
        slot_time=run.slot_time,
        job_id=run.job_id,
        started_time=run.started_time,
        seconds=run.seconds,
        outcome=run.outcome,
        reason=reason,
    )


@system_query(refresh=PLANNED_AGAIN)
def plan(ctx: SystemQueryCtx) -> Sequence[CronPlan]:
    """The slots of every cron in the next 24 hours, of each at most 100. A pause is not regarded."""
    end = ctx.now + timedelta(days=1)
    plans = []
    for name, row in stored.stored_crons(ctx.connection).items():
        found = [*islice(slots_before(parse(row.schedule), row.next_time, end), MOST_SLOTS + 1)]
        plans.append(CronPlan(name=name, slots=tuple(found[:MOST_SLOTS]), more=len(found) > MOST_SLOTS))
    return plans


@system_query
def preview(ctx: SystemQueryCtx, name: str, until: AwareDatetime) -> PausePreview:
    """What a pause until then would leave out. It counts up to 100 slots.

    Raises:
        ConvexError: There is no such cron (NOT_FOUND).
    """
    row = known_cron(ctx.connection, name)
    timetable = parse(row.schedule)
    left_out = [*islice(slots_before(timetable, row.next_time, until), MOST_SLOTS + 1)]
    return PausePreview(
        left_out=min(len(left_out), MOST_SLOTS),
        more=len(left_out) > MOST_SLOTS,
        next_run=first_from(timetable, row.next_time, until),
    )


@system_mutation
def run(ctx: SystemMutationCtx, name: str) -> JobId:
    """Run a cron now, besides its slots, also while it is paused.

    Raises:
        ConvexError: There is no such cron (NOT_FOUND), or its last run is not over (CONFLICT).
    """
    definitions = ctx.app.crons.definitions
    if name not in definitions:
        known = ", ".join(map(repr, definitions)) or "none"
        raise ConvexError("NOT_FOUND", f"there is no cron {name!r}. There is: {known}")
    function = ctx.app.registry.find(definitions[name].function)
    with ctx.framework_tables() as connection:
        row = stored.stored_crons(connection).get(name)
        if row is not None and stored.is_running(connection, row.last_job):
            raise ConvexError("CONFLICT", f"cron {name!r} is running: at most one run at a time")
        job_id = ctx.schedule_stored(function, definitions[name].stored_args, cron=name)
        stored.remember_run(connection, name, row.last_time if row else None, job_id)
    audit(ctx, "run", AUDITED.format(name), {"job": job_id})
    return job_id


@system_mutation
def pause(
    ctx: SystemMutationCtx,
    name: str,
    until: AwareDatetime,
    note: Annotated[str, StringConstraints(strip_whitespace=True, max_length=500), Field()] = "",
) -> Pause:
    """Leave out the slots of a cron until a time, from which on it runs again. A pause that goes on is replaced.

    Args:
        name: The cron's name.
        until: An aware time, or Unix milliseconds; at most a year ahead.
        note: Why.

    Raises:
        ConvexError: There is no such cron (NOT_FOUND), or the time is not ahead, or too far (BAD_REQUEST).
    """
    if not ctx.now < until <= ctx.now + LONGEST_PAUSE:
        raise ConvexError(
            "BAD_REQUEST", f"a pause ends within a year ({LONGEST_PAUSE.days} days), and not before it begins"
        )
    made = CronPause(ctx.now, until, actor_of(ctx), note)
    with ctx.framework_tables() as connection:
        known_cron(connection, name)
        cron_pauses.pause(connection, name, made)
    audit(ctx, "pause", AUDITED.format(name), {"until": until.isoformat(), "note": note})
    return Pause(time=made.time, until=until, by=made.by, note=note)


@system_mutation
def resume(ctx: SystemMutationCtx, name: str) -> None:
    """End the pause of a cron now. Slots that it left out stay left out.

    Raises:
        ConvexError: There is no such cron (NOT_FOUND), or it is not paused (CONFLICT).
    """
    with ctx.framework_tables() as connection:
        known_cron(connection, name)
        if not cron_pauses.resume(connection, name, ctx.now):
            raise ConvexError("CONFLICT", f"cron {name!r} is not paused")
    audit(ctx, "resume", AUDITED.format(name))


def known_cron(connection: Connection, name: str) -> Any:
    """The row of a cron.

    Raises:
        ConvexError: There is none (NOT_FOUND).
    """
    rows = stored.stored_crons(connection)
    if name not in rows:
        known = ", ".join(map(repr, rows)) or "none"
        raise ConvexError("NOT_FOUND", f"there is no cron {name!r}. There is: {known}")
    return rows[name]


def slots(timetable: Timetable, first: datetime) -> Iterator[datetime]:
    """A slot, and all that follow it."""
    while True:
        yield first
        first = timetable.after(first, first)


def slots_before(timetable: Timetable, first: datetime, end: datetime) -> Iterator[datetime]:
    """A slot and those that follow it, before a time."""
    for slot in slots(timetable, first):
        if slot >= end:
            return
        yield slot


def first_from(timetable: Timetable, slot: datetime, moment: datetime) -> datetime:
    """The first slot at a moment or after it, from a slot on."""
    return slot if slot >= moment else timetable.after(slot, moment - MICROSECOND)
