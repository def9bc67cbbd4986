"""``sync_endpoint``: the WebSockets of an app, at ``/api/{version}/sync`` and ``/api/sync``."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeAlias

from starlette.requests import HTTPConnection
from starlette.websockets import WebSocketClose

from .authenticator import AuthFailed
from .backend import Backend
from .principal import ANONYMOUS, Caller
from .stop_notice import notice_of
from .sync_connection import Peer, SyncConnection
from .sync_failures import QueryFailures
from .sync_socket import POLICY_VIOLATION, RESTART, Disconnected, Ending, Receive, Send, Socket

access = logging.getLogger("convexpy.access")

SPLITS_FROM: Final = (1, 28)
"""From this version on the client from npm takes a long Transition in pieces. Others do not."""


Admit: TypeAlias = Callable[[HTTPConnection], Awaitable[Caller]]


class SyncEndpoint:
    """An ASGI app for WebSockets. It belongs to one event loop."""

    def __init__(self, backend: Backend, admit: Admit | None = None) -> None:
        """``admit`` finds the caller of a socket, and raises ``AuthFailed`` if it is refused. None: all are let in."""
        self._backend = backend
        self._admit = admit
        self._failures = QueryFailures(debug=backend.settings.debug)
        self._connections: set[SyncConnection] = set()
        self._running: set[asyncio.Task[bytes]] = set()
        self._is_draining = False

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serve one client."""
        notice = notice_of(scope)
        if notice is not None:
            notice.drain_with(self.drain)
        caller = Caller(self._backend.auth, ANONYMOUS)
        if self._admit is not None:
            try:
                caller = await self._admit(HTTPConnection(scope))
            except AuthFailed as error:
                await WebSocketClose(POLICY_VIOLATION, error.code)(scope, receive, send)
                return
        socket = Socket(receive, send, self._backend.settings.max_body_bytes)
        began = time.perf_counter()
        try:
            await socket.accept()
        except (Disconnected, OSError):
            return
        if self._is_draining:
            await socket.close(Ending(RESTART, "Restart"))
            return
        connection = SyncConnection(self._backend, socket, self._failures, self._start, peer_of(scope), caller)
        self._connections.add(connection)
        self._count(1)
        ending: Ending | None = None
        try:
            ending = await connection.run()
        finally:
            self._connections.discard(connection)
            self._count(-1)
            log_access(scope, socket, ending, time.perf_counter() - began)

    def _count(self, change: int) -> None:
        if self._backend.metrics is not None:
            self._backend.metrics.sockets.inc(change)

    async def drain(self, seconds: float) -> None:
        """Disconnect all clients with 1012, after what runs for them has ended, or after so many seconds.

        New ones are refused. Clients connect again, to another process or the next one, and send again what was not
        answered.
        """
        self._is_draining = True
        connections = list(self._connections)
        if connections:
            drains = [asyncio.ensure_future(connection.drain()) for connection in connections]
            _, late = await asyncio.wait(drains, timeout=seconds)
            for task in late:
                task.cancel()
        for connection in connections:
            connection.end(Ending(RESTART, "Restart"))

    def _start(self, work: Coroutine[Any, Any, bytes]) -> asyncio.Task[bytes]:
        """Run a call, which goes on if its socket is closed."""
        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[bytes]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # a socket that is closed asks for it no more


def peer_of(scope: Any) -> Peer:
    """The client of a socket, by its address and the version in the path."""
    client = scope.get("client")
    found = re.match(r"(\d{1,5})\.(\d{1,5})", scope.get("path_params", {}).get("version", ""))
    takes_pieces = found is not None and (int(found[1]), int(found[2])) >= SPLITS_FROM
    return Peer(None if client is None else client[0], takes_pieces)


def log_access(scope: Any, socket: Socket, ending: Ending | None, seconds: float) -> None:
    code = "left" if ending is None else ending.code
    access.info(
        "WS %s %s, %.1f s, %d in, %d out",
        *(scope["path"], code, seconds, socket.received, socket.sent),
        extra={"path": scope["path"], "status": code, "seconds": round(seconds, 1)},
    )


def sync_endpoint(backend: Backend, admit: Admit | None = None) -> SyncEndpoint:
    """The endpoint of an app's sockets."""
    return SyncEndpoint(backend, admit)
