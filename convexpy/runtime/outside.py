"""What an action may do to the database: every call, every schedule and every look is a transaction of its own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from ..database.scheduled_function import ScheduledFunction
from ..database.types import JobId
from ..functions.declare import Kind
from .call import Call, Calls, check_kind
from .events import Scheduled
from .job_reader import System
from .schedule import Limits, ScheduleBuffer, time_after, time_at

T = TypeVar("T")


class ActionCaller:
    """The calls, schedules and looks of one run of an action, on the calling thread."""

    def __init__(self, calls: Calls, parent: Call, act: Callable[[Call], Any]) -> None:
        self._calls = calls
        self._parent = parent
        self._act = act
        self._limits = Limits(calls.settings)
        self.scheduled: list[Scheduled] = []
        self.schedule = ScheduleCalls(self)
        self.system = SystemCalls(self)

    def attributes(self) -> dict[str, Any]:
        """What the context of the action holds besides what is awaited or not."""
        return {
            "identity": self._parent.identity,
            "now": self._calls.clock.now(),
            "function": self._parent.function,
            "job": self._parent.job,
        }

    def call(self, kind: Kind, target: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        call = self.bind(kind, target, args, kwargs)
        return self._act(call) if kind is Kind.ACTION else self.transact(call)

    def bind(self, kind: Kind, target: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        call = self._calls.bind(target, args, kwargs, self._parent.identity, self._parent.job)
        check_kind(kind, call.function)
        return call

    def transact(self, call: Call) -> Any:
        if call.function.kind is Kind.QUERY:
            return self._calls.query(call)
        return self._calls.mutation(call).result

    def commit_schedule(self, change: Callable[[ScheduleBuffer, datetime], T]) -> T:
        """One schedule or cancel, committed before it returns."""
        calls, now = self._calls, self._calls.clock.now()
        buffer = ScheduleBuffer(
            calls.registry, calls.database.new_job_id, now, self._limits, self._parent.job, finishes_job=False
        )
        result = change(buffer, now)

        def commit() -> None:
            with calls.database.write_internal(sync="as set", logged=True) as connection:
                buffer.write(connection, now)

        calls.retried(self._parent.function.name, commit)
        self.scheduled.extend(buffer.scheduled())
        calls.feed.announce()
        return result

    def look(self, read: Callable[[System], T]) -> T:
        def look() -> T:
            with self._calls.database.read() as held:
                return read(System(held.connection, None, self._calls.clock.now()))

        return self._calls.retried(self._parent.function.name, look)


class ScheduleCalls:
    """``ctx.schedule`` of an action."""

    def __init__(self, outside: ActionCaller) -> None:
        self._outside = outside

    def now(self, function: object, /, *args: Any, **kwargs: Any) -> JobId:
        return self._outside.commit_schedule(lambda buffer, now: buffer.add(now, function, args, kwargs))

    def after(self, delay: timedelta | float, function: object, /, *args: Any, **kwargs: Any) -> JobId:
        return self._outside.commit_schedule(
            lambda buffer, now: buffer.add(time_after(now, delay), function, args, kwargs)
        )

    def at(self, when: datetime | float, function: object, /, *args: Any, **kwargs: Any) -> JobId:
        return self._outside.commit_schedule(lambda buffer, now: buffer.add(time_at(now, when), function, args, kwargs))

    def cancel(self, job_id: JobId, /) -> None:
        self._outside.commit_schedule(lambda buffer, now: buffer.cancel(job_id))


class SystemCalls:
    """``ctx.system`` of an action."""

    def __init__(self, outside: ActionCaller) -> None:
        self._outside = outside

    def get(self, job_id: str, /) -> ScheduledFunction | None:
        return self._outside.look(lambda system: system.get(job_id))

    def scheduled_functions(self, **wanted: Any) -> list[ScheduledFunction]:
        return self._outside.look(lambda system: system.scheduled_functions(**wanted))
