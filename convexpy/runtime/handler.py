"""Run one handler: inside its middleware, within its time limit, its result checked.

Past its limit, the transaction of a handler is rolled back from another thread, so one that hangs blocks no other.
"""

from __future__ import annotations

import ctypes
import inspect
import threading
from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from types import AsyncGeneratorType, GeneratorType
from typing import Any, Final, NoReturn, TypeVar, cast

from ..database.errors import ConnectionLost
from ..database.timer import Timer, TimerHandle
from ..database.transaction import OpenTransaction
from ..errors import FunctionTimeout, InvalidResult
from ..functions.declare import Kind
from ..functions.registry import AnyFunction
from .call import Call, ResultForm
from .call_log import RUNNING
from .context import Context

T = TypeVar("T")

# A handler may swallow an interruption, so it is interrupted again and again.
AGAIN_SECONDS: Final = 1.0


class TimeIsUp(BaseException):
    """Raised between two lines of a handler that ran past its limit. No ``except Exception`` catches it."""


class TimeLimit:
    """The limit of one handler, which runs on the thread that makes this."""

    def __init__(
        self, timer: Timer, transaction: OpenTransaction, seconds: float, on_expire: Callable[[], None] | None = None
    ) -> None:
        """``on_expire`` is called from the timer's thread once the limit has passed."""
        self._timer = timer
        self._transaction = transaction
        self._seconds = seconds
        self._on_expire = on_expire
        self._thread = threading.get_ident()
        self._mutex = threading.Lock()
        self._has_ended = False
        self._database_is_late = False
        self._handle: TimerHandle | None = None

    def run(self, work: Callable[[], T]) -> T:
        """Run the handler.

        Raises:
            FunctionTimeout: It took longer. Its transaction is rolled back already.
            ConnectionLost: The database took longer to begin the transaction, which is no fault of the handler.
        """
        self._handle = self._timer.call_later(self._seconds, self._expire)
        failure: BaseException | None = None
        result: Any = None
        try:
            try:
                result = work()
            except BaseException as error:
                failure = error
            is_late = self._end()
        except TimeIsUp as error:
            # It struck just after the handler had ended; the next one would be a second away.
            is_late, failure = self._end(), failure or error
        try:
            if is_late and self._database_is_late:
                raise ConnectionLost("the database did not answer while a transaction was being begun") from failure
            if is_late:
                text = f"ran longer than its limit of {self._seconds:g} s, so nothing was written"
                raise FunctionTimeout(text) from failure
            if failure is not None:
                raise failure
            return cast(T, result)
        finally:
            del failure  # or the error and this frame would keep each other alive

    def _expire(self) -> None:
        """Roll the transaction back and interrupt the handler's Python code, unless it has just ended."""
        with self._mutex:
            if self._has_ended:
                return
            self._database_is_late = self._database_is_late or self._transaction.waits_for_begin
            is_first = self._transaction.expire()
            if self._transaction.expired:
                raise_in(self._thread, TimeIsUp)
            self._handle = self._timer.call_later(AGAIN_SECONDS, self._expire)
        if is_first and self._on_expire is not None:
            self._on_expire()

    def _end(self) -> bool:
        """The handler has ended. True if its time was up; then no interruption is left to strike later."""
        with self._mutex:
            self._has_ended = True
            if self._handle is not None:
                self._handle.cancel()
                self._handle = None  # its callback refers to this: the two would wait for the garbage collector
            if self._transaction.expired:
                let_strike(TimeIsUp)
            return self._transaction.expired


def invoke(call: Call, ctx: Context) -> Any:
    """Call a ``def`` handler: the first middleware is the outermost. The result is checked within all of them."""
    before = RUNNING.get()
    RUNNING.set(call)
    try:
        return run_handler(call, ctx)
    finally:
        RUNNING.set(before)


def run_handler(call: Call, ctx: Context) -> Any:
    function = call.function
    if not function.middleware:
        return result_of(call, function.handler(ctx, **function.defaults.fill(call.values)))
    failure: BaseException | None = None
    with ExitStack() as stack:
        try:
            for middleware in function.middleware:
                if inspect.isgeneratorfunction(middleware):
                    ctx = stack.enter_context(contextmanager(middleware)(ctx))
                else:
                    ctx = middleware(ctx)
                check_context(middleware, ctx)
            return result_of(call, function.handler(ctx, **function.defaults.fill(call.values)))
        except BaseException as error:
            failure = error
            raise
    # A middleware may look at an error or replace it, but not make it go away: there would be no result.
    raise failure


async def invoke_async(call: Call, ctx: Context) -> Any:
    """Call an ``async def`` handler, whose middleware may be async too."""
    before = RUNNING.get()
    RUNNING.set(call)
    try:
        return await run_async_handler(call, ctx)
    finally:
        RUNNING.set(before)


async def run_async_handler(call: Call, ctx: Context) -> Any:
    function = call.function
    failure: BaseException | None = None
    async with AsyncExitStack() as stack:
        try:
            for middleware in function.middleware:
                if inspect.isasyncgenfunction(middleware):
                    ctx = await stack.enter_async_context(asynccontextmanager(middleware)(ctx))
                elif inspect.isgeneratorfunction(middleware):
                    ctx = stack.enter_context(contextmanager(middleware)(ctx))
                else:
                    given = middleware(ctx)
                    ctx = await given if inspect.isawaitable(given) else given
                check_context(middleware, ctx)
            return result_of(call, await function.handler(ctx, **function.defaults.fill(call.values)))
        except BaseException as error:
            failure = error
            raise
    raise failure


def result_of(call: Call, value: Any) -> Any:
    """What a handler returned, checked, in the form that the caller asked for."""
    schema, name = call.function.result, call.function.name
    if value is not None and inspect.isawaitable(value):
        refuse_unawaited(call.function, value)
    checked = schema.check(name, value)
    if isinstance(checked, GeneratorType | AsyncGeneratorType):
        raise InvalidResult(f"{name} returned a generator, which would run after its end. Return a list instead")
    if call.form is ResultForm.JSON:
        return schema.to_json(name, checked, redacted=call.redacts_errors)
    if call.form is ResultForm.ENCODED:
        return schema.encode(name, checked, redacted=call.redacts_errors, camel=call.camel)
    return checked


def refuse_unawaited(function: AnyFunction, value: Any) -> NoReturn:
    """Fail a handler that returned what it should have awaited: its work would not be done, or not as part of it."""
    what = f"a {type(value).__name__} ({getattr(value, '__qualname__', value)})"
    if inspect.iscoroutine(value):
        value.close()  # or Python would warn that it was never awaited
    if function.kind is not Kind.ACTION:
        advice = "A transaction has nothing to await: call `def` functions, and wait for the outside world in an action"
    elif function.is_async:
        advice = "Write `await` before what it returns"
    else:
        advice = "Make it `async def` and write `await`; a decorator's wrapper around it has to be `async def` as well"
    raise InvalidResult(f"{function.place}: {function.name} returned {what}, which is not awaited. {advice}")


def check_context(middleware: Any, ctx: object) -> None:
    if not isinstance(ctx, Context):
        name = getattr(middleware, "__name__", middleware)
        raise TypeError(f"the middleware {name!r} gave {ctx!r} instead of a context. End it with `return ctx`")


def raise_in(thread: int, error: type[BaseException]) -> None:
    """Raise an exception between two lines of a thread. One that has not struck yet is replaced."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error))


def let_strike(error: type[BaseException]) -> None:
    """Let an interruption of this thread, if one is under way, strike here and nowhere else.

    It is not taken back: before 3.13 Python would look for it at every instruction from then on.
    """
    try:
        raise_in(threading.get_ident(), error)
        while True:
            pass
    except error:
        return
