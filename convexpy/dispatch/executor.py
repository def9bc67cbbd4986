"""Run one claimed job to its end: mutations exactly once, actions at most once."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import Connection

from ..database import jobs
from ..database.claim import Claim
from ..database.errors import is_conflict, is_internal
from ..database.transaction import Sync
from ..errors import FunctionNotFound, InvalidSchedule
from ..functions.declare import Kind
from ..runtime.actions import in_thread
from ..runtime.call import Call, Done, InternalFault
from ..runtime.events import Job, Outcome, Run, describe
from ..runtime.runtime import Runtime
from ..runtime.transaction import JobLost
from .unknown_functions import UnknownFunctions

logger = logging.getLogger("convexpy.dispatch")
T = TypeVar("T")

STOPPED = "the process was stopped before this action finished. It may have run in part; actions are never run again"


class Executor:
    """Runs claims, and tells the observers what became of each."""

    def __init__(self, runtime: Runtime, strangers: UnknownFunctions) -> None:
        self._runtime = runtime
        self._calls = runtime.calls
        self._strangers = strangers
        self.start()

    def start(self) -> None:
        """Nobody is about to leave, or no longer."""
        self._stopping = False
        # Set when the grace is over: whatever is cancelled from then on was cancelled by us.
        self.is_leaving = False

    def exactly_once(
        self, claim: Claim, on_late: Callable[[], None] | None = None, *, maybe_done: bool = False
    ) -> Outcome:
        """Run a mutation. Its writes, its schedules and the end of its job commit together, or none of them does.

        ``maybe_done``: it was part of a COMMIT whose answer was lost.
        """
        report = Report(self._runtime, claim)
        try:
            call = self._call(claim, Kind.MUTATION)
            if call is not None:
                report.tell("success", done=self._calls.attempt(call, claim, on_late))
        except JobLost:
            report.tell("success" if maybe_done and self.insist(lambda: self._has_succeeded(claim)) else "lost")
        except InternalFault as fault:
            text, conflict = describe(fault.cause), is_conflict(fault.cause)
            report.tell(self.insist(lambda: self._try_again(claim, text, conflict)), text)
        except BaseException as error:
            self._end_badly(claim, error, report)
        return report.outcome

    def committed_together(self, ran: Sequence[tuple[Claim, float]], done: Sequence[Done]) -> None:
        """Say how the mutations of one transaction went, which took so many seconds each."""
        if self._runtime.observers.are_there:
            now = self._calls.clock.now()
            runs = [
                run_of(claim, now - timedelta(seconds=seconds), seconds, "success", done=each)
                for (claim, seconds), each in zip(ran, done, strict=True)
            ]
            self._runtime.observers.tell(*runs)

    async def at_most_once(self, claim: Claim) -> None:
        """Run an action. That it started is on the disk before its first line runs, so it never starts again."""
        report = Report(self._runtime, claim)
        token = jobs.new_token()
        threads = self._runtime.actions.database_threads
        call = await in_thread(threads, lambda: self._started(claim, token, report))
        if call is None:
            return
        done, error = Done(None), None
        try:
            done = await self._runtime.actions.run_async(call)
        except BaseException as raised:
            was_stopped = isinstance(raised, asyncio.CancelledError) and self.is_leaving
            error = STOPPED if was_stopped else describe(raised)
        kept = await in_thread(threads, lambda: self.insist(lambda: self._finish(claim, token, error)))
        report.tell("canceled" if not kept else "failed" if error else "success", error, done)

    def give_up(self, claim: Claim) -> None:
        """Fail a mutation whose handler hangs for ever. Should it come back, it finds its job gone."""
        text = f"TIMEOUT: {claim.name} ran past its time limit and could not be interrupted, so nothing was written"
        if self.insist(lambda: self._fail(claim, text)):
            Report(self._runtime, claim).tell("failed", text)

    def call_of(self, claim: Claim, kind: Kind) -> Call | None:
        """The call that a claim asks for. None if its function is of another kind by now."""
        function = self._calls.registry.find(claim.name)
        if function.kind is Kind.QUERY:
            raise InvalidSchedule(f"{claim.name} is a query by now, and a query cannot be a job")
        if function.kind is not kind:
            return None
        values = function.arguments.load(function.name, claim.args)
        return Call(function, values, job=Job(claim.job_id, claim.attempt))

    def _call(self, claim: Claim, kind: Kind) -> Call | None:
        """The same. A job of another kind goes back as that."""
        call = self.call_of(claim, kind)
        if call is None:
            kind_now = self._calls.registry.find(claim.name).kind
            self.insist(lambda: self._change(lambda c, now: jobs.correct_kind(c, claim, kind_now)))
            self._calls.feed.announce()
        return call

    def _started(self, claim: Claim, token: str, report: Report) -> Call | None:
        """Check the action and mark it as started. None: it must not run."""
        try:
            call = self._call(claim, Kind.ACTION)
        except Exception as error:
            self._end_badly(claim, error, report)
            return None
        if call is None or self.insist(lambda: self._start(claim, token)):
            return call
        report.tell("lost")
        return None

    def _end_badly(self, claim: Claim, error: BaseException, report: Report) -> None:
        """Fail a job, unless its function is unknown here and another worker may know it."""
        text = describe(error)
        if isinstance(error, FunctionNotFound) and self.insist(lambda: self._strangers.leave(claim, text)):
            report.tell("retry", text)
            return
        kept = self.insist(lambda: self._fail(claim, text))
        report.tell("failed" if kept else "lost", text)

    def _start(self, claim: Claim, token: str) -> bool:
        # On the disk whatever the settings say: forgotten in a power cut, the action would start a second time.
        return self._change(lambda connection, now: jobs.start(connection, claim, token, now), sync="always")

    def _finish(self, claim: Claim, token: str, error: str | None) -> bool:
        return self._change(lambda connection, now: jobs.finish_started(connection, claim.job_id, token, error, now))

    def _fail(self, claim: Claim, error: str) -> bool:
        def fail(connection: Connection, now: datetime) -> bool:
            if jobs.take(connection, claim):
                return jobs.finish_taken(connection, claim, error, now)
            return jobs.has_ended(connection, claim.job_id, error)

        return self._change(fail)

    def _try_again(self, claim: Claim, error: str, conflict: bool) -> Outcome:
        """Give a job back after an internal error; or find that it had been committed, and only the answer was lost."""
        wait = self._calls.settings.backoff(claim.attempt, conflict=conflict)

        def release(connection: Connection, now: datetime) -> Outcome:
            if jobs.release(connection, claim, error, now + wait):
                return "retry"
            return "success" if jobs.has_ended(connection, claim.job_id, None) else "lost"

        outcome = self._change(release)
        self._calls.feed.announce()
        return outcome

    def _has_succeeded(self, claim: Claim) -> bool:
        return self._change(lambda connection, now: jobs.has_ended(connection, claim.job_id, None))

    def _change(self, change: Callable[..., T], sync: Sync = "as set") -> T:
        now: datetime = self._calls.clock.now()
        with self._calls.database.write_internal(sync=sync) as connection:
            return change(connection, now)

    def insist(self, work: Callable[[], T]) -> T:
        """Write down what became of a job, again and again while the database fails, until the process stops."""
        tries = 0
        while True:
            try:
                return work()
            except Exception as error:
                if self._stopping or not is_internal(error):
                    raise
                tries += 1
                wait = self._calls.settings.backoff(tries).total_seconds()
                logger.warning("the database failed and is tried again in %.1f s: %s", wait, error)
                self._calls.clock.sleep(wait)

    def stop(self) -> None:
        self._stopping = True


class Report:
    """Tells the observers how a job's run went."""

    def __init__(self, runtime: Runtime, claim: Claim) -> None:
        self._runtime = runtime
        self._claim = claim
        self._started = runtime.calls.clock.now()
        self._from = time.perf_counter()
        self.outcome: Outcome = "lost"

    def tell(self, outcome: Outcome, error: str | None = None, done: Done | None = None) -> None:
        self.outcome = outcome
        if self._runtime.observers.are_there:
            seconds = time.perf_counter() - self._from
            self._runtime.observers.tell(run_of(self._claim, self._started, seconds, outcome, error, done))


def run_of(
    claim: Claim,
    started: datetime,
    seconds: float,
    outcome: Outcome,
    error: str | None = None,
    done: Done | None = None,
) -> Run:
    """The run of a claim as the observers are told of it."""
    return Run(
        name=claim.name,
        kind=Kind(claim.kind),
        started=started,
        seconds=seconds,
        outcome=outcome,
        error=error,
        job=Job(claim.job_id, claim.attempt),
        cron=claim.cron,
        scheduled=done.scheduled if done else (),
    )
