"""Run an action: on an event loop if it is ``async def``, on a thread if it is ``def``."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from ..errors import CallNotAllowed
from ..functions.declare import Kind
from .call import Call, Calls, Done
from .context import ActionCtx, SyncActionCtx
from .event_loop import EventLoopThread
from .middleware import invoke, invoke_async
from .outside import ActionCaller
from .thread_pool import Threads

T = TypeVar("T")


class Actions:
    """Runs actions. Their database calls share a pool of threads; ``def`` actions have threads of their own."""

    def __init__(self, calls: Calls, background: EventLoopThread) -> None:
        self.calls = calls
        self.background = background
        concurrency = calls.settings.action_concurrency
        self.database_threads = Threads(min(32, concurrency), "convexpy-database")
        # A `def` action that calls others waits on its thread meanwhile, so there must be more threads than runs.
        self._action_threads = Threads(concurrency * 4, "convexpy-action")

    def run(self, call: Call) -> Done:
        """Run an action to its end, from a thread that may wait."""
        if not call.function.is_async:
            return self._run_here(call)
        if has_running_loop():
            raise CallNotAllowed(
                f"{call.function.name} is an async action, and the event loop of this thread would wait for itself. "
                "Use `await convex.run_async(…)`"
            )
        return self.background.submit(self.run_async(call)).result()

    async def run_async(self, call: Call) -> Done:
        """Run an action to its end, on the current event loop."""
        if not call.function.is_async:
            return await in_thread(self._action_threads, lambda: self._run_here(call))
        outside = ActionCaller(self.calls, call, self.run_for_result)
        ctx = ActionCtx._of(
            **outside.attributes(),
            schedule=Awaited(outside.schedule, self.database_threads),
            system=Awaited(outside.system, self.database_threads),
            _caller=AsyncCaller(self, outside),
        )
        result = await invoke_async(call.function, ctx, call.values)
        return Done(call.result(result), tuple(outside.scheduled))

    def run_for_result(self, call: Call) -> Any:
        return self.run(call).result

    def _run_here(self, call: Call) -> Done:
        outside = ActionCaller(self.calls, call, self.run_for_result)
        ctx = SyncActionCtx._of(
            **outside.attributes(), schedule=outside.schedule, system=outside.system, _caller=outside
        )
        result = invoke(call.function, ctx, call.values)
        return Done(call.result(result), tuple(outside.scheduled))

    def stop(self) -> None:
        self.database_threads.shutdown()
        self._action_threads.shutdown()


class AsyncCaller:
    """Calls from an ``async def`` action: the event loop goes on while a transaction runs on a thread."""

    def __init__(self, actions: Actions, outside: ActionCaller) -> None:
        self._actions = actions
        self._outside = outside

    async def call(self, kind: Kind, target: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        call = self._outside.bind(kind, target, args, kwargs)
        if kind is Kind.ACTION:
            return (await self._actions.run_async(call)).result
        return await in_thread(self._actions.database_threads, lambda: self._outside.transact(call))


class Awaited:
    """The methods of an object, each run on a thread and awaited."""

    def __init__(self, target: object, threads: Threads) -> None:
        self._target = target
        self._threads = threads

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._target, name)

        def awaited(*args: Any, **kwargs: Any) -> Awaitable[Any]:
            # It begins at once: a schedule whose `await` was forgotten still happens.
            return in_thread(self._threads, lambda: method(*args, **kwargs))

        return awaited


def in_thread(threads: Threads, work: Callable[[], T]) -> asyncio.Future[T]:
    """Run work on a thread, in the caller's context variables."""
    context = contextvars.copy_context()

    def run() -> T:
        try:
            return context.run(work)
        except StopIteration as error:  # a future cannot carry it, and who awaits it would wait for ever
            raise RuntimeError("StopIteration was raised").with_traceback(error.__traceback__) from error

    return asyncio.get_running_loop().run_in_executor(threads, run)


def has_running_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
