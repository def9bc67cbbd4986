"""The errors of convexpy: a code, a message, and data for programs."""

from __future__ import annotations

from typing import Final, Literal

# The codes of tRPC, which client libraries know.
ErrorCode = Literal[
    "PARSE_ERROR",
    "BAD_REQUEST",
    "UNAUTHORIZED",
    "PAYMENT_REQUIRED",
    "FORBIDDEN",
    "NOT_FOUND",
    "METHOD_NOT_SUPPORTED",
    "TIMEOUT",
    "CONFLICT",
    "PRECONDITION_FAILED",
    "PAYLOAD_TOO_LARGE",
    "UNSUPPORTED_MEDIA_TYPE",
    "UNPROCESSABLE_CONTENT",
    "PRECONDITION_REQUIRED",
    "TOO_MANY_REQUESTS",
    "CLIENT_CLOSED_REQUEST",
    "INTERNAL_SERVER_ERROR",
    "NOT_IMPLEMENTED",
    "BAD_GATEWAY",
    "SERVICE_UNAVAILABLE",
    "GATEWAY_TIMEOUT",
]

HTTP_STATUS: Final[dict[ErrorCode, int]] = {
    "PARSE_ERROR": 400,
    "BAD_REQUEST": 400,
    "UNAUTHORIZED": 401,
    "PAYMENT_REQUIRED": 402,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "METHOD_NOT_SUPPORTED": 405,
    "TIMEOUT": 408,
    "CONFLICT": 409,
    "PRECONDITION_FAILED": 412,
    "PAYLOAD_TOO_LARGE": 413,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "UNPROCESSABLE_CONTENT": 422,
    "PRECONDITION_REQUIRED": 428,
    "TOO_MANY_REQUESTS": 429,
    "CLIENT_CLOSED_REQUEST": 499,
    "INTERNAL_SERVER_ERROR": 500,
    "NOT_IMPLEMENTED": 501,
    "BAD_GATEWAY": 502,
    "SERVICE_UNAVAILABLE": 503,
    "GATEWAY_TIMEOUT": 504,
}


NO_TEXT: Final = "<no text: its __str__ raised "


def text_of(error: BaseException) -> str:
    """The text of an error. There is one even if its ``__str__`` raises, or returns something else."""
    try:
        return str(error)
    except (Exception, SystemExit, GeneratorExit) as failure:
        return f"{NO_TEXT}{type(failure).__name__}>"


class ConvexError(Exception):
    """An error for the caller: its code, message and data reach the client unchanged.

    Args:
        code: One of the 21 tRPC codes, such as ``"BAD_REQUEST"`` or ``"NOT_FOUND"``.
        message: The text for users. By default the code.
        data: A JSON value, for programs.

    Raises:
        ValueError: The code is not one of the 21.
    """

    # For a subclass whose __init__ does not call this one.
    code: ErrorCode = "INTERNAL_SERVER_ERROR"
    message: str = "an error without a message: its __init__ does not call super().__init__(code, message)"
    data: object = None

    def __init__(self, code: ErrorCode, message: str | None = None, data: object = None) -> None:
        if code not in HTTP_STATUS:
            raise ValueError(f"{code!r} is not an error code. Use one of: {', '.join(HTTP_STATUS)}")
        super().__init__(code, message, data)
        self.code = code
        self.message = message if message is not None else code
        self.data = data

    @property
    def status(self) -> int:
        """The HTTP status of the code."""
        return HTTP_STATUS[self.code]

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class InvalidArguments(ConvexError, ValueError):
    """The arguments of a call do not match the function's signature. ``data["issues"]`` lists every problem."""

    def __init__(self, message: str, data: object = None) -> None:
        super().__init__("BAD_REQUEST", message, data)

    def __reduce__(self) -> tuple[type[InvalidArguments], tuple[str, object]]:
        return type(self), (self.message, self.data)


class InvalidResult(ConvexError):
    """A handler's result does not match its return annotation. Nothing was written."""

    def __init__(self, message: str) -> None:
        super().__init__("INTERNAL_SERVER_ERROR", message)


class FunctionNotFound(ConvexError, LookupError):
    """No function has this name."""

    def __init__(self, message: str) -> None:
        super().__init__("NOT_FOUND", message)


class CallNotAllowed(ConvexError, AttributeError):
    """A call that this kind of function does not allow: a query that schedules, a mutation that calls an action, …"""

    def __init__(self, message: str) -> None:
        super().__init__("METHOD_NOT_SUPPORTED", message)


class InvalidSchedule(ConvexError, ValueError):
    """An invalid schedule or cancel. Nothing was scheduled or canceled."""

    def __init__(self, message: str) -> None:
        super().__init__("BAD_REQUEST", message)


class ScheduleLimitExceeded(InvalidSchedule):
    """One function call scheduled too many functions, or too many bytes of arguments."""


class ReadOnlyError(ConvexError):
    """A query tried to write, or user code tried to write to a table of the framework."""

    def __init__(self, message: str) -> None:
        super().__init__("INTERNAL_SERVER_ERROR", message)


class TransactionEnded(ConvexError):
    """The transaction of a call ended before the framework committed it. Nothing was written."""

    def __init__(self, message: str) -> None:
        super().__init__("INTERNAL_SERVER_ERROR", message)


class FunctionTimeout(ConvexError, TimeoutError):
    """A function ran longer than its time limit. A query or mutation wrote nothing; an action may have run in part."""

    def __init__(self, message: str) -> None:
        super().__init__("TIMEOUT", message)


class InternalError(ConvexError):
    """The database, not the function, failed at every attempt. Nothing was written."""

    def __init__(self, message: str, code: ErrorCode = "INTERNAL_SERVER_ERROR") -> None:
        super().__init__(code, message)


class CommitUnknown(ConvexError):
    """The connection broke during COMMIT, and the outcome could not be read since. All was written, or nothing."""

    def __init__(self, message: str) -> None:
        super().__init__("INTERNAL_SERVER_ERROR", message)


class WriteConflict(InternalError):
    """A mutation conflicted with other transactions at every attempt. Nothing was written."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "CONFLICT")


class Overloaded(ConvexError):
    """Too many calls of clients wait already. Nothing of this one has begun."""

    def __init__(self, message: str = "too many calls wait already: call again later") -> None:
        super().__init__("SERVICE_UNAVAILABLE", message)


class RepeatRefused(ConvexError):
    """A request has the key of an earlier one, and cannot have its result. Nothing was done this time."""


class SubscriptionClosed(ConvexError):
    """``updates.get()`` of a subscription that was closed, by itself or with the app."""

    def __init__(self, message: str = "the subscription is closed") -> None:
        super().__init__("CLIENT_CLOSED_REQUEST", message)


class LiveCheckError(Exception):
    """The value of a live query changed although no commit touched what it read. Only ``live_check`` finds it."""


class LoadError(Exception):
    """The app cannot be loaded. ``problems`` lists every problem, with file and line."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class DatabaseError(Exception):
    """The database cannot be used: it is not a database, not migrated, newer than this version, read-only, …"""


class SettingsError(Exception):
    """A setting is missing or wrong."""
