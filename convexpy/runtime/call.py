"""A call of a query or a mutation, from its checked arguments to its commit."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from typing import Any, Final, TypeVar

from ..clock import Clock
from ..database import jobs
from ..database.claim import Claim
from ..database.commits import CommitFeed
from ..database.database import Database
from ..database.errors import is_conflict, is_internal
from ..database.transaction import OpenTransaction
from ..errors import CallNotAllowed, FunctionTimeout, InternalError, WriteConflict
from ..functions.declare import Kind
from ..functions.load import App
from ..functions.registry import AnyFunction, Registry
from ..settings import Settings
from .conflicts import Conflicts
from .context import Context, MutationCtx, QueryCtx, Schedule
from .events import Job, Scheduled
from .identity import Identity
from .lanes import Lanes
from .middleware import invoke
from .own_claims import NoPlaces, OwnClaims, Places
from .schedule import Limits, ScheduleBuffer
from .time_limit import Deadlines
from .transaction import JobLost, Transaction

T = TypeVar("T")
FinishJob = Callable[[], bool]

# Of these there need not be a copy.
UNCHANGEABLE: Final = frozenset({str, int, float, bool, bytes, datetime, type(None)})
# Somebody waits for a direct call.
LONGEST_PAUSE: Final = timedelta(seconds=1)


class InternalFault(Exception):
    """The database failed, not the function: the whole call may be run again."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.cause = cause


@dataclass(frozen=True)
class Call:
    """One function, with its checked arguments, on behalf of somebody or of a job."""

    function: AnyFunction
    values: dict[str, Any]
    identity: Identity | None = None
    job: Job | None = None
    as_json: bool = False

    def result(self, checked: Any) -> Any:
        """The result in the form that the caller asked for."""
        return self.function.result.to_json(self.function.name, checked) if self.as_json else checked


@dataclass(frozen=True)
class Done:
    """A call that has committed."""

    result: Any
    scheduled: tuple[Scheduled, ...] = ()


class Calls:
    """Runs queries and mutations; knows who may call whom."""

    def __init__(self, database: Database, app: App, settings: Settings, clock: Clock, feed: CommitFeed) -> None:
        self.database = database
        self.app = app
        self.settings = settings
        self.clock = clock
        self.feed = feed
        self.deadlines = Deadlines()
        self.conflicts = Conflicts(database, settings, clock)
        self.lanes = Lanes(settings.lock_timeout.total_seconds())
        self.places: Places = NoPlaces()

    @property
    def registry(self) -> Registry:
        """The app's functions."""
        return self.app.registry

    def bind(
        self, target: object, args: tuple[Any, ...], kwargs: dict[str, Any], identity: Identity | None, job: Job | None
    ) -> Call:
        """A call from Python code, its arguments checked."""
        function = self.registry.find(target)
        return Call(function, function.arguments.bind(function.name, args, kwargs), identity, job)

    def query(self, call: Call) -> Any:
        """Run a query on one snapshot; once more if the database failed."""
        return self._with_retries(call.function.name, lambda: self._read(fresh(call)))

    def mutation(self, call: Call) -> Done:
        """Run a mutation and commit it; the whole of it again, on a fresh snapshot, if the database failed.

        Raises:
            WriteConflict: Other transactions were in the way at every try.
            InternalError: The database failed at every try.
        """
        return self._with_retries(call.function.name, lambda: self.attempt(fresh(call)))

    def attempt(self, call: Call, claim: Claim | None = None, on_late: Callable[[], None] | None = None) -> Done:
        """Run a mutation once, in one transaction; with a claim, its job ends in that same transaction.

        ``on_late`` is called from another thread if the handler runs past its time limit.

        Raises:
            JobLost: The job is not this worker's any more.
            InternalFault: The database failed.
        """
        held: OpenTransaction | None = None
        own_claims = OwnClaims(self.places)
        trying = self.conflicts.trying(call.function.name)
        try:
            with self.lanes.pass_through(call.function.name), self.database.write(logged=claim is None) as held:
                trying.holds(held)
                if claim is not None and not jobs.take(held.connection, claim):
                    raise JobLost
                done = self.settle(call, held, own_claims, self._end_of(claim, held), on_late)
                held.commit()
                own_claims.tell(len(done.scheduled), partial(self.feed.announce, held))
        except BaseException as error:
            own_claims.undone(maybe=is_maybe_committed(error, held))
            trying.failed(error, held)
            self._raise_if_internal(call, error, held)
            raise
        trying.committed()
        own_claims.enter()
        return done

    def _end_of(self, claim: Claim | None, held: OpenTransaction) -> FinishJob | None:
        """What ends the job of a claim in the transaction that has taken it."""
        if claim is None:
            return None
        return lambda: jobs.finish_taken(held.connection, claim, None, self.clock.now())

    def settle(
        self,
        call: Call,
        held: OpenTransaction,
        own_claims: OwnClaims,
        finish_job: FinishJob | None,
        on_late: Callable[[], None] | None = None,
    ) -> Done:
        """Run the handler and send everything to the database, ready for COMMIT.

        Args:
            own_claims: Claims what it schedules, where this process has a place for it.
            finish_job: Ends the job that the call runs for, in the same transaction.
        """
        now = self.clock.now()
        limits, ends_a_job = Limits(self.settings), finish_job is not None
        buffer = ScheduleBuffer(self.registry, self.database.new_job_id, now, limits, call.job, ends_a_job)
        transaction = Transaction(self.database, self.app, held, self.clock, now, buffer)
        try:
            limit = self.settings.mutation_time_limit.total_seconds()
            result = self.deadlines.run(lambda: call.result(self._run(call, transaction)), held, limit, on_late)
            transaction.settle(finish_job, own_claims.claim)
        finally:
            transaction.close()
        return Done(result, buffer.scheduled())

    def _raise_if_internal(self, call: Call, error: BaseException, held: OpenTransaction | None) -> None:
        try:
            raise_if_internal(error, held)
        except InternalFault as fault:
            if is_conflict(fault.cause):
                self.lanes.conflict(call.function.name)
            raise

    def _read(self, call: Call) -> Any:
        held: OpenTransaction | None = None
        try:
            with self.database.read() as held:
                transaction = Transaction(self.database, self.app, held, self.clock, self.clock.now(), None)
                try:
                    limit = self.settings.query_time_limit.total_seconds()
                    result = self.deadlines.run(lambda: call.result(self._run(call, transaction)), held, limit)
                    transaction.settle()
                    return result
                finally:
                    transaction.close()
        except BaseException as error:
            raise_if_internal(error, held)
            raise

    def _run(self, call: Call, transaction: Transaction) -> Any:
        return invoke(call.function, self._context(call, transaction), call.values)

    def _context(self, call: Call, transaction: Transaction) -> Context:
        """The context for a query or a mutation within a transaction."""
        attributes: dict[str, Any] = {
            "_transaction": transaction,
            "identity": call.identity,
            "now": transaction.now,
            "function": call.function,
            "job": call.job,
            "_caller": WithinTransaction(self, call, transaction),
        }
        if call.function.kind is Kind.QUERY:
            return QueryCtx._of(**attributes)
        assert transaction.buffer is not None
        return MutationCtx._of(**attributes, schedule=Schedule(transaction.buffer, transaction.now))

    def retried(self, name: str, work: Callable[[], T]) -> T:
        """Do a short piece of the framework's own work, again if the database failed."""

        def attempt() -> T:
            try:
                return work()
            except BaseException as error:
                raise_if_internal(error, None)
                raise

        return self._with_retries(name, attempt)

    def _with_retries(self, name: str, attempt: Callable[[], T]) -> T:
        for tries in count(1):
            try:
                return attempt()
            except InternalFault as fault:
                if tries > self.settings.mutation_retries:
                    raise given_up(name, tries, fault.cause) from fault.cause
                wait = self.settings.backoff(tries, conflict=is_conflict(fault.cause), longest=LONGEST_PAUSE)
                self.clock.sleep(wait.total_seconds())
        raise AssertionError("unreachable")


class WithinTransaction:
    """Calls from a query or a mutation: everything stays in its transaction."""

    def __init__(self, calls: Calls, parent: Call, transaction: Transaction) -> None:
        self._calls = calls
        self._parent = parent
        self._transaction = transaction

    def call(self, kind: Kind, target: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        call = self._calls.bind(target, args, kwargs, self._parent.identity, self._parent.job)
        check_kind(kind, call.function)
        part = self._transaction.reading() if kind is Kind.QUERY else self._transaction.nested()
        with part:
            return self._calls._run(call, self._transaction)


def raise_if_internal(error: BaseException, held: OpenTransaction | None) -> None:
    """Raise InternalFault if the database is to blame for an error, also for one that the handler made of it."""
    cause = internal_cause(error, held)
    if cause is not None:
        raise InternalFault(cause) from error


def is_maybe_committed(error: BaseException, held: OpenTransaction | None) -> bool:
    """Whether a transaction may have been committed in spite of an error."""
    return held is not None and held.is_committing and not is_conflict(internal_cause(error, held) or error)


def internal_cause(error: BaseException, held: OpenTransaction | None) -> BaseException | None:
    """The error of the database's that is behind an error, if there is one."""
    if isinstance(error, FunctionTimeout | JobLost | InternalFault):
        return None
    cause = held.internal_error if held is not None else None
    return error if cause is None and is_internal(error) else cause


def fresh(call: Call) -> Call:
    """The call with arguments of its own, so that what a handler does to them is not seen by the next try."""
    if all(type(value) in UNCHANGEABLE for value in call.values.values()):
        return call
    try:
        return replace(call, values=deepcopy(call.values))
    except Exception:  # something that cannot be copied, such as a lock
        return call


def check_kind(kind: Kind, function: AnyFunction) -> None:
    """``run_query`` calls queries, and so on."""
    if function.kind is not kind:
        raise CallNotAllowed(f"run_{kind} calls {kind.phrase}, but {function.name} is {function.kind.phrase}")


def given_up(name: str, tries: int, cause: BaseException) -> InternalError:
    if is_conflict(cause):
        return WriteConflict(f"{name}: other transactions were in the way {tries} times in a row: {cause}")
    return InternalError(f"{name}: the database failed {tries} times in a row: {cause}")
