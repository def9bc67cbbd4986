"""A call, one function with its checked arguments, and what came of it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Literal, Protocol

from ..database.requests import RequestKey
from ..errors import CallNotAllowed
from ..functions.declare import Kind
from ..functions.registry import AnyFunction
from .admin import Admin
from .events import Job, Scheduled
from .identity import Identity

Caller = Literal["python", "http", "socket", "cli", "dashboard"]
"""Where a request comes from."""


class RequestId:
    """The id of one request, which all calls have that are made for it. It is drawn when it is first asked for."""

    __slots__ = ("_text", "caller", "function", "started")

    def __init__(self, text: str | None = None, caller: Caller | None = None) -> None:
        self._text = text
        self.caller = caller
        self.function: str | None = None
        """The function that was called first. None: none was."""
        self.started: datetime | None = None

    def begin(self, function: str, caller: Caller, now: datetime) -> None:
        """A function is called for it. ``caller``: unless it is known already."""
        if self.function is None:
            self.function, self.started, self.caller = function, now, self.caller or caller

    def __str__(self) -> str:
        if self._text is None:
            self._text = secrets.token_hex(8)
        return self._text


class CommitWatch(Protocol):
    """Is told of the COMMIT of a mutation, on its thread. It must return at once."""

    def begins(self) -> None:
        """It is sent next."""
        ...

    def committed(self) -> None:
        """It has returned, and nothing else was told so yet."""
        ...


class ResultForm(Enum):
    """In which form a caller wants a result."""

    PYTHON = "python"
    """As the handler returned it, checked."""
    JSON = "json"
    """As JSON values."""
    ENCODED = "encoded"
    """As ``bytes``: JSON in Convex's encoding, for clients."""


@dataclass(frozen=True, slots=True)
class Call:
    """One function, with its checked arguments, on behalf of an identity or of a job."""

    function: AnyFunction
    values: dict[str, Any]
    identity: Identity | None = None
    job: Job | None = None
    form: ResultForm = ResultForm.PYTHON
    """In which form the result is wanted."""
    camel: bool = False
    """Of an encoded result: whether names are camelCase."""
    redacts_errors: bool = False
    """Whether errors of jobs that are not for clients are left out of these."""
    journal: str | None = None
    """Of a query that makes a page: where the page ended before, so that it ends there again."""
    request: RequestId = field(default_factory=RequestId)
    commit_watch: CommitWatch | None = None
    """Told of the COMMIT of a mutation."""
    request_key: RequestKey | None = None
    """A mutation runs once for a key: a repeated one returns the first result, which is wanted as JSON or encoded."""
    given: object = None
    """The arguments as a client gave them, by which a repeated request is recognized."""
    attempt: int = 1
    """Of a mutation that is called directly: how often it was begun, after conflicts and failures of the database."""
    admin: Admin | None = None
    """The rights of the admin key with which a client calls. None: it has shown none."""

    @property
    def is_watching(self) -> bool:
        """Whether it only serves to show a page of the dashboard: it is no run of the app."""
        return self.admin is not None and self.admin.is_watching(self.function.name)


@dataclass(frozen=True, slots=True)
class CallResult:
    """What a call has returned and scheduled, and how long its handler took."""

    value: Any
    scheduled: tuple[Scheduled, ...] = ()
    seconds: float = 0.0
    is_replay: bool = False
    """Whether it is the result of an earlier run, for the same request."""


def check_kind(kind: Kind, function: AnyFunction) -> None:
    """``run_query`` calls queries, and so on."""
    if function.kind is not kind:
        raise CallNotAllowed(f"run_{kind} calls {kind.phrase}, but {function.name} is {function.kind.phrase}")
