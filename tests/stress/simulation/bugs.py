"""Bugs that this engine could have had, each planted for the length of a test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, bindparam, delete, select, update

from convexpy.database import job_statements as sql
from convexpy.database import jobs
from convexpy.database import tables as t
from convexpy.database.claim import Claim, QueuePosition
from convexpy.database.statement import Statement
from convexpy.dispatch import recovery, retention
from convexpy.dispatch.batch import Batch, Member
from convexpy.dispatch.batch_runner import BatchRunner
from convexpy.dispatch.executor import Executor
from convexpy.runtime import call, schedule
from convexpy.runtime.call import Calls, Done
from convexpy.runtime.schedule import ScheduleBuffer
from convexpy.runtime.together import BatchFailed

Plant = Callable[[pytest.MonkeyPatch], None]


def taken_whoever_holds_it(patch: pytest.MonkeyPatch) -> None:
    """A mutation runs though its claim is not this worker's any more."""

    def take(connection: Connection, claim: Claim) -> bool:
        connection.execute(delete(t.queue).where(t.queue.c.job_id == claim.job_id))
        return True

    patch.setattr(jobs, "take", take)
    end = update(t.jobs).where(t.jobs.c.id == bindparam("of_job"))
    values = {"state_kind": bindparam("end"), "state_error": bindparam("error")}
    patch.setattr(sql, "END_TAKEN", Statement(end.values(values)))
    patch.setattr(jobs, "_remember_end", lambda *rest: None)


def finished_without_the_token(patch: pytest.MonkeyPatch) -> None:
    """An action that was given up writes down its end all the same."""

    def finish(connection: Connection, job_id: str, run_token: str, error: str | None, now: datetime) -> bool:
        connection.execute(delete(t.queue).where(t.queue.c.job_id == job_id))
        end = "success" if error is None else "failed"
        connection.execute(
            update(t.jobs).where(t.jobs.c.id == job_id).values(state_kind=end, state_error=error, completed_time=now)
        )
        return True

    patch.setattr(jobs, "finish_started", finish)


def completed_in_another_transaction(patch: pytest.MonkeyPatch) -> None:
    """What a scheduled mutation writes is committed first, and the end of its job after that."""
    attempt = Calls.attempt

    def in_two(self: Calls, called: Any, claim: Claim | None = None, on_late: Any = None) -> Done:
        done = attempt(self, called, None, on_late)
        if claim is not None:
            with self.database.write_internal() as connection:
                if not jobs.take(connection, claim):
                    raise call.JobLost
                jobs.finish_taken(connection, claim, None, self.clock.now())
        return done

    patch.setattr(Calls, "attempt", in_two)


def started_without_a_record(patch: pytest.MonkeyPatch) -> None:
    """That an action started is written down when it ends."""
    start, finish = Executor._start, Executor._finish

    def late(self: Executor, claim: Claim, token: str, error: str | None) -> bool:
        return start(self, claim, token) and finish(self, claim, token, error)

    patch.setattr(Executor, "_start", lambda self, claim, token: True)
    patch.setattr(Executor, "_finish", late)


def canceled_without_a_guard(patch: pytest.MonkeyPatch) -> None:
    """A cancel does not look whether the job is over."""

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

    def written(self: ScheduleBuffer, connection: Connection, now: datetime, claim: Any = None) -> None:
        write(self, connection, now, claim)
        left.steps = []

    patch.setattr(ScheduleBuffer, "__init__", made)
    patch.setattr(ScheduleBuffer, "write", written)


def savepoint_keeps_its_schedules(patch: pytest.MonkeyPatch) -> None:
    """A nested mutation that raises leaves behind what it scheduled."""
    patch.setattr(ScheduleBuffer, "undo_to", lambda self, mark: None)


def conflict_fails_the_job(patch: pytest.MonkeyPatch) -> None:
    """An internal error counts as the developer's."""
    patch.setattr(call, "raise_if_internal", lambda error, held: None)


def lost_action_runs_again(patch: pytest.MonkeyPatch) -> None:
    """What a dead worker held is tried again, also an action that had started."""

    def recover_jobs(connection: Connection, worker: str, *rest: Any) -> tuple[int, int]:
        held = select(t.queue.c.job_id).where(t.queue.c.worker == worker)
        connection.execute(update(t.jobs).where(t.jobs.c.id.in_(held)).values(state_kind="pending"))
        free = {"worker": None, "claim_token": None, "run_token": None}
        connection.execute(update(t.queue).where(t.queue.c.worker == worker).values(free))
        return 0, 0

    patch.setattr(recovery, "recover_jobs", recover_jobs)


def orphan_runs(patch: pytest.MonkeyPatch) -> None:
    """What a canceled action schedules is pending."""
    patch.setattr(schedule, "is_canceled", lambda connection, job_id: False)


def claimed_before_its_time(patch: pytest.MonkeyPatch) -> None:
    """A job is claimed some seconds too early."""
    claim = jobs.claim_jobs

    def early(
        connection: Connection, kind: str, worker: str, token: str, now: datetime, room: int, after: QueuePosition
    ) -> list[Claim]:
        return claim(connection, kind, worker, token, now + timedelta(seconds=4), room, after)

    patch.setattr(jobs, "claim_jobs", early)


def forgotten_at_once(patch: pytest.MonkeyPatch) -> None:
    """The purge looks a day too far."""
    day, real = timedelta(days=1), retention.purge_jobs
    patch.setattr(
        retention, "purge_jobs", lambda c, end, after, before, limit: real(c, end, after, before + day, limit)
    )


def group_commits_what_it_lost(patch: pytest.MonkeyPatch) -> None:
    """A group is committed although one of its claims is not this worker's any more."""
    finish = jobs.finish_all

    def finish_all(connection: Connection, claims: Sequence[Claim], now: datetime) -> bool:
        for claim in claims:
            finish(connection, [claim], now)
        return True

    patch.setattr(jobs, "finish_all", finish_all)


def fallen_apart_counts_as_done(patch: pytest.MonkeyPatch) -> None:
    """Whoever shared a transaction with one that raised is ended with a success, and does not run again."""
    part = BatchRunner._part

    def half_done(self: BatchRunner, company: Batch, begun: list[Member], apart: BatchFailed, tries: int) -> int:
        if apart.place and not apart.is_internal:
            calls, innocent = self._executor._calls, [member.claim for member in begun[: apart.place]]
            with calls.database.write_internal() as connection:
                jobs.finish_all(connection, innocent, calls.clock.now())
            begun, apart.place = begun[apart.place :], 0
        return part(self, company, begun, apart, tries)

    patch.setattr(BatchRunner, "_part", half_done)


BUGS: list[Plant] = [
    taken_whoever_holds_it,
    finished_without_the_token,
    completed_in_another_transaction,
    started_without_a_record,
    canceled_without_a_guard,
    buffer_survives_a_retry,
    savepoint_keeps_its_schedules,
    conflict_fails_the_job,
    lost_action_runs_again,
    orphan_runs,
    claimed_before_its_time,
    forgotten_at_once,
    group_commits_what_it_lost,
    fallen_apart_counts_as_done,
]
