"""``_system/crons``: see crons, and run one now."""

from __future__ import annotations

from collections.abc import Sequence

from ..database import crons as stored
from ..database.job_queries import find_job
from ..database.scheduled_function import StateKind
from ..database.types import JobId
from ..errors import ConvexError
from .context import LOOKED_EVERY, SystemMutationCtx, SystemQueryCtx, system_mutation, system_query
from .document import Document, UnixTime


class CronStatus(Document):
    """A stored cron: what it runs, when next, and how its last run ended."""

    name: str
    schedule: str
    """``"interval 7200s"`` or ``"cron 0 9 * * *"``."""
    function: str
    args: dict[str, object]
    next_time: UnixTime
    last_time: UnixTime | None
    """The slot that fired last."""
    last_state: StateKind | None
    """The state of its last run's job. None: it never ran, or the job was purged."""
    place: str | None
    """The file and line that declare it. None: the loaded app does not declare it."""


@system_query(refresh=LOOKED_EVERY)
def list(ctx: SystemQueryCtx) -> Sequence[CronStatus]:
    """Every stored cron, by name."""
    definitions = ctx.app.crons.definitions
    rows = stored.stored_crons(ctx.connection)
    last = {name: find_job(ctx.connection, row.last_job) for name, row in rows.items() if row.last_job}
    return [
        CronStatus(
            name=name,
            schedule=row.schedule,
            function=row.function,
            args=row.args,
            next_time=row.next_time,
            last_time=row.last_time,
            last_state=job.state.kind if (job := last.get(name)) else None,
            place=definitions[name].place if name in definitions else None,
        )
        for name, row in rows.items()
    ]


@system_mutation
def run(ctx: SystemMutationCtx, name: str) -> JobId:
    """Run a cron now, besides its slots.

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
    return job_id
