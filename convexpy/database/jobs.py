"""Every move of a job: insert, claim, take, start, finish, release, cancel; besides here only `rescue.py`, `purge.py`.

Each move is guarded by what must still be true (the state, the token of the claim or of the run) and answers whether
it was: no row changed means that somebody else was first, and the caller must let go.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, delete, select, update

from . import job_statements as sql
from .claim import START, Claim, QueuePosition
from .statement import Statement
from .tables import jobs, queue
from .types import JobId

ANYWHERE: Final[Mapping[str, QueuePosition]] = {}


@dataclass(frozen=True)
class NewJob:
    """A job that is about to be remembered."""

    id: JobId
    name: str
    kind: str
    args: str
    scheduled_time: datetime
    cron: str | None = None
    parent: JobId | None = None
    canceled: bool = False
    note: str | None = None


# Gives the worker and the token that a job is claimed with from its birth, or None. It is told the job's position.
Claimant = Callable[[NewJob, datetime, int], tuple[str, str] | None]


def insert_jobs(connection: Connection, new: Sequence[NewJob], now: datetime, claimant: Claimant | None = None) -> None:
    """Remember new jobs. A time in the past is kept as it was asked for, and is due now.

    Args:
        claimant: Whoever may claim each of them from its birth.
    """
    if not new:
        return
    first = time.time_ns()
    rows = [row_of(job, now) for job in new]
    waiting = [place_of(job, now, first + n, claimant) for n, job in enumerate(new) if not job.canceled]
    if connection.dialect.name == "postgresql" and len(rows) == len(waiting) == 1:
        sql.INSERT_AND_ENQUEUE.on(connection, {**rows[0], **waiting[0]})
        return
    sql.INSERT_JOB.on(connection, rows)
    if waiting:
        sql.ENQUEUE.on(connection, waiting)
    for job in new:
        if job.canceled:
            _remember_end(connection, job.id, "canceled", now)


def row_of(job: NewJob, now: datetime) -> dict[str, Any]:
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
        "attempts": 0,
    }


def place_of(job: NewJob, now: datetime, position: int, claimant: Claimant | None) -> dict[str, Any]:
    """A job's place in the queue."""
    worker, token = (claimant(job, now, position) if claimant else None) or (None, None)
    due = max(job.scheduled_time, now)
    place = {"job_id": job.id, "kind": job.kind, "due_time": due, "position": position}
    return {**place, "worker": worker, "claim_token": token}


def next_due(connection: Connection, after: Mapping[str, QueuePosition] = ANYWHERE) -> dict[str, datetime | None]:
    """When the first unclaimed job of each kind is due; on a server, of those behind a place."""
    if connection.dialect.name != "postgresql":
        return dict(sql.NEXT_DUE.on(connection).rows[0]._asdict())
    places = {kind: after.get(kind, START) for kind in sql.KINDS}
    times = {f"{kind}_time": place.due_time for kind, place in places.items()}
    positions = {f"{kind}_position": place.position for kind, place in places.items()}
    return dict(sql.NEXT_DUE_BEHIND.on(connection, {**times, **positions}).rows[0]._asdict())


def first_due(connection: Connection) -> tuple[datetime, str] | None:
    """When the very first unclaimed job is due, and its kind. For tests: it looks at all that wait."""
    first = select(queue.c.due_time, queue.c.kind).where(queue.c.worker.is_(None))
    row = connection.execute(first.order_by(queue.c.due_time, queue.c.position).limit(1)).one_or_none()
    return None if row is None else (row.due_time, row.kind)


def new_token() -> str:
    """A token that is fresh for every claim and for every run."""
    return secrets.token_hex(16)


def claim_jobs(
    connection: Connection, kind: str, worker: str, token: str, now: datetime, room: int, after: QueuePosition = START
) -> list[Claim]:
    """Claim up to ``room`` due jobs of a kind for a worker, the longest due first, all under one token.

    On a server, only those behind a place.

    Nothing for a worker that was given up: nobody would look for what it claims. Until the end of the transaction
    nobody can give it up.
    """
    values = {"of_kind": kind, "now": now, "room": room, "by_worker": worker, "token": token}
    if connection.dialect.name == "postgresql":
        behind = {"after_time": after.due_time, "after_position": after.position}
        return list(sql.CLAIM_AND_READ.on(connection, {**values, **behind}).rows)
    if not sql.IS_KNOWN.on(connection, {"by_worker": worker}).rows:
        return []
    places = [row.place for row in sql.CLAIM.on(connection, values).rows]
    return list(sql.READ_CLAIMED.on(connection, {"token": token, "places": json.dumps(places)}).rows) if places else []


def held_by(claim: Claim) -> dict[str, Any]:
    return {"of_job": claim.job_id, "of_claim": claim.token}


def take(connection: Connection, claim: Claim) -> bool:
    """Take a claimed job off the queue, inside the transaction that will finish it."""
    return sql.TAKE.on(connection, held_by(claim)).rowcount == 1


def start(connection: Connection, claim: Claim, run_token: str, now: datetime) -> bool:
    """Mark an action as started. Once this is committed, it is never started again.

    True as well if it was started under this token before: the answer to that COMMIT was lost.
    """
    if sql.START.on(connection, {**held_by(claim), "new_run": run_token}).rowcount != 1:
        return sql.IS_STARTED.on(connection, {"of_job": claim.job_id, "of_run": run_token}).rows != []
    return sql.STARTED.on(connection, {"of_job": claim.job_id, "now": now}).rowcount == 1


def finish_taken(connection: Connection, claim: Claim, error: str | None, now: datetime) -> bool:
    """End a job that this transaction has taken off the queue: a success, or a failure with its error."""
    return _end(connection, sql.END_TAKEN, claim.job_id, error, now)


def finish_all(connection: Connection, claims: Sequence[Claim], now: datetime) -> bool:
    """Take claimed jobs off the queue and end them with success, inside the transaction that has run all of them.

    False: not all of them were this worker's any more. Nothing of that transaction may be committed then.
    """
    ids, pairs = [claim.job_id for claim in claims], [claim.job_id + claim.token for claim in claims]
    end = {"end": "success", "error": None, "now": now}
    if connection.dialect.name == "postgresql":
        values = {"ids": ",".join(ids), "pairs": ",".join(pairs), **end}
        return set(sql.END_ALL.on(connection, values).rows[0]) == {len(claims)}
    values = {"ids": json.dumps(ids), "pairs": json.dumps(pairs), **end}
    if sql.TAKE_ALL.on(connection, values).rowcount != len(claims):
        return False
    if sql.END_ALL_TAKEN.on(connection, values).rowcount != len(claims):
        return False
    sql.REMEMBER_ALL.on(connection, values)
    return True


def finish_started(connection: Connection, job_id: JobId, run_token: str, error: str | None, now: datetime) -> bool:
    """End an action that runs under this token. False: it was canceled or given up meanwhile.

    True as well if it has ended like this before: the answer to that COMMIT was lost.
    """
    if sql.TAKE_RUN.on(connection, {"of_job": job_id, "of_run": run_token}).rowcount != 1:
        return has_ended(connection, job_id, error)
    return _end(connection, sql.END_STARTED, job_id, error, now)


def has_ended(connection: Connection, job_id: JobId, error: str | None) -> bool:
    """Whether a job has ended just like this: with a success, or with this error."""
    return ("success" if error is None else "failed", error) in sql.STATE.on(connection, {"of_job": job_id}).rows


def release(connection: Connection, claim: Claim, error: str, due: datetime) -> bool:
    """Give a job back after an internal error, to be tried again at ``due``, with what went wrong in its row."""
    if sql.POSTPONE.on(connection, {**held_by(claim), "new_due": due}).rowcount != 1:
        return False
    sql.POSTPONED.on(connection, {"of_job": claim.job_id, "error": error, "new_due": due})
    return True


def postpone(connection: Connection, claim: Claim, why: str, due: datetime) -> None:
    """Give a job back untried, not to be claimed before ``due``."""
    if sql.POSTPONE.on(connection, {**held_by(claim), "new_due": due}).rowcount == 1:
        connection.execute(update(jobs).where(jobs.c.id == claim.job_id).values(last_error=why, next_try=due))


def unclaim(connection: Connection, claims: Sequence[Claim]) -> None:
    """Give back jobs that were claimed and never tried."""
    for claim in claims:
        sql.GIVE_BACK.on(connection, held_by(claim))


def unclaim_all(connection: Connection, worker: str, token: str) -> int:
    """Give back whatever a worker claimed under a token and has not started. How many it was."""
    claimed = (queue.c.worker == worker) & (queue.c.claim_token == token) & queue.c.run_token.is_(None)
    return connection.execute(update(queue).where(claimed).values(worker=None, claim_token=None)).rowcount


def correct_kind(connection: Connection, claim: Claim, kind: str) -> None:
    """Give back a job whose function is now of another kind, so that it is run as what it is."""
    if sql.GIVE_BACK_AS.on(connection, {**held_by(claim), "new_kind": kind}).rowcount == 1:
        connection.execute(update(jobs).where(jobs.c.id == claim.job_id).values(kind=kind))


def cancel(connection: Connection, job_id: JobId, now: datetime) -> bool:
    """Cancel a job that is pending or, for an action, running. False: it is finished, or there is none."""
    if connection.execute(delete(queue).where(queue.c.job_id == job_id)).rowcount != 1:
        return False
    unfinished = jobs.c.state_kind.in_(("pending", "inProgress"))
    values = {"state_kind": "canceled", "completed_time": now, "next_try": None}
    connection.execute(update(jobs).where(jobs.c.id == job_id, unfinished).values(values))
    _remember_end(connection, job_id, "canceled", now)
    return True


def _end(connection: Connection, statement: Statement, job_id: JobId, error: str | None, now: datetime) -> bool:
    end = "success" if error is None else "failed"
    if statement.on(connection, {"of_job": job_id, "end": end, "error": error, "now": now}).rowcount != 1:
        return False
    _remember_end(connection, job_id, end, now)
    return True


def _remember_end(connection: Connection, job_id: JobId, end: str, now: datetime) -> None:
    sql.REMEMBER_END.on(connection, {"state_kind": end, "completed_time": now, "job_id": job_id})
