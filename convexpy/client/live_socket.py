"""``LiveSocket``: the subscriptions of a client over one WebSocket, which is opened again whenever it breaks."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import re
import secrets
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from ..errors import ConvexError
from ..live.updates import Latest, Update
from .backoff import pause_seconds
from .failures import function_error
from .tokens import Token, current_token
from .values import parse

logger = logging.getLogger("convexpy.client")

SILENCE_SECONDS: Final = 45.0
"""The server says something every 15 seconds. After so long without, the connection counts as broken."""
CLOSE_SECONDS: Final = 1.0
WARNED_AFTER: Final = 4
"""So many failures in a row are more than a restart."""
LARGEST_FRAME: Final = 256 * 1024 * 1024
REQUEST_ID: Final = re.compile(r"^\[Request ID: [^\]]*\] ")


class SocketEnded(Exception):
    """The server ended the connection."""


class TokenRefused(Exception):
    """The server did not accept the token, or does so no longer."""


class ProtocolError(Exception):
    """The server does not understand this client."""


@dataclass(frozen=True, slots=True)
class LiveQuery:
    """A query that is subscribed to."""

    name: str
    arguments: bytes
    read: Callable[[object], Any]
    """Makes a value of what the server sends."""
    latest: Latest


class LiveSocket:
    """It belongs to one event loop, and is connected for as long as there are subscriptions."""

    def __init__(self, url: str, token: Token, agent: str) -> None:
        self._url = re.sub("^http", "ws", url) + "/api/sync"
        self._shown_url = url
        self._token = token
        self._agent = agent
        self._session = str(uuid.UUID(bytes=secrets.token_bytes(16), version=4))
        self._queries: dict[int, LiveQuery] = {}
        self._next_number = 0
        self._changes: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._connections = 0
        self._last_close = "InitialConnect"
        self._observed: str | None = None
        # In a row: of connections that ended, and of tokens.
        self._failures = 0
        self._refusals = 0
        self._version = 0
        self._task: asyncio.Task[None] | None = None

    def add(self, query: LiveQuery) -> int:
        """Subscribe to a query. The number by which it is removed."""
        number, self._next_number = self._next_number, self._next_number + 1
        self._queries[number] = query
        self._changes.put_nowait(addition(number, query))
        if self._task is None:
            self._task = asyncio.ensure_future(self._run())
        return number

    def remove(self, number: int) -> None:
        """End a subscription. With the last one the connection ends."""
        if self._queries.pop(number, None) is None:
            return
        if self._queries:
            self._changes.put_nowait({"type": "Remove", "queryId": number})
        elif self._task is not None:
            self._task.cancel()
            self._task = None

    async def close(self) -> None:
        """End every subscription."""
        task, self._task = self._task, None
        queries, self._queries = self._queries, {}
        for query in queries.values():
            query.latest.close()
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        """Connect, and again whenever the connection breaks."""
        while True:
            try:
                await self._connect()
            except TokenRefused as refused:
                self._last_close = "AuthError"
                self._fail(ConvexError("UNAUTHORIZED", str(refused)))
            except ProtocolError as error:
                self._last_close = "FatalError"
                self._fail(ConvexError("INTERNAL_SERVER_ERROR", f"{self._shown_url} does not speak with it: {error}"))
            except (SocketEnded, OSError, WebSocketException, TimeoutError, ValueError) as error:
                self._last_close = str(error)[:100] or type(error).__name__
            self._failures += 1
            level = logging.WARNING if self._failures == WARNED_AFTER else logging.DEBUG
            logger.log(level, "%s: no connection for subscriptions: %s", self._shown_url, self._last_close)
            await asyncio.sleep(pause_seconds(self._failures))

    async def _connect(self) -> None:
        """One connection, from its beginning to its end."""
        token = await current_token(self._token)
        headers = {"Convex-Client": self._agent}
        connection = await connect(
            self._url, max_size=LARGEST_FRAME, close_timeout=CLOSE_SECONDS, additional_headers=headers
        )
        sending: asyncio.Future[None] | None = None
        try:
            await self._open(connection, token)
            sending = asyncio.ensure_future(self._send_changes(connection))
            await self._receive(connection)
        finally:
            if sending is not None:
                sending.cancel()
            try:
                await connection.close()
            finally:
                connection.transport.abort()  # if there was no time to say goodbye

    async def _open(self, connection: ClientConnection, token: str | None) -> None:
        """Say who connects, and what it subscribes to."""
        first = {
            "type": "Connect",
            "sessionId": self._session,
            "connectionCount": self._connections,
            "lastCloseReason": self._last_close,
            "clientTs": time.time_ns() // 1_000_000,
        }
        if self._observed is not None:
            first["maxObservedTimestamp"] = self._observed
        self._connections += 1
        await send(connection, first)
        if token is not None:
            authenticate = {"type": "Authenticate", "baseVersion": 0, "tokenType": "User", "value": token}
            await send(connection, authenticate)
        self._changes = asyncio.Queue()
        self._version = 0
        await self._change(connection, [addition(number, query) for number, query in self._queries.items()])

    async def _send_changes(self, connection: ClientConnection) -> None:
        """Send each change of the subscriptions, several at once if there are."""
        with suppress(WebSocketException):  # whoever receives meets it too
            while True:
                changes = [await self._changes.get()]
                while not self._changes.empty():
                    changes.append(self._changes.get_nowait())
                await self._change(connection, changes)

    async def _change(self, connection: ClientConnection, changes: list[dict[str, Any]]) -> None:
        base, self._version = self._version, self._version + 1
        versions = {"baseVersion": base, "newVersion": self._version}
        await send(connection, {"type": "ModifyQuerySet", **versions, "modifications": changes})

    async def _receive(self, connection: ClientConnection) -> None:
        while True:
            async with asyncio.timeout(SILENCE_SECONDS):
                text = await connection.recv(decode=True)
            message = parse(text)
            match message["type"]:
                case "Transition":
                    self._observed = message["endVersion"]["ts"]
                    self._failures = self._refusals = 0
                    for change in message["modifications"]:
                        self._apply(change)
                case "AuthError":
                    self._refusals += 1
                    if callable(self._token) and self._refusals == 1:
                        raise SocketEnded("AuthError")  # a newer token may be accepted
                    raise TokenRefused(message["error"])
                case "FatalError":
                    raise ProtocolError(message["error"])

    def _apply(self, change: dict[str, Any]) -> None:
        """A query has a new value, or an error."""
        query = self._queries.get(change["queryId"])
        if query is None or change["type"] == "QueryRemoved":
            return
        if change["type"] == "QueryFailed":
            query.latest.offer(failed(function_error(change["errorMessage"], change)))
            return
        try:
            value = query.read(change["value"])
        except ConvexError as error:
            query.latest.offer(failed(error))
            return
        query.latest.offer(Update(value, None, None, digest_of("value", change["value"])))

    def _fail(self, error: ConvexError) -> None:
        """No query has a value as long as this is so."""
        for query in self._queries.values():
            query.latest.offer(failed(error))


def addition(number: int, query: LiveQuery) -> dict[str, Any]:
    return {"type": "Add", "queryId": number, "udfPath": query.name, "args": [json.loads(query.arguments)]}


async def send(connection: ClientConnection, message: dict[str, Any]) -> None:
    await connection.send(json.dumps(message))


def failed(error: ConvexError) -> Update:
    """An update by which a query has an error. The id of a request makes no other one of it."""
    return Update(
        None, error, None, digest_of("error", [error.code, REQUEST_ID.sub("", error.message), repr(error.data)])
    )


def digest_of(kind: str, value: object) -> bytes:
    """What is equal for equal values."""
    return hashlib.blake2b(json.dumps([kind, value], sort_keys=True).encode(), digest_size=16).digest()
