"""Errors of a server as exceptions: of a function, and of a request that no function answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..errors import HTTP_STATUS, ConvexError, ErrorCode
from .values import any_result

CODES: Final[dict[int, ErrorCode]] = {status: code for code, status in reversed(HTTP_STATUS.items())}
"""The code for each status of HTTP; of several, the first."""
CODES[400] = "BAD_REQUEST"


def function_error(message: str, document: Mapping[str, Any]) -> ConvexError:
    """The error of a function: with its code and data if it was meant for clients.

    Args:
        message: What the server says of it.
        document: The answer, in which ``errorData`` may be missing.
    """
    if "errorData" not in document:
        return ConvexError("INTERNAL_SERVER_ERROR", message)
    data = any_result("an error", document["errorData"])
    if isinstance(data, dict) and data.get("code") in HTTP_STATUS:
        return ConvexError(data["code"], str(data.get("message", data["code"])), data.get("data"))
    return ConvexError("INTERNAL_SERVER_ERROR", message, data)


def refusal(status: int, document: object) -> ConvexError:
    """The error of a request that the server refused, or could not answer."""
    fields = document if isinstance(document, dict) else {}
    message = str(fields.get("message") or f"the server answered with status {status}")
    code = CODES.get(status, "BAD_REQUEST" if status < 500 else "INTERNAL_SERVER_ERROR")
    return ConvexError(code, message, {"code": fields["code"]} if "code" in fields else None)
