"""Bugs that this engine could have had, each planted for the length of a test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Connection, delete, select, update

from convexpy.database import jobs
from convexpy.database import tables as t
from convexpy.database.claim import Claim, ClaimKey
from convexpy.dispatch import recovery, retention
from convexpy.dispatch.batch import Batch, BatchItem
from convexpy.dispatch.executor import JobExecutor
from convexpy.runtime import schedule, transaction
from convexpy.runtime.call import CallResult
from convexpy.runtime.events import Failure
from convexpy.runtime.schedule import ScheduleBuffer
from convexpy.runtime.transaction import ClaimedCall, JobLost, TransactionFailed, TransactionRunner

Plant = Callable[[pytest.MonkeyPatch], None]


def end_unguarded(connection: Connection, keys: Sequence[Claim | ClaimKey], error: str | None, now: datetime) -> bool:
    """End jobs, whichever claim or run they are held under."""
    ids = [key.job_id for key in keys]
    values = {"state_kind": "success" if error is None else "failed", "state_error": error, "completed_time": now}
    connection.execute(delete(t.queue).where(t.queue.c.job_id.in_(ids)))
    connection.execute(update(t.jobs).where(t.jobs.c.id.in_(ids)).values(values))
    return True


def jobs_with(**moves: Any) -> SimpleNamespace:
    """The moves of jobs, some of them replaced."""
    return SimpleNamespace(**{**vars(jobs), **moves})


def finished_without_the_claim(patch: pytest.MonkeyPatch) -> None:
    """A mutation is committed and ends its job though this worker no longer holds the claim."""
    patch.setattr(transaction, "jobs", jobs_with(finish=end_unguarded, lock=lambda connection, claim: True))


def finished_without_the_token(patch: pytest.MonkeyPatch) -> None:
    """An action that was given up records its end all the same."""

    def finish(self: JobExecutor, key: Claim | ClaimKey, why: Failure | None) -> bool:
        error = why.text if why is not None else None
        return self._change(lambda connection, now: end_unguarded(connection, [key], error, now))

    patch.setattr(JobExecutor, "_finish", finish)


def finished_in_another_transaction(patch: pytest.MonkeyPatch) -> None:
    """What a scheduled mutation writes is committed first, and the end of its job after that."""
    run = TransactionRunner.run_transaction

    def in_two(
        self: TransactionRunner, first: ClaimedCall, rest: Iterable[ClaimedCall] | None = None, on_expire: Any = None
    ) -> list[CallResult]:
        claims: list[Claim] = []

        def unclaimed(pairs: Iterable[ClaimedCall]) -> Iterator[ClaimedCall]:
            for call, claim in pairs:
                if claim is not None:
                    claims.append(claim)
                yield call, None

        (one,) = unclaimed([first])
        results = run(self, one, None if rest is None else unclaimed(rest), on_expire)
        if claims:
            with self._database.write_internal() as connection:
                if not jobs.finish(connection, claims, None, self._clock.now()):
                    raise TransactionFailed(JobLost(), None, None)
        return results

    patch.setattr(TransactionRunner, "run_transaction", in_two)


def started_without_a_record(patch: pytest.MonkeyPatch) -> None:
    """That an action started is recorded when it ends."""
    start, finish = JobExecutor._start, JobExecutor._finish
    started: dict[str, Claim] = {}

    def unrecorded(self: JobExecutor, claim: Claim, run_token: str) -> bool:
        started[run_token] = claim
        return True

    def late(self: JobExecutor, key: Claim | ClaimKey, why: Failure | None) -> bool:
        claim = started.get(key.token)
        return (claim is None or start(self, claim, key.token)) and finish(self, key, why)

    patch.setattr(JobExecutor, "_start", unrecorded)
    patch.setattr(JobExecutor, "_finish", late)


def canceled_without_a_guard(patch: pytest.MonkeyPatch) -> None:
    """A cancel does not check whether the job has ended."""

    def cancel(connection: Connection, job_id: str, now: datetime) -> bool:
        connection.execute(delete(t.queue).where(t.queue.c.job_id == job_id))
        connection.execute(
            update(t.jobs).where(t.jobs.c.id == job_id).values(state_kind="canceled", completed_time=now)
        )
        return True

    patch.setattr(jobs, "cancel", cancel)


def buffer_survives_a_retry(patch: pytest.MonkeyPatch) -> None:
    """What an attempt had scheduled before it failed is still in the buffer of the next one."""
    make, write, left = ScheduleBuffer.__init__, ScheduleBuffer.write, threading.local()

    def made(self: ScheduleBuffer, *args: Any, **kwargs: Any) -> None:
        make(self, *args, **kwargs)
        self._steps = left.steps = getattr(left, "steps", [])

    def written(self: ScheduleBuffer, connection: Connection, now: datetime) -> None:
        write(self, connection, now)
        left.steps = []

    patch.setattr(ScheduleBuffer, "__init__", made)
    patch.setattr(ScheduleBuffer, "write", written)


def savepoint_keeps_its_schedules(patch: pytest.MonkeyPatch) -> None:
    """A nested mutation that raises leaves behind what it scheduled."""
    patch.setattr(ScheduleBuffer, "undo_to", lambda self, mark: None)


def conflict_fails_the_job(patch: pytest.MonkeyPatch) -> None:
    """An internal error of a job counts as the developer's."""

    def fail(self: JobExecutor, claim: Claim, error: str, conflict: bool) -> str:
        self._finish(claim, Failure(error))
        return "failed"

    patch.setattr(JobExecutor, "_try_again", fail)


def lost_action_runs_again(patch: pytest.MonkeyPatch) -> None:
    """What a dead worker held is tried again, also an action that had started."""

    def recover_jobs(connection: Connection, worker: str, *rest: Any) -> tuple[list[Any], int]:
        held = select(t.queue.c.job_id).where(t.queue.c.worker == worker)
        connection.execute(update(t.jobs).where(t.jobs.c.id.in_(held)).values(state_kind="pending"))
        free = {"worker": None, "claim_token": None, "run_token": None}
        connection.execute(update(t.queue).where(t.queue.c.worker == worker).values(free))
        return [], 0

    patch.setattr(recovery, "recover_jobs", recover_jobs)


def orphan_runs(patch: pytest.MonkeyPatch) -> None:
    """What a canceled action schedules is pending."""
    patch.setattr(schedule, "is_canceled", lambda connection, job_id: False)


def claimed_before_its_time(patch: pytest.MonkeyPatch) -> None:
    """A job is claimed some seconds too early."""
    claim = jobs.claim

    def early(connection: Connection, kind: str, worker: str, now: datetime, *rest: Any) -> list[Claim]:
        return claim(connection, kind, worker, now + timedelta(seconds=4), *rest)

    patch.setattr(jobs, "claim", early)


def purged_too_early(patch: pytest.MonkeyPatch) -> None:
    """The retention purges jobs a day too early."""
    day, real = timedelta(days=1), retention.purge_jobs
    patch.setattr(
        retention, "purge_jobs", lambda c, end, after, before, limit: real(c, end, after, before + day, limit)
    )


def batch_commits_what_it_lost(patch: pytest.MonkeyPatch) -> None:
    """A transaction is committed although it does not hold one of its claims any more."""
    finish = jobs.finish

    def finish_each(connection: Connection, keys: Sequence[Claim | ClaimKey], *how: Any) -> bool:
        for key in keys:
            finish(connection, [key], *how)
        return True

    patch.setattr(transaction, "jobs", jobs_with(finish=finish_each))


def split_counts_as_done(patch: pytest.MonkeyPatch) -> None:
    """Jobs whose batch was rolled back by a later one end with a success, and do not run again."""
    split = JobExecutor._split

    def half_done(self: JobExecutor, batch: Batch, items: list[BatchItem], failure: TransactionFailed) -> None:
        if failure.index and failure.cause is None:
            before = [item.claim for item in items[: failure.index]]
            self._change(lambda connection, now: jobs.finish(connection, before, None, now))
            items, failure.index = items[failure.index :], 0
        split(self, batch, items, failure)

    patch.setattr(JobExecutor, "_split", half_done)


BUGS: list[Plant] = [
    finished_without_the_claim,
    finished_without_the_token,
    finished_in_another_transaction,
    started_without_a_record,
    canceled_without_a_guard,
    buffer_survives_a_retry,
    savepoint_keeps_its_schedules,
    conflict_fails_the_job,
    lost_action_runs_again,
    orphan_runs,
    claimed_before_its_time,
    purged_too_early,
    batch_commits_what_it_lost,
    split_counts_as_done,
]
