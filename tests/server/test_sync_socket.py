"""The frames of one socket, beside what the server below it does by itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from convexpy.server.sync_socket import Disconnected, Socket


async def send_after_close(message: object) -> None:
    raise RuntimeError("Unexpected ASGI message 'websocket.send', after sending 'websocket.close'.")  # as uvicorn does


async def receive() -> dict[str, Any]:
    return {"type": "websocket.disconnect", "code": 1011}


def test_a_socket_that_was_closed_below_is_a_client_that_has_left() -> None:
    with pytest.raises(Disconnected):
        asyncio.run(Socket(receive, send_after_close, 100).send("{}"))
