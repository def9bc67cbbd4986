"""Worker rows: registration, heartbeats, and the recovery of dead workers' jobs."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, delete, insert, select, update

from ..settings import Settings
from . import job_statements as sql
from .attempts import Attempt, add_attempt
from .claim import ClaimKey
from .crons import DeclaredCron
from .jobs import finish, release
from .tables import LOGS_WATCHED, jobs, metadata_table, queue, workers
from .types import JobId

LOST_ACTION: Final = (
    "the process that ran this action died before it finished. It may have run in part; actions are never run again"
)
LOST_CLAIM: Final = "the process that had claimed this job died before it finished"


@dataclass(frozen=True)
class Version:
    """What a worker runs: since when, and the crons that its app declares."""

    started_time: datetime
    crons: Mapping[str, DeclaredCron]


def register(connection: Connection, worker: str, now: datetime, version: Version) -> None:
    """Insert a worker's row. Its id is new at every start, so it is never mistaken for an earlier worker."""
    values = {"id": worker, "heartbeat_time": now, "host": this_host(), "pid": os.getpid(), **vars(version)}
    connection.execute(insert(workers).values(values))


class Beat(NamedTuple):
    """What a heartbeat has found out."""

    is_alive: bool
    """False: the worker was given up as dead, and its jobs are no longer its own."""
    watched: str | None = None
    """Who looks at the logs, by the text of its row."""


def beat(connection: Connection, worker: str, now: datetime, version: Version) -> Beat:
    """Record a heartbeat."""
    change = update(workers).where(workers.c.id == worker).values(heartbeat_time=now, **vars(version))
    watched = select(metadata_table.c.value).where(metadata_table.c.key == LOGS_WATCHED).scalar_subquery()
    found = connection.execute(change.returning(watched)).first()
    return Beat(found is not None, found[0] if found is not None else None)


def is_known(connection: Connection, worker: str) -> bool:
    """Whether a worker is registered. It cannot be given up before the end of this transaction."""
    return sql.IS_KNOWN.execute(connection, {"by_worker": worker}).rows != []


class LostAction(NamedTuple):
    """An action whose process died while it ran."""

    job_id: JobId
    name: str
    attempt: int
    cron: str | None
    started: datetime


@dataclass(frozen=True)
class Suspect:
    """A worker that may be dead."""

    id: str
    heartbeat_time: datetime
    is_gone: bool
    """Its process does not exist any more on this machine: it is dead, not only silent."""


def find_suspects(connection: Connection, besides: str, now: datetime, timeout: timedelta) -> list[Suspect]:
    """Workers without a heartbeat for ``timeout``, by a clock that is right, or whose process is gone."""
    others = connection.execute(select(workers).where(workers.c.id != besides)).all()
    found = [Suspect(other.id, other.heartbeat_time, is_gone(other)) for other in others]
    # A heartbeat in the future was sent by a clock that was ahead: a living worker sends another one soon.
    return [each for each in found if each.is_gone or abs(now - each.heartbeat_time) > timeout]


def find_unknown(connection: Connection) -> list[str]:
    """Workers that hold jobs and are not registered: their rows were deleted by hand."""
    known = select(workers.c.id).where(workers.c.id == queue.c.worker).exists()
    return list(
        connection.execute(select(queue.c.worker).where(queue.c.worker.is_not(None), ~known).distinct()).scalars()
    )


def has_others(connection: Connection, besides: str, now: datetime, timeout: timedelta) -> bool:
    """Whether another worker is alive."""
    is_recent = workers.c.heartbeat_time.between(now - timeout, now + timeout)
    alive = select(workers.c.id).where(workers.c.id != besides, is_recent)
    return connection.execute(alive.limit(1)).first() is not None


def has_ahead(connection: Connection, besides: str, now: datetime) -> bool:
    """Whether another worker has sent a heartbeat later than now: then this one's clock may be behind."""
    later = select(workers.c.id).where(workers.c.id != besides, workers.c.heartbeat_time > now)
    return connection.execute(later.limit(1)).first() is not None


def find_live(connection: Connection, now: datetime, timeout: timedelta) -> list[Any]:
    """The workers that are not known to be dead."""
    dead = {suspect.id for suspect in find_suspects(connection, "", now, timeout)}
    return [worker for worker in connection.execute(select(workers)) if worker.id not in dead]


def give_up(connection: Connection, worker: str, heartbeat_time: datetime) -> bool:
    """Delete a dead worker's row. False: it sent a heartbeat since, or another worker has given it up.

    This comes before ``recover_jobs``: a claim that is not committed yet locks the row, so the DELETE waits for it, and
    the recovery sees what it claimed. The other way round, those jobs would never be recovered.
    """
    silent = delete(workers).where(workers.c.id == worker, workers.c.heartbeat_time == heartbeat_time)
    return connection.execute(silent).rowcount == 1


def leave(connection: Connection, worker: str) -> None:
    """Delete a stopping worker's row, unless it holds jobs: others recover these once its process is gone."""
    # A claim whose connection broke may still be open on the server. It locks the row until it ends.
    connection.execute(select(workers.c.id).where(workers.c.id == worker).with_for_update())
    holds = select(queue.c.job_id).where(queue.c.worker == worker).exists()
    connection.execute(delete(workers).where(workers.c.id == worker, ~holds))


def jobs_of_worker(connection: Connection, worker: str) -> set[JobId]:
    """The jobs that a worker has claimed or started."""
    return set(connection.execute(select(queue.c.job_id).where(queue.c.worker == worker)).scalars())


def recover_jobs(
    connection: Connection, worker: str, now: datetime, settings: Settings, only: set[JobId] | None = None
) -> tuple[list[LostAction], int]:
    """Recover jobs that a worker holds and will not finish: started actions fail, the rest is reclaimed after a delay.

    Args:
        connection: The connection.
        worker: The worker's id.
        now: The database's time.
        settings: The delay grows with each attempt.
        only: These of its jobs. None: all of them.

    Returns:
        The actions that failed, and how many jobs are queued again.
    """
    failed: list[LostAction] = []
    queued = 0
    about = (jobs.c.name, jobs.c.attempts, jobs.c.cron, jobs.c.started_time)
    held = select(queue, *about).join(jobs, jobs.c.id == queue.c.job_id).where(queue.c.worker == worker)
    if only is not None:
        held = held.where(queue.c.job_id.in_(only))
    # The lock waits for an action that is starting and for a job that is ending, and reads the state after that.
    for row in connection.execute(held.with_for_update(of=queue)).all():
        if row.run_token is not None:
            if finish(connection, [ClaimKey(row.job_id, row.run_token)], LOST_ACTION, now):
                started = row.started_time or now
                failed.append(LostAction(row.job_id, row.name, row.attempts, row.cron, started))
            continue
        # A job that kills its process is delayed more each time, so that other jobs run in between.
        due = now + settings.backoff(row.attempts + 1)
        if release(connection, ClaimKey(row.job_id, row.claim_token), row.kind, LOST_CLAIM, due):
            queued += 1
            seconds = max(0.0, (now - row.due_time).total_seconds())
            lost = Attempt(row.job_id, row.attempts + 1, row.due_time, seconds, "lost", LOST_CLAIM)
            add_attempt(connection, lost)
    return failed, queued


def is_gone(worker: Any) -> bool:
    """Whether the worker ran on this host, and its process does not exist any more."""
    if os.name != "posix" or worker.host != this_host() or worker.pid == os.getpid():
        return False
    try:
        os.kill(worker.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def this_host() -> str:
    """The machine, its boot and its process namespace: within these, a process id is unique."""
    parts = [socket.gethostname()]
    for path in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        try:
            parts.append(os.readlink(path) if "ns" in path else Path(path).read_text().strip())
        except OSError:
            continue
    return " ".join(parts)
