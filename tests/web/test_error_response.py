"""What a client is told of an error, without any web framework: the handler is plain ASGI."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest

from convexpy import ConvexError, InternalError, InvalidResult, ReadOnlyError, TransactionEnded, WriteConflict
from convexpy.web import install_error_handler

SECRET = "INSERT INTO cards VALUES ('4111')"


def sent(error: ConvexError) -> list[dict[str, Any]]:
    """The messages that an ASGI server gets for a request whose endpoint raised this."""
    handlers: dict[Any, Any] = {}
    install_error_handler(SimpleNamespace(add_exception_handler=handlers.__setitem__))
    messages: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    async def answer() -> None:
        request = SimpleNamespace(url=SimpleNamespace(path="/orders"))
        response = await handlers[ConvexError](request, error)
        await response({"type": "http"}, None, send)

    asyncio.run(answer())
    return messages


def test_code_message_and_data_reach_the_client() -> None:
    start, body = sent(ConvexError("CONFLICT", "it is sold", {"by": "ada"}))
    assert start["status"] == 409
    document = {"status": "error", "errorMessage": "it is sold", "errorCode": "CONFLICT", "errorData": {"by": "ada"}}
    assert json.loads(body["body"]) == document


@pytest.mark.parametrize("kind", [InternalError, WriteConflict, InvalidResult, ReadOnlyError, TransactionEnded])
def test_no_client_reads_what_the_database_said(kind: type[ConvexError], caplog: pytest.LogCaptureFixture) -> None:
    error = kind(SECRET)  # type: ignore[call-arg, arg-type]
    start, body = sent(error)
    assert start["status"] == error.status
    assert SECRET not in body["body"].decode()
    assert SECRET in caplog.text
