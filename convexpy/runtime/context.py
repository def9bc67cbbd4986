"""What a handler receives as its first parameter, for each kind of function."""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine
from datetime import datetime, timedelta
from inspect import get_annotations
from typing import TYPE_CHECKING, Any, ClassVar, Final, ParamSpec, Protocol, Self, TypeVar

from sqlalchemy.orm import Session

from ..database.scheduled_function import ScheduledFunction, StateKind
from ..database.types import JobId
from ..errors import CallNotAllowed
from ..functions.builders import ActionBuilder, MutationBuilder, QueryBuilder
from ..functions.declare import ActionFunction, Function, Kind, MutationFunction, QueryFunction, SchedulableFunction
from .call import Call
from .call_log import CallLog
from .events import Job
from .identity import Identity
from .job_reader import JobReader
from .schedule import Schedule

P = ParamSpec("P")
R = TypeVar("R")
Extended = TypeVar("Extended", bound="Context")


ADVICE: Final = {
    "db": "An action has no transaction. Read with ctx.run_query and write with ctx.run_mutation",
    "schedule": "A query only reads. Make it a mutation, or let the caller schedule",
    "run_mutation": "A query only reads. Make it a mutation",
    "run_action": "Inside a transaction nothing may touch the outside world. Schedule it: ctx.schedule.now(…)",
}


class FunctionCaller(Protocol):
    """Calls another function on behalf of a context."""

    def call(self, kind: Kind, target: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any: ...


class Context:
    """What every kind of context has."""

    identity: Identity | None
    """The caller, or None: an anonymous call, a scheduled run or a cron."""
    now: datetime
    """When the call began, in UTC; it stays the same for the whole call."""
    function: Function[Any, ..., Any, Any]
    """The function that is running: its ``name``, ``kind`` and ``meta``."""
    job: Job | None
    """The job that runs this call, or None."""
    log: CallLog
    """The logger of the handler's module. Its records have ``function``, ``job``, ``request`` and your ``extra``."""
    _call: Call
    _caller: FunctionCaller
    _made_on_demand: ClassVar[frozenset[str]] = frozenset()
    """The attributes that the call's part of the transaction makes when they are first asked for."""

    def extend(self, context: type[Extended], /, **extras: Any) -> Extended:
        """This context as one of your own subclasses, with its extra attributes filled in.

        Raises:
            TypeError: An attribute that the subclass declares is missing, or one is given that it does not declare.
        """
        declared = {
            name
            for each in context.__mro__
            if each.__module__ != Context.__module__ and issubclass(each, Context)
            for name in get_annotations(each)
        }
        given = extras.keys() | vars(self).keys() | self._made_on_demand
        missing = {name for name in declared - given if not hasattr(context, name)}
        unknown = extras.keys() - declared
        if missing or unknown:
            what = f"needs {', '.join(sorted(missing))}" if missing else f"has no {', '.join(sorted(unknown))}"
            raise TypeError(f"ctx.extend({context.__name__}, …): {context.__name__} {what}")
        extended = context.__new__(context)
        vars(extended).update(vars(self))
        vars(extended).update(extras)
        return extended

    if not TYPE_CHECKING:  # type checkers would take it for every attribute: `ctx.db` of an action would be fine

        def __getattr__(self, name: str) -> Any:
            if name in type(self)._made_on_demand:
                vars(self)[name] = part = getattr(vars(self)["_transaction"], name)
                return part
            if name == "log" and "_call" in vars(self):
                vars(self)["log"] = log = CallLog(vars(self)["_call"])
                return log
            if name in ADVICE and "function" in vars(self):
                function = vars(self)["function"]
                where = f"{function.kind.phrase}, {function.name}"
                raise CallNotAllowed(f"ctx.{name} does not exist in {where}. {ADVICE[name]}")
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    @classmethod
    def _of(cls, **attributes: Any) -> Self:
        context = cls.__new__(cls)
        vars(context).update(attributes)
        return context


class QueryCtx(Context):
    """The context of a query: one snapshot of the database."""

    # The last two of a live query only, which notes whether they were asked for.
    _made_on_demand = frozenset({"db", "system", "identity", "now"})
    db: Session
    """A SQLAlchemy session. In a query, writing through it is an error."""
    system: JobReader
    """Reads the jobs: ``ctx.system.get(job_id)``, ``ctx.system.scheduled_functions(state="pending")``."""
    _transaction: Any  # the CallTransaction, whose import would import every declaration

    def run_query(self, function: QueryFunction[Any, P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a query on the same snapshot, or within the same transaction."""
        result: R = self._caller.call(Kind.QUERY, function, args, kwargs)
        return result


class MutationCtx(QueryCtx):
    """The context of a mutation: one serializable transaction."""

    _made_on_demand = frozenset({"db", "system", "schedule"})
    schedule: Schedule

    def run_mutation(self, function: MutationFunction[Any, P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a mutation within the same transaction. If it raises, only what it did itself is undone."""
        result: R = self._caller.call(Kind.MUTATION, function, args, kwargs)
        return result


class AsyncSchedule(Protocol):
    """``ctx.schedule`` in an ``async def`` action: each call is a transaction of its own, at once."""

    def now(
        self, function: SchedulableFunction[Any, P, Any, Any], /, *args: P.args, **kwargs: P.kwargs
    ) -> Awaitable[JobId]:
        """Run a mutation or an action at once."""
        ...

    def after(
        self,
        delay: timedelta | float,
        function: SchedulableFunction[Any, P, Any, Any],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Awaitable[JobId]:
        """Run it after a delay: a ``timedelta``, or a number of milliseconds."""
        ...

    def at(
        self,
        when: datetime | float,
        function: SchedulableFunction[Any, P, Any, Any],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Awaitable[JobId]:
        """Run it at a time: an aware ``datetime``, or Unix milliseconds. A time in the past means at once."""
        ...

    def cancel(self, job_id: JobId, /) -> Awaitable[None]:
        """Cancel a job at once. Nothing happens if it is finished or unknown."""
        ...


class AsyncJobReader(Protocol):
    """``ctx.system`` in an ``async def`` action."""

    def get(self, job_id: JobId | str, /) -> Awaitable[ScheduledFunction | None]:
        """The job with this id, or None."""
        ...

    def scheduled_functions(
        self, *, state: StateKind | None = None, name: str | None = None, cron: str | None = None, limit: int = 100
    ) -> Awaitable[list[ScheduledFunction]]:
        """Up to ``limit`` jobs that fit."""
        ...


class ActionCtx(Context):
    """The context of an ``async def`` action. It has no transaction; each call through it is one."""

    schedule: AsyncSchedule
    system: AsyncJobReader

    # The caller notes each call at once: one that is never awaited fails the action.

    def run_query(
        self, function: QueryFunction[Any, P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, R]:
        """Call a query, on a snapshot of its own."""
        result: Coroutine[Any, Any, R] = self._caller.call(Kind.QUERY, function, args, kwargs)
        return result

    def run_mutation(
        self, function: MutationFunction[Any, P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, R]:
        """Call a mutation, in a transaction of its own."""
        result: Coroutine[Any, Any, R] = self._caller.call(Kind.MUTATION, function, args, kwargs)
        return result

    def run_action(
        self, function: ActionFunction[Any, P, Any, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, R]:
        """Call another action, here and now, as part of this run."""
        result: Coroutine[Any, Any, R] = self._caller.call(Kind.ACTION, function, args, kwargs)
        return result


class SyncActionCtx(Context):
    """The context of a ``def`` action, which runs on a thread of its own."""

    schedule: Schedule
    system: JobReader

    def run_query(self, function: QueryFunction[Any, P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a query, on a snapshot of its own."""
        result: R = self._caller.call(Kind.QUERY, function, args, kwargs)
        return result

    def run_mutation(self, function: MutationFunction[Any, P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a mutation, in a transaction of its own."""
        result: R = self._caller.call(Kind.MUTATION, function, args, kwargs)
        return result

    def run_action(self, function: ActionFunction[Any, P, Any, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call another action, here and now, as part of this run."""
        result: R = self._caller.call(Kind.ACTION, function, args, kwargs)
        return result


# The six builders that users import, bound to these contexts.
query: Final[QueryBuilder[QueryCtx]] = QueryBuilder()
mutation: Final[MutationBuilder[MutationCtx]] = MutationBuilder()
action: Final[ActionBuilder[ActionCtx, SyncActionCtx]] = ActionBuilder()

internal_query: Final[QueryBuilder[QueryCtx]] = query.internal
internal_mutation: Final[MutationBuilder[MutationCtx]] = mutation.internal
internal_action: Final[ActionBuilder[ActionCtx, SyncActionCtx]] = action.internal
