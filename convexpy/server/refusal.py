"""``Refused``: a request that no function answers, as ``{"code": …, "message": …}``."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from ..errors import InternalError, Overloaded, RepeatRefused, WriteConflict
from .access_log import NO_ANSWER, request_of
from .authenticator import AuthFailed

logger = logging.getLogger("convexpy.server")

# What the framework says of an address or a method, in the form of the other refusals.
CODES: Final = {404: "NotFound", 405: "MethodNotAllowed"}
NO_RESULTS: Final = (InternalError, Overloaded, RepeatRefused)
"""Errors that are no result of a function."""
TRY_AGAIN: Final = "Your request couldn't be completed. Try again later."


class Refused(Exception):
    """A request is malformed, not allowed, or too much.

    Attributes:
        status: The HTTP status.
        code: A short name for programs, such as ``BadJsonBody``.
        message: What is wrong, for the client.
    """

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers

    @property
    def response(self) -> Response:
        """The answer to the request."""
        body = to_json({"code": self.code, "message": self.message})
        return Response(body, self.status, self.headers, media_type="application/json")


def bad_request(message: str, code: str = "BadJsonBody") -> Refused:
    """A request that cannot be understood."""
    return Refused(400, code, message)


async def answer_refused(request: Request, error: Exception) -> Response:
    """The answer to a request whose endpoint raised ``Refused``, or what stands for it."""
    if isinstance(error, Refused):
        return error.response
    if isinstance(error, AuthFailed):
        return Refused(error.status, error.code, error.message).response
    if isinstance(error, ClientDisconnect):  # while it sent its body: the answer is for the log
        return Refused(NO_ANSWER, "ClientDisconnected", "the client has left").response
    assert isinstance(error, HTTPException)
    code = CODES.get(error.status_code, "BadRequest")
    return Refused(error.status_code, code, error.detail, error.headers).response


async def answer_failed(request: Request, error: Exception) -> Response:
    """The answer to a request whose endpoint failed otherwise, which is a fault of the server's own."""
    logger.error("%s failed", request.url.path, exc_info=error, extra={"request": str(request_of(request.scope))})
    return Refused(500, "InternalServerError", TRY_AGAIN).response


def refusal_of(error: InternalError | Overloaded | RepeatRefused) -> Refused:
    """What failed before or after the function itself."""
    if isinstance(error, RepeatRefused):
        return Refused(error.status, "IdempotencyKeyUsed", error.message)
    if isinstance(error, Overloaded):
        return Refused(503, "TooManyConcurrentRequests", error.message)
    if isinstance(error, WriteConflict):
        return Refused(503, "OptimisticConcurrencyControlFailure", TRY_AGAIN)
    return Refused(500, "InternalServerError", TRY_AGAIN)
