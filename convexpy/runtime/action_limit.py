"""The time limit of an action: past it, it is canceled and fails, and whatever of it goes on may call nothing."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, wait
from datetime import timedelta
from typing import Any, Final, TypeVar, cast

from ..errors import FunctionTimeout
from .call import Call

logger = logging.getLogger("convexpy.run")
T = TypeVar("T")

# How long an action may take to end after it was canceled.
PATIENCE_SECONDS: Final = 1.0

# Until when the action may run that makes a call, by the monotonic clock. The actions that it calls inherit it.
DEADLINE: contextvars.ContextVar[float | None] = contextvars.ContextVar("convexpy_action_deadline", default=None)


class ActionTimeLimit:
    """Runs actions within the limit of the settings."""

    def __init__(self, limit: timedelta | None) -> None:
        self._seconds = limit.total_seconds() if limit is not None else None

    def applies(self, context: contextvars.Context) -> bool:
        """Whether time begins to count for an action in a context: there is a limit, and no other action calls it."""
        return self._seconds is not None and context.get(DEADLINE) is None

    async def run_async(
        self, call: Call, context: contextvars.Context, work: Callable[[], Coroutine[Any, Any, T]]
    ) -> T:
        """Run an action, which runs in this context, as a task of its own.

        Raises:
            FunctionTimeout: It took longer. It was canceled; if it ignores that, it is left behind.
        """
        self.begin(context)
        task = asyncio.get_running_loop().create_task(outcome_of(work()))
        try:
            await asyncio.wait({task}, timeout=self._seconds)
        finally:  # the caller itself may be canceled
            is_late = not task.done()
            if is_late:
                task.cancel()
                await asyncio.wait({task}, timeout=PATIENCE_SECONDS)
        if not is_late:
            result, error = task.result()
            if error is not None:
                raise error
            return cast(T, result)
        if not task.done():
            logger.error("%s ignores that it was canceled; it is left behind", call.function.name)
        raise self._error(call)

    def wait(self, call: Call, running: Future[T]) -> T:
        """Wait for an action that runs on a thread, which is left behind.

        Raises:
            FunctionTimeout: It took longer.
        """
        if not wait({running}, self._seconds).done:
            raise self._error(call)
        return running.result()

    def begin(self, context: contextvars.Context) -> None:
        """The time of an action that runs in this context begins now."""
        if self._seconds is not None:
            context.run(DEADLINE.set, time.monotonic() + self._seconds)

    def _error(self, call: Call) -> FunctionTimeout:
        return FunctionTimeout(
            f"{call.function.name} ran longer than action_time_limit, {self._seconds:g} s. It may have run in part"
        )


async def outcome_of(work: Coroutine[Any, Any, T]) -> tuple[T | None, BaseException | None]:
    """What the action returned or raised. A task that raises SystemExit would end the event loop, too."""
    try:
        return await work, None
    except asyncio.CancelledError:
        raise
    except BaseException as error:
        return None, error


def check_deadline(call: Call) -> None:
    """Refuse what an action does that goes on past its limit.

    Raises:
        FunctionTimeout: The action has failed already.
    """
    deadline = DEADLINE.get()
    if deadline is not None and time.monotonic() > deadline:
        raise FunctionTimeout(f"{call.function.name} is past its action_time_limit and has failed: it may call nothing")
