"""Run an action, on an event loop if it is ``async def``, on a thread if it is ``def``, and what it may do.

Every call, every schedule and every read of an action is a transaction of its own.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
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
from .call import Call, CallResult, check_kind
from .context import ActionCtx, SyncActionCtx
from .event_loop import EventLoopThread
from .events import Job, Scheduled
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
        identity: Identity | None,
        job: Job | None = None,
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
        # A `def` action that calls others waits on its thread meanwhile, so there must be more threads than runs.
        self._action_threads = ThreadPool(concurrency * 4, "convexpy-action")

    def run(self, call: Call) -> CallResult:
        """Run an action to its end, from a thread that may wait."""
        if not call.function.is_async:
            return self._run_here(call)
        if has_running_loop():
            raise CallNotAllowed(
                f"{call.function.name} is an async action, and the event loop of this thread would wait for itself. "
                "Use `await convex.run_async(…)`"
            )
        return self._event_loop.submit(self.run_async(call)).result()

    async def run_async(self, call: Call) -> CallResult:
        """Run an action to its end, on the current event loop."""
        if not call.function.is_async:
            return await in_thread(self._action_threads, lambda: self._run_here(call))
        caller = ActionCaller(self._executor, call)
        ctx = ActionCtx._of(
            **caller.attributes(),
            schedule=Awaited(caller.schedule, self.database_threads),
            system=Awaited(caller.system, self.database_threads),
            _caller=AsyncActionCaller(self, caller),
        )
        result = await invoke_async(call, ctx)
        return CallResult(result, tuple(caller.scheduled))

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
        }

    def call(self, kind: Kind, target: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return self._executor.execute(self.bind(kind, target, args, kwargs)).value

    def bind(self, kind: Kind, target: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        call = self._executor.bind(target, args, kwargs, self._parent.identity, self._parent.job)
        check_kind(kind, call.function)
        return call

    def commit_schedule(self, change: Callable[[ScheduleBuffer, datetime], T]) -> T:
        """One schedule or cancel, committed before it returns."""
        executor, now = self._executor, self._executor.clock.now()
        new_id, job = executor.database.new_job_id, self._parent.job
        buffer = ScheduleBuffer(executor.registry, new_id, now, self._limits, job, finishes_job=False)
        result = change(buffer, now)

        def commit() -> None:
            with executor.database.write_internal(sync="as set", logged=True) as connection:
                buffer.write(connection, now)

        executor.retried(self._parent.function.name, commit)
        self.scheduled.extend(buffer.scheduled())
        return result

    def read_jobs(self, read: Callable[[JobReader], T]) -> T:
        """One read of the jobs, on a snapshot of its own."""

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

    async def call(self, kind: Kind, target: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
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


def in_thread(threads: ThreadPool, work: Callable[[], T]) -> asyncio.Future[T]:
    """Run work on a thread, in the caller's context variables."""
    context = contextvars.copy_context()

    def run() -> T:
        try:
            return context.run(work)
        except StopIteration as error:  # a future cannot carry it: awaiting it would never end
            raise RuntimeError("StopIteration was raised").with_traceback(error.__traceback__) from error

    return asyncio.get_running_loop().run_in_executor(threads, run)


def has_running_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
