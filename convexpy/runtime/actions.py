"""Run an action, on an event loop if it is ``async def``, on a thread if it is ``def``, and what it may do.

Every call, every schedule and every read of an action is a transaction of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context, copy_context
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from ..clock import Clock
from ..database.database import Database
from ..database.scheduled_function import ScheduledFunction
from ..database.types import JobId
from ..errors import CallNotAllowed
from ..functions.declare import Kind
from ..functions.registry import Registry
from ..settings import Settings
from .action_limit import ActionTimeLimit, check_deadline
from .call import Call, CallResult, check_kind
from .context import ActionCtx, SyncActionCtx
from .context_variables import within
from .event_loop import EventLoopThread
from .events import Scheduled
from .handler import invoke, invoke_async
from .identity import Identity
from .job_reader import JobReader
from .schedule import Limits, ScheduleBuffer, time_after, time_at
from .thread_pool import ThreadPool

T = TypeVar("T")


class CallRunner(Protocol):
    """What runs the calls that an action makes."""

    database: Database
    settings: Settings
    clock: Clock

    @property
    def registry(self) -> Registry: ...

    def bind(
        self,
        target: object,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        identity: Identity | None = None,
        parent: Call | None = None,
    ) -> Call: ...

    def execute(self, call: Call) -> CallResult: ...

    def retried(self, name: str, work: Callable[[], T]) -> T: ...


class ActionRunner:
    """Runs actions. Their database calls share a pool of threads; ``def`` actions have threads of their own."""

    def __init__(self, executor: CallRunner, event_loop: EventLoopThread) -> None:
        self._executor = executor
        self._event_loop = event_loop
        concurrency = executor.settings.action_concurrency
        self.database_threads = ThreadPool(min(32, concurrency), "convexpy-database")
        # As many as run by themselves, and others that are called by actions on no thread.
        self._action_threads = ThreadPool(concurrency * 4, "convexpy-action")
        self._limit = ActionTimeLimit(executor.settings.action_time_limit)

    def run(self, call: Call) -> CallResult:
        """Run an action to its end, from a thread that may wait."""
        if not call.function.is_async:
            own = copy_context()
            return self._run_limited(call, own) if self._limit.applies(own) else own.run(self._run_here, call)
        if has_running_loop():
            raise CallNotAllowed(
                f"{call.function.name} is an async action, and the event loop of this thread would wait for itself. "
                "Use `await convex.run_async(…)`"
            )
        return self._event_loop.submit(self.run_async(call)).result()

    async def run_async(self, call: Call, context: Context | None = None) -> CallResult:
        """Run an action to its end on the current loop, that of all actions. No context: in a copy of the caller's."""
        own = copy_context() if context is None else context
        if self._limit.applies(own):
            return await self._limit.run_async(call, own, lambda: self._run_async(call, own))
        return await self._run_async(call, own)

    async def _run_async(self, call: Call, own: Context) -> CallResult:
        if not call.function.is_async:
            return await in_thread(self._action_threads, lambda: self._run_here(call), own)
        caller = ActionCaller(self._executor, call)
        async_caller = AsyncActionCaller(self, caller)
        ctx = ActionCtx._of(
            **caller.attributes(),
            schedule=Awaited(caller.schedule, self.database_threads),
            system=Awaited(caller.system, self.database_threads),
            _caller=async_caller,
        )
        result = await within(own, invoke_async(call, ctx))
        async_caller.check_awaited(call)
        return CallResult(result, tuple(caller.scheduled))

    def _run_limited(self, call: Call, own: Context) -> CallResult:
        """Run a ``def`` action elsewhere, so that its caller need not wait past the limit."""
        self._limit.begin(own)
        running = self._action_threads.submit_in(own, lambda: self._run_here(call))
        try:
            return self._limit.wait(call, running)
        finally:
            self._action_threads.replace(running)

    async def run_for(self, call: Call) -> CallResult:
        """Run an action to its end for a caller on any event loop.

        An async one runs on the loop of all actions: what belongs to a loop, such as a pool of connections, then
        serves every run. If the caller is canceled, so is the action.
        """
        if not call.function.is_async:
            return await self.run_async(call)
        return await asyncio.wrap_future(self._event_loop.submit(self.run_async(call)))

    def _run_here(self, call: Call) -> CallResult:
        caller = ActionCaller(self._executor, call)
        ctx = SyncActionCtx._of(**caller.attributes(), schedule=caller.schedule, system=caller.system, _caller=caller)
        result = invoke(call, ctx)
        return CallResult(result, tuple(caller.scheduled))

    def stop(self) -> None:
        self.database_threads.shutdown()
        self._action_threads.shutdown()


class ActionCaller:
    """The calls, schedules and reads of one run of an action, on the calling thread."""

    def __init__(self, executor: CallRunner, parent: Call) -> None:
        self._executor = executor
        self._parent = parent
        self._limits = Limits(executor.settings)
        self.scheduled: list[Scheduled] = []
        self.schedule = ActionSchedule(self)
        self.system = ActionJobReader(self)

    def attributes(self) -> dict[str, Any]:
        """What the context of the action holds besides what is awaited or not."""
        return {
            "identity": self._parent.identity,
            "now": self._executor.clock.now(),
            "function": self._parent.function,
            "job": self._parent.job,
            "_call": self._parent,
        }

    def call(self, kind: Kind, target: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return self._executor.execute(self.bind(kind, target, args, kwargs)).value

    def bind(self, kind: Kind, target: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        check_deadline(self._parent)
        call = self._executor.bind(target, args, kwargs, parent=self._parent)
        check_kind(kind, call.function)
        return call

    def commit_schedule(self, change: Callable[[ScheduleBuffer, datetime], T]) -> T:
        """One schedule or cancel, committed before it returns."""
        check_deadline(self._parent)
        executor, now = self._executor, self._executor.clock.now()
        new_id, call = executor.database.new_job_id, self._parent
        buffer = ScheduleBuffer(executor.registry, new_id, now, self._limits, call, finishes_job=False)
        result = change(buffer, now)

        def commit() -> None:
            with executor.database.write_internal(sync="as set", logged=True) as connection:
                buffer.write(connection, now)

        executor.retried(self._parent.function.name, commit)
        self.scheduled.extend(buffer.scheduled())
        return result

    def read_jobs(self, read: Callable[[JobReader], T]) -> T:
        """One read of the jobs, on a snapshot of its own."""
        check_deadline(self._parent)

        def attempt() -> T:
            with self._executor.database.read() as transaction:
                return read(JobReader(transaction.connection, None, self._executor.clock.now()))

        return self._executor.retried(self._parent.function.name, attempt)


class ActionSchedule:
    """``ctx.schedule`` of an action."""

    def __init__(self, caller: ActionCaller) -> None:
        self._caller = caller

    def now(self, function: object, /, *args: Any, **kwargs: Any) -> JobId:
        return self._caller.commit_schedule(lambda buffer, now: buffer.add(now, function, args, kwargs))

    def after(self, delay: timedelta | float, function: object, /, *args: Any, **kwargs: Any) -> JobId:
        return self._caller.commit_schedule(
            lambda buffer, now: buffer.add(time_after(now, delay), function, args, kwargs)
        )

    def at(self, when: datetime | float, function: object, /, *args: Any, **kwargs: Any) -> JobId:
        return self._caller.commit_schedule(lambda buffer, now: buffer.add(time_at(now, when), function, args, kwargs))

    def cancel(self, job_id: JobId, /) -> None:
        self._caller.commit_schedule(lambda buffer, now: buffer.cancel(job_id))


class ActionJobReader:
    """``ctx.system`` of an action."""

    def __init__(self, caller: ActionCaller) -> None:
        self._caller = caller

    def get(self, job_id: str, /) -> ScheduledFunction | None:
        return self._caller.read_jobs(lambda system: system.get(job_id))

    def scheduled_functions(self, **wanted: Any) -> list[ScheduledFunction]:
        return self._caller.read_jobs(lambda system: system.scheduled_functions(**wanted))


class AsyncActionCaller:
    """Calls from an ``async def`` action: the event loop goes on while a transaction runs on a thread."""

    def __init__(self, actions: ActionRunner, caller: ActionCaller) -> None:
        self._actions = actions
        self._caller = caller
        self._not_begun: dict[object, tuple[Kind, object]] = {}

    def call(
        self, kind: Kind, target: object, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Coroutine[Any, Any, Any]:
        """A call that begins when it is awaited."""
        key = object()
        self._not_begun[key] = kind, target
        return self._call(key, kind, target, args, kwargs)

    def check_awaited(self, call: Call) -> None:
        """Make sure that every call was awaited, by the handler or by a task of its own.

        Raises:
            CallNotAllowed: One was not, so it has not happened.
        """
        for kind, target in self._not_begun.values():
            name, function = getattr(target, "name", target), call.function
            raise CallNotAllowed(
                f"{function.place}: {function.name} calls ctx.run_{kind}({name}, …) and does not await it, so it never "
                "ran. Write `await`"
            )

    async def _call(
        self, key: object, kind: Kind, target: object, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        del self._not_begun[key]
        call = self._caller.bind(kind, target, args, kwargs)
        if kind is Kind.ACTION:
            return (await self._actions.run_async(call)).value
        executor = self._actions._executor
        return (await in_thread(self._actions.database_threads, lambda: executor.execute(call))).value


class Awaited:
    """The methods of an object, each run on a thread and awaited."""

    def __init__(self, target: object, threads: ThreadPool) -> None:
        self._target = target
        self._threads = threads

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._target, name)

        def awaited(*args: Any, **kwargs: Any) -> Awaitable[Any]:
            # It begins at once: a schedule whose `await` was forgotten still happens.
            return in_thread(self._threads, lambda: method(*args, **kwargs))

        return awaited


def in_thread(threads: ThreadPool, work: Callable[[], T], context: Context | None = None) -> asyncio.Future[T]:
    """Run work on a thread, in a context. None: in a copy of the caller's. Canceled, it leaves the thread behind."""

    def run() -> T:
        try:
            return work()
        except StopIteration as error:  # a future cannot carry it: awaiting it would never end
            raise RuntimeError("StopIteration was raised").with_traceback(error.__traceback__) from error

    running = threads.submit_in(copy_context() if context is None else context, run)
    waiting = asyncio.wrap_future(running)
    waiting.add_done_callback(lambda done: threads.replace(running) if done.cancelled() else None)
    return waiting


def has_running_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
