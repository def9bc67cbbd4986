"""Log lines of handlers, with the function, the job and the request that they belong to."""

from __future__ import annotations

import logging
from collections.abc import Mapping, MutableMapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from .call import Call

if TYPE_CHECKING:
    LoggerAdapter = logging.LoggerAdapter[logging.Logger]
else:
    LoggerAdapter = logging.LoggerAdapter

STANDARD: Final = frozenset({*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"})
"""The attributes of every record."""
RUNNING: Final[ContextVar[Call | None]] = ContextVar("convexpy_running", default=None)


class CallLog(LoggerAdapter):
    """``ctx.log``: a logger of the handler's module, whose records have ``function``, ``job`` and ``request``."""

    def __init__(self, call: Call) -> None:
        super().__init__(logging.getLogger(call.function.handler.__module__), origin_of(call))

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Add them to the ``extra`` of the caller, which wins."""
        given: Mapping[str, Any] = kwargs.get("extra") or {}
        return msg, {**kwargs, "extra": {**(self.extra or {}), **given}}


class CallFilter(logging.Filter):
    """Gives every record that is made while a handler runs its ``function``, ``job`` and ``request``.

    ``handler.addFilter(CallFilter())`` for a handler of ``logging``; `convexpy dev`, `start` and `worker` have it.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        call = RUNNING.get()
        if call is not None:
            for name, value in origin_of(call).items():
                vars(record).setdefault(name, value)
        return True


def origin_of(call: Call) -> dict[str, object]:
    """Where the lines of a call come from. ``job`` is None for a direct call."""
    return {
        "function": call.function.name,
        "job": call.job.id if call.job is not None else None,
        "request": str(call.request),
    }


def extra_of(record: logging.LogRecord) -> dict[str, Any]:
    """What a record has besides the attributes of every record: where it comes from, and its ``extra``."""
    return {name: value for name, value in vars(record).items() if name not in STANDARD}
