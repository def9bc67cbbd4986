"""What a client is told of a call: its value, or its error with as much of it as is meant for clients."""

from __future__ import annotations

import logging
import os
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Final

from ..errors import (
    CallNotAllowed,
    CommitUnknown,
    ConvexError,
    FunctionNotFound,
    FunctionTimeout,
    InternalError,
    InvalidArguments,
    InvalidResult,
    InvalidSchedule,
    Overloaded,
    ReadOnlyError,
    TransactionEnded,
    text_of,
)
from ..functions.encoding import NotEncodable, encode_any
from ..runtime import handler

logger = logging.getLogger("convexpy.server")

FAILED: Final = 500
"""From this status on the fault is the server's."""
REDACTED: Final = (InternalError, InvalidResult, ReadOnlyError, TransactionEnded, CommitUnknown)
"""Errors of the server whose text may show statements, values and places."""
REDACTED_WITHIN: Final = (CallNotAllowed, FunctionNotFound, FunctionTimeout, InvalidArguments, InvalidSchedule)
"""Errors that tell a client what is wrong with its call. Of a call that a handler makes, they tell it of the server."""
RAISED: Final = (Exception, SystemExit, GeneratorExit)
"""What a call may raise. Let through, the exit of a handler would be that of the server."""
HANDLERS: Final[frozenset[CodeType]] = frozenset({handler.run_handler.__code__, handler.run_async_handler.__code__})
PACKAGE: Final = str(Path(__file__).parents[1]) + os.sep


@dataclass(frozen=True, slots=True)
class Described:
    """An error as clients read it."""

    message: str
    data: bytes | None = None
    """The JSON of an error with a code: ``{"code", "message", "data"}``. None: an error of the server."""
    is_convex_error: bool = False
    """Whether its code, message and data are for clients."""


def describe(error: BaseException, request_id: object, *, debug: bool) -> Described:
    """An error of a call as clients read it: ``[Request ID: …] Server Error``, and more of it if that is for them.

    Args:
        error: What the call raised.
        request_id: The id with which the log has the whole error.
        debug: Whether the error is shown in full, with its traceback.
    """
    first = f"[Request ID: {request_id}] Server Error"
    if isinstance(error, ConvexError) and not is_of_server(error):
        return Described(f"{first}\nUncaught ConvexError: {error.message}", encode_any(document_of(error)), True)
    if not debug:
        return Described(first)
    return Described(f"{first}\nUncaught {type(error).__name__}: {text_of(error)}\n{trace_of(error)}".rstrip())


def log_failure(error: BaseException, request_id: object, name: str) -> None:
    """Log an error that is a fault of the server, in full and under the id that the client gets."""
    if isinstance(error, Overloaded):  # when this happens, it happens often
        logger.warning("%s was refused: %s", name, error.message, extra={"request": str(request_id), "function": name})
        return
    if isinstance(error, ConvexError) and not is_of_server(error) and error.status < FAILED:
        return
    logger.error("%s failed", name, exc_info=error, extra={"request": str(request_id), "function": name})


def is_of_server(error: ConvexError) -> bool:
    """Whether an error with a code tells of the server's inside, and not of what the client did."""
    if isinstance(error, REDACTED):
        return True
    if not isinstance(error, REDACTED_WITHIN):
        return False
    frames = [frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)]
    return bool(frames) and frames[-1].co_filename.startswith(PACKAGE) and not HANDLERS.isdisjoint(frames)


def trace_of(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


def document_of(error: ConvexError) -> dict[str, object]:
    """An error with a code as a JSON object: ``{"code", "message", "data"}``. Data that is no JSON is left out."""
    document: dict[str, object] = {"code": error.code, "message": error.message}
    if error.data is None:
        return document
    try:
        encode_any(error.data)
    except NotEncodable as failure:
        logger.warning("the data of %s cannot be sent to clients: %s", type(error).__name__, failure)
        return document
    return {**document, "data": error.data}
