"""``ScheduledFunction``: one job as user code sees it, in results, in joins and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, cast, get_args, overload

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema
from pydantic_core.core_schema import SerializationInfo
from sqlalchemy import inspect
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute, Mapped

from ..clock import unix_milliseconds
from ..errors import HTTP_STATUS
from . import tables
from .types import JobId

REDACTED: Final = "INTERNAL_SERVER_ERROR: the function failed"

StateKind = Literal["pending", "inProgress", "success", "failed", "canceled"]
STATE_KINDS: tuple[StateKind, ...] = get_args(StateKind)


@dataclass(frozen=True)
class JobState:
    """Where a job is in its life. ``inProgress`` is for actions only."""

    kind: StateKind
    error: str | None = None
    trace: str | None = None
    """The traceback of the error and of its causes. For the server's eyes: it is in no JSON."""


def is_for_clients(error: str) -> bool:
    """Whether a job's error was meant for its caller: it begins with a code, or says that the process is gone."""
    first, colon, _ = error.partition("\n")[0].partition(":")
    return first in HTTP_STATUS if colon else " " in first


class StateAttribute:
    """``job.state.kind`` on a row, and ``ScheduledFunction.state.kind == "pending"`` in a WHERE clause."""

    @overload
    def __get__(self, row: None, owner: type[ScheduledFunction]) -> StateColumns: ...
    @overload
    def __get__(self, row: ScheduledFunction, owner: type[ScheduledFunction]) -> JobState: ...
    def __get__(self, row: ScheduledFunction | None, owner: type[ScheduledFunction]) -> JobState | StateColumns:
        if row is None:
            return StateColumns(owner)
        return JobState(cast(StateKind, row.state_kind), row.state_error, row.state_trace)


class StateColumns:
    """The columns behind ``ScheduledFunction.state``."""

    def __init__(self, owner: type[ScheduledFunction]) -> None:
        self.kind: InstrumentedAttribute[str] = owner.state_kind
        self.error: InstrumentedAttribute[str | None] = owner.state_error
        self.trace: InstrumentedAttribute[str | None] = owner.state_trace


class Base(DeclarativeBase):
    """The base of the framework's mapped class, apart from any base of the user's."""

    metadata = tables.metadata


class ScheduledFunction(Base):
    """A job: a function that was scheduled, and what became of it. Read-only for user code."""

    __table__ = tables.jobs

    if TYPE_CHECKING:
        id: Mapped[JobId]
        name: Mapped[str]
        kind: Mapped[str]
        args: Mapped[dict[str, Any]]
        scheduled_time: Mapped[datetime]
        completed_time: Mapped[datetime | None]
        state_kind: Mapped[str]
        state_error: Mapped[str | None]
        state_trace: Mapped[str | None]
        cron: Mapped[str | None]
        parent: Mapped[JobId | None]
        request: Mapped[str | None]
        origin: Mapped[str | None]
        attempts: Mapped[int]
        last_error: Mapped[str | None]
        next_try: Mapped[datetime | None]
        started_time: Mapped[datetime | None]

    state = StateAttribute()

    def to_json(self, *, redacted: bool = False) -> dict[str, Any]:
        """The document that clients get: times in Unix milliseconds, ``completedTime`` left out until done.

        Args:
            redacted: Say of an error that was not meant for the caller only that there was one.
        """
        document: dict[str, Any] = {
            "id": self.id,
            "name": self.name,
            "args": self.args,
            "scheduledTime": unix_milliseconds(self.scheduled_time),
            "state": {"kind": self.state_kind},
            "cron": self.cron,
        }
        if self.completed_time is not None:
            document["completedTime"] = unix_milliseconds(self.completed_time)
        if self.state_error is not None:
            is_shown = not redacted or self.state_kind != "failed" or is_for_clients(self.state_error)
            document["state"]["error"] = self.state_error if is_shown else REDACTED
        return document

    def __repr__(self) -> str:
        if inspect(self).detached and "name" not in self.__dict__:
            return "<ScheduledFunction, detached>"
        return f"<ScheduledFunction {self.id} {self.name} {self.state_kind}>"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.is_instance_schema(
            cls,
            serialization=core_schema.plain_serializer_function_ser_schema(
                to_document, info_arg=True, when_used="json"
            ),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        milliseconds = {"type": "integer", "description": "Unix milliseconds"}
        state = {
            "type": "object",
            "properties": {"kind": {"enum": list(STATE_KINDS)}, "error": {"type": "string"}},
            "required": ["kind"],
        }
        properties = {
            "id": {"type": "string"},
            "name": {"type": "string"},
            "args": {"type": "object"},
            "scheduledTime": milliseconds,
            "completedTime": milliseconds,
            "state": state,
            "cron": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        }
        required = [name for name in properties if name != "completedTime"]
        return {"title": "ScheduledFunction", "type": "object", "properties": properties, "required": required}


def to_document(job: ScheduledFunction, info: SerializationInfo[Any]) -> dict[str, Any]:
    """A job in a result that is turned into JSON."""
    return job.to_json(redacted=bool(info.context) and info.context["redacted"])
