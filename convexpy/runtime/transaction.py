"""The one way to run a mutation: direct calls, single jobs and batches are transactions of one call or of many.

A call and a commit are two things. A call is flushed when its handler has returned; the commit makes everything true.
So one commit serves several calls.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextvars import Context, copy_context
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, Final

from ..clock import Clock
from ..database import jobs, requests
from ..database.claim import Claim
from ..database.database import Database
from ..database.errors import is_conflict, is_internal
from ..database.read_set import ReadSet
from ..database.row_watch import RowWatch
from ..database.transaction import OpenTransaction
from ..errors import FunctionTimeout
from ..functions.load import App
from ..settings import Settings
from .admin import DASHBOARD_LIMIT
from .call import Call, CallResult
from .conflicts import CommittedTransaction, ConflictTracker
from .dry_run import DryRun
from .handler import TimeLimit
from .live_run import LivePart, LiveRun, broke, leave
from .repeats import digest_of, kept_result, result_bytes
from .schedule import Limits, ScheduleBuffer
from .session import CallTransaction
from .tracing import JobSpans

# Whatever waits for a shared transaction, a direct call among it, waits for about so long.
BATCH_SECONDS: Final = 0.02

Invoke = Callable[[Call, CallTransaction], Any]
ClaimedCall = tuple[Call, Claim | None]


class JobLost(Exception):
    """A job that a transaction has run is no longer held by this worker: it was canceled, or another worker has it."""


class NotBatchable(Exception):
    """A call read the jobs, or changed something for its whole transaction: it must not share one."""


class TransactionFailed(Exception):
    """Nothing of a transaction was committed.

    Attributes:
        error: What was raised.
        cause: The database's error behind it. None: the call is to blame, or the job is lost.
        index: The call whose handler ran, counted from 0. None: it happened before or after all of them.
    """

    def __init__(self, error: BaseException, transaction: OpenTransaction | None, index: int | None) -> None:
        super().__init__(error)
        self.error = error
        self.cause = internal_cause(error, transaction)
        self.index = index

    @property
    def is_conflict(self) -> bool:
        """Whether another transaction is to blame."""
        return self.cause is not None and is_conflict(self.cause)


class TransactionRunner:
    """Runs calls of queries and mutations in transactions."""

    batch_seconds: float = BATCH_SECONDS

    def __init__(
        self,
        database: Database,
        settings: Settings,
        clock: Clock,
        app: Callable[[], App],
        invoke: Invoke,
        job_spans: JobSpans,
    ) -> None:
        """``invoke`` runs the handler of a call within its part of the transaction."""
        self._job_spans = job_spans
        # Makes the context variables of a job's run.
        self.new_context: Callable[[], Context] = Context
        self.conflicts = ConflictTracker(database, settings, clock)
        self._database = database
        self._app = app
        self._settings = settings
        self._clock = clock
        self._invoke = invoke

    def run_transaction(
        self,
        first: ClaimedCall,
        rest: Iterable[ClaimedCall] | None = None,
        on_expire: Callable[[], None] | None = None,
    ) -> list[CallResult]:
        """Run calls of mutations one after the other and commit them, together with the ends of their jobs.

        A direct call, a single job and a batch are all this: one call or many, each with or without a claim.

        Args:
            first: A call, and the claim of the job that it runs for, if it does.
            rest: Calls that share the transaction. Each is taken when its turn comes, until the time of a batch is
                over; what is not taken was not run. None: the first call is alone, and its claim is locked before its
                handler runs, so that a canceled job does not even begin.
            on_expire: Called from another thread if a handler runs past its time limit.

        Raises:
            TransactionFailed: None of them has happened.
        """
        transaction: OpenTransaction | None = None
        results: list[CallResult] = []
        claims: list[Claim] = []
        index: int | None = None
        began = self._clock.now()  # from now on it may wait for the write lock
        try:
            with self._database.write(logged=first[1] is None) as transaction:
                began, until = self._clock.now(), time.monotonic() + self.batch_seconds
                transaction.changes.began = began
                if rest is None and first[1] is not None and not jobs.lock(transaction.connection, first[1]):
                    raise JobLost
                for index, (call, claim) in enumerate(chain((first,), rest or ())):
                    results.append(self._run(call, transaction, claim, on_expire))
                    if claim is not None:
                        claims.append(claim)
                    if transaction.not_batchable and index:
                        raise NotBatchable(f"{call.function.name} has to be alone in its transaction")
                    if transaction.not_batchable or time.monotonic() >= until:
                        break
                index = None
                if claims and not jobs.finish(transaction.connection, claims, None, self._clock.now()):
                    raise JobLost
                if (watch := first[0].commit_watch) is not None:
                    transaction.changes.then = watch.committed
                    watch.begins()
                transaction.commit()
        except BaseException as error:
            failed = TransactionFailed(error, transaction, index)
            statements = transaction.changes.statements if transaction else {first[0].function.name: set()}
            self.conflicts.failed(
                error, failed.cause, statements, began, first[0].job if len(statements) == 1 else None
            )
            raise failed from error
        self.conflicts.recent.append(CommittedTransaction(transaction.changes.statements, began, self._clock.now()))
        return results

    def run_query(self, call: Call) -> Any:
        """Run a query on one snapshot.

        Raises:
            TransactionFailed: With the error of the query, or of the database.
        """
        transaction: OpenTransaction | None = None
        try:
            with self._database.read() as transaction:
                part = CallTransaction(self._database, self._app(), transaction, self._clock)
                try:
                    result = self._handle(call, part, self._query_limit(call), None, copy_context())
                    part.flush()
                    return result
                finally:
                    part.close()
        except BaseException as error:
            raise TransactionFailed(error, transaction, 0) from error

    def run_dry(self, call: Call) -> DryRun:
        """Run a mutation to the end, but for its COMMIT: what it did is rolled back.

        Raises:
            TransactionFailed: The database failed, and not the mutation.
        """
        transaction: OpenTransaction | None = None
        try:
            with self._database.write() as transaction:
                transaction.leaves_state = True  # no other call gets a connection that was watched
                transaction.begin_call(call.function.name)
                watch = RowWatch(transaction)
                with watch.watching():
                    part = self._new_part(call, transaction, finishes_job=False)
                    run, began = DryRun(part.began), time.perf_counter()
                    try:
                        run.value = self._handle(
                            call, part, self._settings.mutation_time_limit, None, self.new_context()
                        )
                        part.flush()
                        run.end(part.buffer, watch, time.perf_counter() - began)
                    except Exception as error:
                        if internal_cause(error, transaction) is not None:
                            raise
                        run.fail(error, watch, time.perf_counter() - began)
                    finally:
                        part.close()
                return run
        except BaseException as error:
            raise TransactionFailed(error, transaction, 0) from error

    def run_live(self, call: Call, transaction: OpenTransaction) -> LiveRun:
        """Run a query in a snapshot that others share, note what it depends on, and undo what it has left.

        Raises:
            TransactionFailed: The database failed, and not the query.
        """
        transaction.reads = ReadSet()
        part = LivePart(self._database, self._app(), transaction, self._clock, call)
        run = LiveRun(transaction.reads, part.dependencies)
        began = time.perf_counter()
        try:
            try:
                run.value = self._handle(call, part, self._query_limit(call), None, self.new_context())
                part.flush()
            finally:
                transaction.runs_handler = False
                part.close()
        except BaseException as error:
            run.error = error
        run.seconds = time.perf_counter() - began
        run.journal = part.end_of_page(call)
        if run.error is not None and broke(transaction, run.error):
            raise TransactionFailed(run.error, transaction, 0) from run.error
        leave(transaction, run)
        return run

    def _query_limit(self, call: Call) -> timedelta:
        limit = self._settings.query_time_limit
        return min(limit, DASHBOARD_LIMIT) if call.is_watching else limit

    def _run(
        self, call: Call, transaction: OpenTransaction, claim: Claim | None, on_expire: Callable[[], None] | None
    ) -> CallResult:
        """Run a mutation and send everything to the database, ready for COMMIT. A repeated request finds its result."""
        transaction.begin_call(call.function.name)
        if call.request_key is None:
            return self._run_handler(call, transaction, claim, on_expire)
        connection = transaction.connection
        request = requests.begin_request(connection, call.request_key, digest_of(call), self._clock.now())
        if isinstance(request, requests.AnsweredRequest):
            return CallResult(kept_result(call, request), is_replay=True)
        result = self._run_handler(call, transaction, claim, on_expire)
        requests.keep_result(connection, request, result_bytes(call, result.value))
        return result

    def _run_handler(
        self, call: Call, transaction: OpenTransaction, claim: Claim | None, on_expire: Callable[[], None] | None
    ) -> CallResult:
        began = time.monotonic()
        part = self._new_part(call, transaction, finishes_job=claim is not None)
        try:
            context = copy_context() if claim is None else self.new_context()
            if claim is not None:
                self._job_spans.begin(call, context)
            value = self._handle(call, part, self._settings.mutation_time_limit, on_expire, context)
            part.flush()
        finally:
            part.close()
        return CallResult(value, part.scheduled(), time.monotonic() - began)

    def _new_part(self, call: Call, transaction: OpenTransaction, *, finishes_job: bool) -> CallTransaction:
        app = self._app()

        def new_buffer(now: datetime) -> ScheduleBuffer:
            limits = Limits(self._settings)
            return ScheduleBuffer(app.registry, self._database.new_job_id, now, limits, call, finishes_job)

        return CallTransaction(self._database, app, transaction, self._clock, new_buffer)

    def _handle(
        self,
        call: Call,
        part: CallTransaction,
        limit: timedelta,
        on_expire: Callable[[], None] | None,
        context: Context,
    ) -> Any:
        watched = TimeLimit(self._database.timer, part.transaction, limit.total_seconds(), on_expire)
        return watched.run(lambda: context.run(self._invoke, call, part))


def internal_cause(error: BaseException, transaction: OpenTransaction | None) -> BaseException | None:
    """The error of the database behind an error, also behind one that the handler made of it; None if there is none."""
    if isinstance(error, FunctionTimeout | JobLost | NotBatchable):
        return None
    cause = transaction.internal_error if transaction is not None else None
    return error if cause is None and is_internal(error) else cause
