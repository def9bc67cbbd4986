"""Run claimed jobs to their end: mutations exactly once, in batches where that may be; actions at most once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeVar

from sqlalchemy import Connection

from ..database import jobs
from ..database.attempts import Attempt, AttemptOutcome, add_attempt
from ..database.claim import Claim, ClaimKey
from ..database.errors import is_internal
from ..database.outage import Outage
from ..database.transaction import Sync
from ..errors import FunctionNotFound, FunctionTimeout, InvalidSchedule
from ..functions.declare import Kind
from ..runtime.actions import in_thread
from ..runtime.call import Call, CallResult
from ..runtime.call_executor import CallExecutor
from ..runtime.concurrency import BATCH
from ..runtime.events import Failure, Job, Outcome, RunRecorder
from ..runtime.tracing import is_traced
from ..runtime.transaction import JobLost, NotBatchable, TransactionFailed
from .batch import Batch, BatchItem
from .batch_policy import BatchPolicy
from .unknown_functions import UnknownFunctions

T = TypeVar("T")

STOPPED: Final = (
    "the process was stopped before this action finished. It may have run in part; actions are never run again"
)
# After so many conflicts in a row, the mutations of a batch run one by one.
MOST_CONFLICTS: Final = 3


class JobExecutor:
    """Runs claims, and reports each run."""

    def __init__(self, calls: CallExecutor, unknown: UnknownFunctions, outage: Outage | None = None) -> None:
        self.policy = BatchPolicy()
        self._calls = calls
        self._unknown = unknown
        self._outage = outage or Outage()
        self.start()

    def start(self) -> None:
        self._stopping = False
        # Set when the grace is over: an action that is canceled from then on is canceled by the stop.
        self.is_leaving = False

    def stop(self) -> None:
        """Give up what the database refuses to store from now on."""
        self._stopping = True

    # A mutation: perform, execute, finalize.

    def perform(self, batch: Batch, on_end: Callable[[Sequence[Claim]], None] = lambda claims: None) -> None:
        """Run every mutation of a batch to its end. ``on_end`` is called with claims that are done with."""
        while (item := batch.begin()) is not None:
            call = self._call(item.claim, Kind.MUTATION, self._recorder(item.claim, item.began))
            outcome = self._execute(batch, item, call) if call is not None else None
            if batch.is_abandoned:
                return
            on_end(self._finalize(batch, batch.end(), outcome))

    def _execute(self, batch: Batch, item: BatchItem, call: Call) -> list[CallResult] | TransactionFailed:
        """Run a mutation in a transaction, alone or with those that follow in the batch."""
        item.shares = not item.alone and self.policy.may_share(item.claim.name)
        key = BATCH if item.shares or item.met_conflicts else item.claim.name
        rest = self._rest(batch) if item.shares else None
        try:
            with self._calls.limiter.hold(key):
                return self._calls.transactions.run_transaction((call, item.claim), rest, batch.expire)
        except TransactionFailed as failed:
            return failed

    def _finalize(
        self, batch: Batch, items: list[BatchItem], outcome: list[CallResult] | TransactionFailed | None
    ) -> list[Claim]:
        """Store what became of them, or let them run again. The claims that are done with."""
        if isinstance(outcome, TransactionFailed):
            if outcome.is_conflict and items[0].shares and batch.conflicts < MOST_CONFLICTS:
                batch.conflicts += 1
                self._calls.limiter.met_conflict(BATCH)
                batch.again(items)
                return []
            batch.conflicts = 0
            if len(items) > 1:
                self._split(batch, items, outcome)
                return []
            self._failed(items[0], outcome)
        elif outcome is not None:
            batch.conflicts = 0
            self._succeeded(items, outcome)
        return [item.claim for item in items]

    def _rest(self, batch: Batch) -> Iterator[tuple[Call, Claim]]:
        """The calls that share the transaction of the first, until one comes that has to be alone."""
        while (following := batch.first()) is not None:
            if following.alone or not self.policy.may_share(following.claim.name):
                return
            try:
                call = self._call_of(following.claim, Kind.MUTATION)
            except Exception:
                return  # it comes first in the next transaction, and is refused there
            if call is None or (item := batch.begin()) is None:
                return
            yield call, item.claim

    def _succeeded(self, items: list[BatchItem], results: list[CallResult]) -> None:
        shared, runs = len(items) > 1, []
        for item, result in zip(items, results, strict=True):
            self.policy.succeeded(item.claim.name, result.seconds, shared=shared)
            if self._calls.listeners.exist():
                seconds, recorder = result.seconds if shared else None, self._recorder(item.claim, item.began)
                runs.append(recorder.run("success", scheduled=result.scheduled, seconds=seconds))
        if runs:
            self._calls.listeners.notify(*runs)

    def _failed(self, item: BatchItem, failure: TransactionFailed) -> None:
        """A mutation that ran alone has not happened: it fails by an error of its own, else it is tried again."""
        claim, recorder = item.claim, self._recorder(item.claim, item.began)
        self.policy.failed(claim.name, recorder.seconds())
        if isinstance(failure.error, JobLost):
            # The COMMIT whose answer was lost may have been the one that ended it.
            has_happened = item.maybe_done and self.insist(lambda: self._has_succeeded(claim))
            recorder.report("success" if has_happened else "lost")
        elif failure.cause is not None:
            if failure.is_conflict:
                self._calls.limiter.met_conflict(claim.name)
            why = Failure.of(failure.cause)
            outcome: AttemptOutcome = "conflict" if failure.is_conflict else "error"
            began, seconds = self._calls.clock.now(), recorder.seconds()
            attempt = Attempt(
                claim.job_id, claim.attempt, began - timedelta(seconds=seconds), seconds, outcome, why.text
            )
            recorder.report(self.insist(lambda: self._try_again(claim, attempt)), why)
        else:
            self._fail(claim, failure.error, recorder)

    def _split(self, batch: Batch, items: list[BatchItem], failure: TransactionFailed) -> None:
        """Nothing of a batch has happened: the call to blame comes last and alone, the others go again together."""
        if failure.index is not None and failure.cause is None:
            failed = items.pop(failure.index)
            failed.alone = True
            if isinstance(failure.error, NotBatchable):
                self.policy.never_share(failed.claim.name)
            batch.later(failed)
        else:  # conflicts, a lost claim, a refused COMMIT, a broken connection: each alone
            for item in items:
                item.alone = True
                item.met_conflicts = failure.is_conflict
                item.maybe_done = failure.cause is not None and not failure.is_conflict
        batch.again(items)

    def give_up(self, claim: Claim) -> None:
        """Fail a mutation whose handler hangs. Should it come back, it finds its job gone."""
        text = f"{claim.name} ran past its time limit and could not be interrupted, so nothing was written"
        why, recorder = Failure.of(FunctionTimeout(text)), self._recorder(claim)
        if self.insist(lambda: self._finish(claim, why)):
            recorder.report("failed", why)

    # An action: start, run, finish.

    async def run_action(self, claim: Claim) -> None:
        """Run an action. That it started is on the disk before its first line runs, so it never starts again."""
        recorder = self._recorder(claim)
        run = ClaimKey(claim.job_id, jobs.new_token())
        threads = self._calls.actions.database_threads
        call = await in_thread(threads, lambda: self._started(claim, run.token, recorder))
        if call is None:
            return
        result, why, context = CallResult(None), None, self._calls.transactions.new_context()
        if is_traced():
            await in_thread(threads, lambda: self._calls.job_spans.begin(call, context))
        try:
            result = await self._calls.actions.run_async(call, context)
        except BaseException as raised:
            was_stopped = isinstance(raised, asyncio.CancelledError) and self.is_leaving
            why = Failure(STOPPED, raised) if was_stopped else Failure.of(raised)
        kept = await in_thread(threads, lambda: self.insist(lambda: self._finish(run, why)))
        recorder.report("canceled" if not kept else "failed" if why else "success", why, result.scheduled)

    def _started(self, claim: Claim, run_token: str, recorder: RunRecorder) -> Call | None:
        """Check the action and mark it as started. None: it must not run."""
        call = self._call(claim, Kind.ACTION, recorder)
        if call is None or self.insist(lambda: self._start(claim, run_token)):
            return call
        recorder.report("lost")
        return None

    def _start(self, claim: Claim, run_token: str) -> bool:
        # On the disk whatever the settings say: forgotten in a power cut, the action would start a second time.
        return self._change(lambda connection, now: jobs.start(connection, claim, run_token, now), sync="always")

    # What both need.

    def _call(self, claim: Claim, kind: Kind, recorder: RunRecorder) -> Call | None:
        """The call that a claim asks for. None: it cannot be made, and the job was failed or given back."""
        try:
            call = self._call_of(claim, kind)
        except Exception as error:
            self._fail(claim, error, recorder)
            return None
        if call is None:
            kind_now = self._calls.registry.find(claim.name).kind
            self.insist(lambda: self._change(lambda connection, _: jobs.correct_kind(connection, claim, kind_now)))
        return call

    def _call_of(self, claim: Claim, kind: Kind) -> Call | None:
        """The call that a claim asks for. None if its function is of another kind by now."""
        function = self._calls.registry.find(claim.name)
        if function.kind is Kind.QUERY:
            raise InvalidSchedule(f"{claim.name} is a query by now, and a query cannot be a job")
        if function.kind is not kind:
            return None
        values = function.arguments.load(function.name, claim.args)
        return Call(function, values, job=Job(claim.job_id, claim.attempt))

    def _fail(self, claim: Claim, error: BaseException, recorder: RunRecorder) -> None:
        """Fail a job, unless its function is unknown here and another worker may know it."""
        why = Failure.of(error)
        if isinstance(error, FunctionNotFound) and self.insist(lambda: self._unknown.leave(claim)):
            recorder.report("retry", why)
            return
        self._store_failure(claim, why, recorder)

    def fail_unknown(self, claim: Claim) -> None:
        """Fail a job whose function no worker has known for long."""
        try:
            self._calls.registry.find(claim.name)
        except FunctionNotFound as error:
            self._store_failure(claim, Failure.of(error), self._recorder(claim))
        else:  # another version of the app has been loaded meanwhile
            self.insist(lambda: self._change(lambda connection, _: jobs.unclaim(connection, [claim])))

    def _store_failure(self, claim: Claim, why: Failure, recorder: RunRecorder) -> None:
        began = self._calls.clock.now() - timedelta(seconds=recorder.seconds())
        kept = self.insist(lambda: self._finish(claim, why, began))
        recorder.report("failed" if kept else "lost", why)

    def _finish(self, key: Claim | ClaimKey, why: Failure | None, began: datetime | None = None) -> bool:
        """End a job outside of its own transaction. True as well if it has ended like this: an answer may be lost.

        ``began``: of a mutation, when it did.
        """

        error, trace = (why.text, why.trace) if why is not None else (None, None)

        def finish(connection: Connection, now: datetime) -> bool:
            jobs.changes_of(connection).began = began
            return jobs.finish(connection, [key], error, now, trace) or jobs.has_ended(connection, key.job_id, error)

        return self._change(finish)

    def _try_again(self, claim: Claim, attempt: Attempt) -> Outcome:
        """Give a job back after an internal error; or find that it had been committed, and only the answer was lost."""
        wait = self._calls.settings.backoff(claim.attempt, conflict=attempt.outcome == "conflict")

        def release(connection: Connection, now: datetime) -> Outcome:
            if jobs.release(connection, claim, claim.kind, attempt.error or "", now + wait):
                add_attempt(connection, attempt)
                return "retry"
            return "success" if jobs.has_ended(connection, claim.job_id, None) else "lost"

        return self._change(release)

    def _has_succeeded(self, claim: Claim) -> bool:
        return self._change(lambda connection, _: jobs.has_ended(connection, claim.job_id, None))

    def _change(self, change: Callable[[Connection, datetime], T], sync: Sync = "as set") -> T:
        now = self._calls.clock.now()
        with self._calls.database.write_internal(sync=sync) as connection:
            return change(connection, now)

    def insist(self, work: Callable[[], T]) -> T:
        """Store what became of a job, again and again while the database fails, until the process stops."""
        attempts = 0
        while True:
            try:
                return work()
            except Exception as error:
                if self._stopping or not is_internal(error):
                    raise
                attempts += 1
                wait = self._calls.settings.backoff(attempts).total_seconds()
                self._outage.failed(f"the end of a job is stored in {wait:.1f} s", error)
                self._calls.clock.sleep(wait)

    def _recorder(self, claim: Claim, began: float | None = None) -> RunRecorder:
        job, listeners, clock = Job(claim.job_id, claim.attempt), self._calls.listeners, self._calls.clock
        return RunRecorder(listeners, clock, claim.name, Kind(claim.kind), job, claim.cron, began)
