"""``CallExecutor``, the one door to every function: checks its arguments, runs it, retries it, and reports the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import copy_context
from copy import deepcopy
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Final, TypeVar

from ..clock import Clock
from ..database.database import Database
from ..database.errors import DatabaseGone, is_conflict
from ..database.transaction import OpenTransaction
from ..errors import (
    CallNotAllowed,
    ConvexError,
    FunctionNotFound,
    InternalError,
    InvalidArguments,
    Overloaded,
    WriteConflict,
)
from ..functions.declare import Kind
from ..functions.json_text import MalformedJson, decode_values
from ..functions.load import App
from ..functions.registry import AnyFunction, Registry
from ..settings import Settings
from .actions import ActionRunner, in_thread
from .admin import Admin
from .call import Call, Caller, CallResult, ResultForm, check_kind
from .client_threads import ActionLimit, ClientThreads
from .concurrency import ConcurrencyLimiter
from .context import Context, MutationCtx, QueryCtx
from .dry_run import DryRun
from .event_loop import EventLoopThread
from .events import Failure, RunListeners, RunRecorder
from .handler import invoke
from .identity import Identity
from .live_run import LiveRun
from .run_collector import RunCollector
from .session import CallTransaction
from .shared_logs import SharedLogs
from .tracing import JobSpans, call_span
from .transaction import TransactionFailed, TransactionRunner

T = TypeVar("T")

# Values of these types need not be copied for a retry.
IMMUTABLE: Final = frozenset({str, int, float, bool, bytes, datetime, type(None)})
# A caller waits for a direct call, so pauses between its retries stay short.
LONGEST_PAUSE: Final = timedelta(seconds=1)
DASHBOARD_THREADS: Final = 2
"""How many calls of the dashboard run at the same time. So it uses at most two connections of the pool."""
NO_LISTENERS: Final = RunListeners()


class CallExecutor:
    """Runs functions of one app on one database."""

    def __init__(self, database: Database, app: App, settings: Settings, clock: Clock) -> None:
        self.database = database
        self.app = app
        self.settings = settings
        self.clock = clock
        self.listeners = RunListeners()
        self.logs = SharedLogs(database, clock, self.listeners)
        self.job_spans = JobSpans(database, self.listeners)
        self.caller: Caller = "python"
        """Where calls come from that no client makes."""
        self.redacts_errors = not settings.debug
        self.limiter = ConcurrencyLimiter(settings.lock_timeout.total_seconds(), database.writers)
        self.transactions = TransactionRunner(database, settings, clock, lambda: self.app, self.invoke, self.job_spans)
        self.event_loop = EventLoopThread()
        self.actions = ActionRunner(self, self.event_loop)
        self.collector = RunCollector(database, clock, self.actions.database_threads.submit)
        self.client_threads = ClientThreads(settings.request_concurrency, "convexpy-client")
        self.dashboard_threads = ClientThreads(DASHBOARD_THREADS, "convexpy-dashboard")
        self.client_actions = ActionLimit(settings)

    @property
    def registry(self) -> Registry:
        """The app's functions, as they were loaded last."""
        return self.app.registry

    def bind(
        self,
        target: object,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        identity: Identity | None = None,
        parent: Call | None = None,
    ) -> Call:
        """A call from Python code, or from the call of another function. Its arguments are checked."""
        function = self.app.registry.find(target)
        values = function.arguments.bind(function.name, args, kwargs)
        if parent is None:
            return Call(function, values, identity)
        return Call(function, values, parent.identity, parent.job, request=parent.request, admin=parent.admin)

    def bind_json(self, name: str, values: object, identity: Identity | None) -> Call:
        """A call by name, from JSON values."""
        function = self.app.registry.find(name)
        checked = function.arguments.check_json(function.name, arguments_of(function, values))
        return Call(function, checked, identity, form=ResultForm.JSON, redacts_errors=self.redacts_errors)

    def bind_client(
        self,
        name: str,
        arguments: object,
        identity: Identity | None,
        *,
        kind: Kind | None = None,
        admin: Admin | None = None,
        journal: str | None = None,
    ) -> Call:
        """A call of a client outside of the server, whose result is wanted as bytes in Convex's encoding.

        Args:
            name: The function's, also as JavaScript clients write it, and in camelCase if the settings say so.
            arguments: Parsed JSON in Convex's encoding: an object, or a list of one object.
            identity: On whose behalf.
            kind: What the client takes the function for. None: anything.
            admin: The rights of its admin key, by which internal functions exist for it.
            journal: Of a query that makes a page: where it ended before.

        Raises:
            FunctionNotFound: There is no function of this name, or an internal one.
            CallNotAllowed: It is of another kind.
            ConvexError: The admin key is for queries only (FORBIDDEN).
            InvalidArguments: The arguments do not fit its signature.
        """
        # The dashboard shows names and errors as they are in the app.
        is_dashboard = admin is not None and admin.is_dashboard
        camel = self.settings.names == "camel" and not is_dashboard
        function = self.app.registry.find_for_client(name, camel=camel, with_internal=admin is not None)
        if function is None:
            raise FunctionNotFound(f"Could not find public function for '{name}'.")
        if kind is not None and function.kind is not kind:
            is_kind = function.kind.capitalize()
            raise CallNotAllowed(f"Trying to execute {name} as {kind.capitalize()}, but it is defined as {is_kind}.")
        if admin is not None and admin.is_read_only and function.kind is not Kind.QUERY:
            raise ConvexError("FORBIDDEN", f"this admin key is read-only, and {name} is {function.kind.phrase}")
        if isinstance(arguments, list) and len(arguments) == 1:
            arguments = arguments[0]
        try:
            values = arguments_of(function, decode_values(arguments))
        except MalformedJson as error:
            raise InvalidArguments(f"{function.name}: {error}") from None
        return Call(
            function,
            function.arguments.check_json(function.name, values, camel=camel),
            identity,
            form=ResultForm.ENCODED,
            camel=camel,
            redacts_errors=self.redacts_errors and not is_dashboard,
            journal=journal,
            given=values,
            admin=admin,
        )

    def run(self, call: Call) -> Any:
        """Run a call to its end and return its result.

        Raises:
            WriteConflict: Every attempt of a mutation met a conflict.
            InternalError: The database failed at every attempt.
        """
        recorder = self._recorder(call)
        try:
            with call_span(call):
                result = self.execute(call)
        except BaseException as error:
            recorder.report("failed", Failure.of(error))
            raise
        if not result.is_replay:
            recorder.report("success", scheduled=result.scheduled)
        return result.value

    async def run_async(self, call: Call) -> Any:
        """The same, without blocking the current event loop."""
        recorder = self._recorder(call)
        try:
            with call_span(call):
                if call.function.kind is Kind.ACTION:
                    result = await self.actions.run_for(call)
                else:
                    result = await in_thread(self.actions.database_threads, lambda: self.execute(call))
        except BaseException as error:
            recorder.report("failed", Failure.of(error))
            raise
        if not result.is_replay:
            recorder.report("success", scheduled=result.scheduled)
        return result.value

    async def run_for_client(self, call: Call, is_wanted: Callable[[], bool] = lambda: True) -> Any:
        """The same for a client outside of the server, beside a bounded number of others.

        Args:
            call: A call of a client.
            is_wanted: Asked when a query or a mutation has waited for its turn: whether the client is still there.

        Raises:
            Overloaded: Too many wait already, or it was not wanted any more. It has not begun.
        """
        if call.function.kind is Kind.ACTION:
            with self.client_actions.hold():
                return await self.run_async(call)
        threads = self.threads_of(call.admin)
        threads.check()
        return await in_thread(threads, lambda: self._run_if_wanted(call, is_wanted))

    def threads_of(self, admin: Admin | None) -> ClientThreads:
        """Where queries and mutations of a client run: those of the dashboard never take the place of others."""
        return self.dashboard_threads if admin is not None and admin.is_dashboard else self.client_threads

    async def run_together(self, calls: Sequence[Call], is_wanted: Callable[[], bool]) -> list[LiveRun]:
        """Run queries of a client on one snapshot. Each has a value, or an error of its own.

        Raises:
            Overloaded: As above.
            InternalError: The database failed at every attempt.
        """
        self.client_threads.check()

        def attempt() -> list[LiveRun]:
            with self.database.read() as transaction:
                transaction.begin_round()
                return [self.run_live(call, transaction) for call in calls]

        def run() -> list[LiveRun]:
            check_wanted(is_wanted)
            return self.retried("several queries", attempt)

        return await in_thread(self.client_threads, run)

    def _run_if_wanted(self, call: Call, is_wanted: Callable[[], bool]) -> Any:
        check_wanted(is_wanted)
        return self.run(call)

    def execute(self, call: Call) -> CallResult:
        """Run a call to its end, unreported: one that another function makes is part of that one's run."""
        kind, name = call.function.kind, call.function.name
        if kind is Kind.ACTION:
            return self.actions.run(call)
        if kind is Kind.QUERY:
            return CallResult(self._with_retries(name, lambda: self.transactions.run_query(fresh(call))))
        attempts = count(1)
        return self._with_retries(name, lambda: self._run_mutation(call, next(attempts)))

    def run_dry(self, call: Call) -> DryRun:
        """Run a mutation in a transaction that is rolled back: nothing of it is kept, announced or reported as a run.

        It waits for its turn as any mutation does. The numbers that it took from sequences are gone.

        Raises:
            CallNotAllowed: It is an action, or a query.
            InternalError: The database failed at every attempt.
        """
        function = call.function
        if function.kind is Kind.ACTION:
            raise CallNotAllowed(f"{function.name} is an action: what it does outside could not be rolled back")
        if function.kind is Kind.QUERY:
            raise CallNotAllowed(f"{function.name} is a query and writes nothing: run it")
        return self._with_retries(function.name, lambda: self.transactions.run_dry(fresh(call)))

    def run_live(self, call: Call, transaction: OpenTransaction) -> LiveRun:
        """Run a query once within a snapshot, and note what its result depends on. The run is not reported.

        Args:
            call: The call of a query.
            transaction: A transaction that only reads. Several runs may share it, one after the other.

        Raises:
            TransactionFailed: The database failed, and not the query.
        """
        return self.transactions.run_live(fresh(call), transaction)

    def retried(self, name: str, work: Callable[[], T]) -> T:
        """Do a short piece of the framework's own work, again if the database failed."""

        def attempt() -> T:
            try:
                return work()
            except TransactionFailed:
                raise
            except Exception as error:
                raise TransactionFailed(error, None, None) from error

        return self._with_retries(name, attempt)

    def collect_runs(self) -> None:
        """Sum up the runs of this process, and store the sums every few seconds."""
        self.collector.start(self.listeners)

    def stop(self) -> None:
        self.logs.stop()
        self.collector.stop()
        self.event_loop.stop()
        self.actions.stop()
        self.client_threads.shutdown()
        self.dashboard_threads.shutdown()
        self.transactions.conflicts.stop()

    def _run_mutation(self, call: Call, attempt: int) -> CallResult:
        call = call if attempt == 1 else replace(call, attempt=attempt)
        with self.limiter.hold(call.function.name):
            return self.transactions.run_transaction((fresh(call), None))[0]

    def _with_retries(self, name: str, attempt: Callable[[], T]) -> T:
        for attempts in count(1):
            try:
                return attempt()
            except TransactionFailed as failed:
                error, cause, conflict = failed.error, failed.cause, failed.is_conflict
            if cause is None or isinstance(cause, DatabaseGone):
                try:
                    raise error  # out here, so that it has no context that the function did not give it
                finally:
                    del error  # or the error and this frame would keep each other alive
            if conflict:
                self.limiter.met_conflict(name)
            if attempts > self.settings.mutation_retries:
                raise given_up(name, attempts, cause) from cause
            self.clock.sleep(self.settings.backoff(attempts, conflict=conflict, longest=LONGEST_PAUSE).total_seconds())
        raise AssertionError("unreachable")

    def invoke(self, call: Call, part: CallTransaction) -> Any:
        """Run the handler of a query or a mutation within a transaction."""
        attributes: dict[str, Any] = {
            "_transaction": part,
            **part.attributes_of(call),
            "function": call.function,
            "job": call.job,
            "_call": call,
            "_caller": TransactionCaller(self, call, part),
        }
        kind: type[Context] = QueryCtx if call.function.kind is Kind.QUERY else MutationCtx
        return invoke(call, kind._of(**attributes))

    def _recorder(self, call: Call) -> RunRecorder:
        function = call.function
        call.request.begin(function.name, self.caller, self.clock.now())
        listeners = NO_LISTENERS if call.is_watching else self.listeners
        return RunRecorder(listeners, self.clock, function.name, function.kind, request=call.request)


class TransactionCaller:
    """Calls from a query or a mutation: everything stays in its transaction."""

    def __init__(self, executor: CallExecutor, parent: Call, part: CallTransaction) -> None:
        self._executor = executor
        self._parent = parent
        self._part = part

    def call(self, kind: Kind, target: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        call = self._executor.bind(target, args, kwargs, parent=self._parent)
        check_kind(kind, call.function)
        with self._part.reading() if kind is Kind.QUERY else self._part.nested():
            return copy_context().run(self._executor.invoke, call, self._part)


def check_wanted(is_wanted: Callable[[], bool]) -> None:
    if not is_wanted():
        raise Overloaded("the client has left while its call waited")


def arguments_of(function: AnyFunction, values: object) -> dict[str, Any]:
    """The arguments of a call from JSON, which are one object."""
    if not isinstance(values, Mapping):
        raise InvalidArguments(f"{function.name}: the arguments are one JSON object, not {type(values).__name__}")
    return dict(values)


def fresh(call: Call) -> Call:
    """The call with a copy of its arguments, so that a retry does not see what a handler did to them."""
    if all(type(value) in IMMUTABLE for value in call.values.values()):
        return call
    memo: dict[int, Any] = {}
    return replace(call, values={name: copied(value, memo) for name, value in call.values.items()})


def copied(value: T, memo: dict[int, Any]) -> T:
    """A copy, or the value itself if it cannot be copied, as a lock cannot."""
    try:
        return deepcopy(value, memo)
    except Exception:
        return value


def given_up(name: str, attempts: int, cause: BaseException) -> InternalError:
    if is_conflict(cause):
        return WriteConflict(f"{name}: conflicted with other transactions {attempts} times in a row: {cause}")
    return InternalError(f"{name}: the database failed {attempts} times in a row: {cause}")
