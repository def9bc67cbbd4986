"""Every move of a job: insert, claim, start, finish, release, cancel.

Each move is guarded by what must still be true (the state, the token of the claim or of the run) and answers whether
it was: no row changed means that another transaction was first, and the caller must let go.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, delete, update

from . import job_statements as sql
from .claim import START, Claim, ClaimKey, QueuePosition
from .commits import Commit, QueuedJob
from .tables import jobs, queue
from .transaction import OPEN_TRANSACTION, OpenTransaction
from .types import JobId

RETRY: Final = "retry:"
"""A job that repeats another one by hand has this and the other's id in the column of its request."""
FROM_THE_START: Final[Mapping[str, QueuePosition]] = {}


@dataclass(frozen=True)
class NewJob:
    """A job that is about to be inserted. ``canceled`` with a ``note``: a row of the history that never runs."""

    id: JobId
    name: str
    kind: str
    args: str
    scheduled_time: datetime
    cron: str | None = None
    parent: JobId | None = None
    request: str | None = None
    origin: str | None = None
    canceled: bool = False
    note: str | None = None


def insert_jobs(connection: Connection, new: Sequence[NewJob], now: datetime) -> None:
    """Insert jobs. A time in the past is kept as it was asked for, and is due now."""
    if not new:
        return
    first = time.time_ns()  # among jobs due at the same time, the one scheduled first is claimed first
    rows = [job_row(job, now) for job in new]
    waiting = [queue_row(job, now, first + n) for n, job in enumerate(new) if not job.canceled]
    changes = changes_of(connection)
    changes.scheduled += [QueuedJob(row["job_id"], row["kind"], row["due_time"]) for row in waiting]
    changes.change_jobs([job.id for job in new])
    if connection.dialect.name == "postgresql" and len(rows) == len(waiting) == 1:
        sql.INSERT_AND_ENQUEUE.execute(connection, {**rows[0], **waiting[0]})
        return
    sql.INSERT_JOB.execute(connection, rows)
    if waiting:
        sql.ENQUEUE.execute(connection, waiting)
    for job in new:
        if job.canceled:
            _insert_end(connection, job.id, "canceled", now)


def job_row(job: NewJob, now: datetime) -> dict[str, Any]:
    return {
        "id": job.id,
        "name": job.name,
        "kind": job.kind,
        "args": job.args,
        "scheduled_time": job.scheduled_time,
        "state_kind": "canceled" if job.canceled else "pending",
        "state_error": job.note,
        "completed_time": now if job.canceled else None,
        "cron": job.cron,
        "parent": job.parent,
        "request": job.request,
        "origin": job.origin,
        "attempts": 0,
    }


def queue_row(job: NewJob, now: datetime, position: int) -> dict[str, Any]:
    return {"job_id": job.id, "kind": job.kind, "due_time": max(job.scheduled_time, now), "position": position}


def next_due(
    connection: Connection, after: Mapping[str, QueuePosition] = FROM_THE_START, left_out: Collection[str] = ()
) -> dict[str, datetime | None]:
    """When the first unclaimed job of each kind is due, but for those of the functions that are left out; on
    PostgreSQL, of those after a position."""
    names = {"left_out": json.dumps(sorted(left_out))} if left_out else {}
    if connection.dialect.name != "postgresql":
        statement = sql.NEXT_DUE_KNOWN if left_out else sql.NEXT_DUE
        return dict(statement.execute(connection, names).rows[0]._asdict())
    positions = {kind: after.get(kind, START) for kind in sql.KINDS}
    times = {f"{kind}_time": position.due_time for kind, position in positions.items()}
    numbers = {f"{kind}_position": position.position for kind, position in positions.items()}
    statement = sql.NEXT_DUE_KNOWN_AFTER if left_out else sql.NEXT_DUE_AFTER
    return dict(statement.execute(connection, {**times, **numbers, **names}).rows[0]._asdict())


def new_token() -> str:
    """A token that is fresh for every claim and for every run."""
    return secrets.token_hex(16)


def claim(
    connection: Connection,
    kind: str,
    worker: str,
    now: datetime,
    limit: int,
    after: QueuePosition = START,
    left_out: Collection[str] = (),
) -> list[Claim]:
    """Claim up to ``limit`` due jobs of a kind for a worker, the longest due first, all under one token.

    On PostgreSQL, only those after a position. Nothing for a worker that was given up as dead: no recovery would look
    for what it claims. Until the end of the transaction it cannot be given up. Jobs of functions that are left out
    stay where they are.
    """
    token = new_token()
    values: dict[str, Any] = {"of_kind": kind, "now": now, "limit": limit, "by_worker": worker, "token": token}
    if left_out:
        values["left_out"] = json.dumps(sorted(left_out))
    if connection.dialect.name == "postgresql":
        start = {"after_time": after.due_time, "after_position": after.position}
        statement = sql.CLAIM_AND_READ_KNOWN if left_out else sql.CLAIM_AND_READ
        return list(statement.execute(connection, {**values, **start}).rows)
    statement = sql.CLAIM_KNOWN if left_out else sql.CLAIM
    rowids = [row.rowid for row in statement.execute(connection, values).rows]
    if not rowids:
        return []
    return list(sql.READ_CLAIMED.execute(connection, {"token": token, "rowids": json.dumps(rowids)}).rows)


def lock(connection: Connection, claim: Claim) -> bool:
    """Lock a claimed job until the end of the transaction, which will finish it. Another one that cancels it waits."""
    return sql.LOCK.execute(connection, claim_values(claim)).rows != []


def start(connection: Connection, claim: Claim, run_token: str, now: datetime) -> bool:
    """Mark an action as started. Once this is committed, it is never started again.

    True as well if it was started under this token before: the answer to that COMMIT was lost.
    """
    if sql.START.execute(connection, {**claim_values(claim), "new_run": run_token}).rowcount != 1:
        return sql.IS_STARTED.execute(connection, {"of_job": claim.job_id, "of_run": run_token}).rows != []
    changes_of(connection).change_jobs([claim.job_id])
    return sql.STARTED.execute(connection, {"of_job": claim.job_id, "now": now}).rowcount == 1


def finish(
    connection: Connection, keys: Sequence[Claim | ClaimKey], error: str | None, now: datetime, trace: str | None = None
) -> bool:
    """Take jobs off the queue and end them, with success or with an error, as long as each is held under its token.

    False: not all of them were, and the transaction must not be committed.
    """
    ids, pairs = [key.job_id for key in keys], [key.job_id + key.token for key in keys]
    end = {"end": "success" if error is None else "failed", "error": error, "trace": trace, "now": now}
    changes = changes_of(connection)
    end["began"] = changes.began
    changes.ended.extend(ids)
    changes.change_jobs(ids)
    if connection.dialect.name == "postgresql":
        values = {"ids": ",".join(ids), "pairs": ",".join(pairs), **end}
        return bool(sql.FINISH.execute(connection, values).rows[0].finished == len(keys))
    values = {"ids": json.dumps(ids), "pairs": json.dumps(pairs), **end}
    if sql.DEQUEUE.execute(connection, values).rowcount != len(keys):
        return False
    if sql.END.execute(connection, values).rowcount != len(keys):
        return False
    sql.INSERT_ENDS.execute(connection, values)
    return True


def has_ended(connection: Connection, job_id: JobId, error: str | None) -> bool:
    """Whether a job has ended just like this: with a success, or with this error."""
    return ("success" if error is None else "failed", error) in sql.STATE.execute(connection, {"of_job": job_id}).rows


def release(connection: Connection, key: Claim | ClaimKey, kind: str, error: str, due: datetime) -> bool:
    """Give a job back after an internal error, to be tried again at ``due``, with what went wrong in its row."""
    if sql.POSTPONE.execute(connection, {**claim_values(key), "new_due": due}).rowcount != 1:
        return False
    sql.POSTPONED.execute(connection, {"of_job": key.job_id, "error": error, "new_due": due})
    changes = changes_of(connection)
    changes.scheduled.append(QueuedJob(key.job_id, kind, due))
    changes.change_jobs([key.job_id])
    return True


def unclaim(connection: Connection, claims: Sequence[Claim]) -> None:
    """Give back jobs that were claimed and never tried."""
    for claim in claims:
        sql.GIVE_BACK.execute(connection, claim_values(claim))
        changes_of(connection).scheduled.append(QueuedJob(claim.job_id, claim.kind, claim.due_time))


def correct_kind(connection: Connection, claim: Claim, kind: str) -> None:
    """Give back a job whose function is now of another kind, so that it is run as what it is."""
    if sql.GIVE_BACK_AS.execute(connection, {**claim_values(claim), "new_kind": kind}).rowcount == 1:
        connection.execute(update(jobs).where(jobs.c.id == claim.job_id).values(kind=kind))
        changes = changes_of(connection)
        changes.scheduled.append(QueuedJob(claim.job_id, kind, claim.due_time))
        changes.change_jobs([claim.job_id])


def cancel(connection: Connection, job_id: JobId, now: datetime) -> bool:
    """Cancel a job that is pending or, for an action, running. False: it is finished, or there is none."""
    if connection.execute(delete(queue).where(queue.c.job_id == job_id)).rowcount != 1:
        return False
    unfinished = jobs.c.state_kind.in_(("pending", "inProgress"))
    values = {"state_kind": "canceled", "completed_time": now, "next_try": None}
    connection.execute(update(jobs).where(jobs.c.id == job_id, unfinished).values(values))
    _insert_end(connection, job_id, "canceled", now)
    changes = changes_of(connection)
    changes.ended.append(job_id)
    changes.change_jobs([job_id])
    return True


def changes_of(connection: Connection) -> Commit:
    """Where the transaction on a connection records what it changes. A copy between databases publishes nothing."""
    transaction: OpenTransaction | None = connection.info.get(OPEN_TRANSACTION)
    return transaction.changes if transaction is not None else Commit()


def claim_values(key: Claim | ClaimKey) -> dict[str, Any]:
    return {"of_job": key.job_id, "of_claim": key.token}


def _insert_end(connection: Connection, job_id: JobId, end: str, now: datetime) -> None:
    sql.INSERT_END.execute(connection, {"state_kind": end, "completed_time": now, "job_id": job_id})
