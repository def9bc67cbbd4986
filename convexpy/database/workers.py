"""Which processes claim jobs, and which of them are dead."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from .job_statements import IS_KNOWN
from .tables import queue, workers


def register(connection: Connection, worker: str, now: datetime) -> None:
    """A worker begins. Its id is new at every start, so that it is never taken for one that came before."""
    values = {"id": worker, "started_time": now, "heartbeat_time": now, "host": this_host(), "pid": os.getpid()}
    connection.execute(insert(workers).values(values))


def beat(connection: Connection, worker: str, now: datetime) -> bool:
    """Say that a worker is alive. False: it was already given up as dead, and must let go of everything."""
    change = update(workers).where(workers.c.id == worker).values(heartbeat_time=now)
    return connection.execute(change).rowcount == 1


def is_known(connection: Connection, worker: str) -> bool:
    """Whether a worker is registered. Until the end of the transaction nobody can give it up."""
    return IS_KNOWN.on(connection, {"by_worker": worker}).rows != []


@dataclass(frozen=True)
class Suspect:
    """A worker that may be dead."""

    id: str
    heartbeat_time: datetime
    is_gone: bool
    """Its process is gone from this very machine: it is dead, not only silent."""


def find_suspects(connection: Connection, besides: str, now: datetime, timeout: timedelta) -> list[Suspect]:
    """Workers that have been silent too long, or whose process is gone."""
    others = connection.execute(select(workers).where(workers.c.id != besides)).all()
    found = [Suspect(other.id, other.heartbeat_time, is_gone(other)) for other in others]
    return [each for each in found if each.is_gone or now - each.heartbeat_time > timeout]


def find_unknown(connection: Connection) -> list[str]:
    """Who holds jobs and is not registered: a worker whose row somebody removed."""
    known = select(workers.c.id).where(workers.c.id == queue.c.worker).exists()
    return list(
        connection.execute(select(queue.c.worker).where(queue.c.worker.is_not(None), ~known).distinct()).scalars()
    )


def has_others(connection: Connection, besides: str, now: datetime, timeout: timedelta) -> bool:
    """Whether another worker is alive."""
    alive = select(workers.c.id).where(workers.c.id != besides, workers.c.heartbeat_time > now - timeout)
    return connection.execute(alive.limit(1)).first() is not None


def find_live(connection: Connection, now: datetime, timeout: timedelta) -> list[Any]:
    """The workers that are not known to be dead."""
    dead = {suspect.id for suspect in find_suspects(connection, "", now, timeout)}
    return [worker for worker in connection.execute(select(workers)) if worker.id not in dead]


def give_up(connection: Connection, worker: str, heartbeat_time: datetime) -> bool:
    """Take a worker for dead, unless it was heard of since. False: it was, or somebody else has given it up.

    This comes before looking for what it holds: it waits for a claim that is under way, which keeps the row, and what
    that claims can be seen from then on. The other way round it would belong to nobody.
    """
    silent = delete(workers).where(workers.c.id == worker, workers.c.heartbeat_time == heartbeat_time)
    return connection.execute(silent).rowcount == 1


def leave(connection: Connection, worker: str) -> None:
    """A worker ends. It stays registered while it holds jobs, so that others find them once its process is gone."""
    # A claim whose connection broke may still be under way on the server. It keeps the row until it can be seen.
    connection.execute(select(workers.c.id).where(workers.c.id == worker).with_for_update())
    holds = select(queue.c.job_id).where(queue.c.worker == worker).exists()
    connection.execute(delete(workers).where(workers.c.id == worker, ~holds))


def is_gone(worker: Any) -> bool:
    """Whether the worker ran here, under a process id that no process has any more."""
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
    """The machine, its boot and its process namespace: where a process id means one process."""
    parts = [socket.gethostname()]
    for path in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        try:
            parts.append(os.readlink(path) if "ns" in path else Path(path).read_text().strip())
        except OSError:
            continue
    return " ".join(parts)
