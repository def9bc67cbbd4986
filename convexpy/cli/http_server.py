"""``HttpServer``: serves an app by HTTP and WebSocket, on a thread with an event loop of its own."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Coroutine
from socket import socket
from typing import TYPE_CHECKING, Any, Final

import uvicorn

from ..server.stop_notice import STATE_KEY, Drain, StopNotice
from .listener import url_of
from .server_limits import LimitedConfig, Limits, look_at, raise_file_limit

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from ..settings import Settings

TICKS_A_SECOND: Final = 10
EXIT_SECONDS: Final = 1.0


class HttpServer:
    """A server that listens at a bound socket. The socket is its own from now on.

    Args:
        app: The ASGI app.
        listener: A bound socket.
        settings: The settings of the app.
        limits: What one client may take. By default as many connections as this process may have files.
    """

    def __init__(self, app: ASGIApp, listener: socket, settings: Settings, limits: Limits | None = None) -> None:
        self._current = ServedApp(app)
        self._listener = listener
        self._grace = settings.stop_grace.total_seconds()
        self.url = url_of(listener)
        options: dict[str, Any] = {
            "ws_max_size": settings.max_body_bytes,
            "ws_per_message_deflate": False,  # it takes memory for each socket, and a small message may inflate
            "proxy_headers": bool(settings.forwarded_allow_ips),
            "forwarded_allow_ips": list(settings.forwarded_allow_ips),
            "server_header": False,
            "log_config": None,
            "log_level": logging.ERROR,  # what a client does wrong is no failure of the server
            "access_log": False,
            "interface": "asgi3",
            "lifespan": "off",  # the app is opened and closed by the process
        }
        config = LimitedConfig(self._answer, limits or Limits(connections=raise_file_limit()), **options)
        self._server = DrainingServer(config, self._drain)
        self._thread = threading.Thread(target=self._run, name="convexpy-http", daemon=True)

    def start(self) -> None:
        """Begin to serve.

        Raises:
            RuntimeError: The server does not start. The log says why.
        """
        self._thread.start()
        self._server.has_begun.wait()
        if not self._server.started:
            raise RuntimeError("the server does not start")

    def replace(self, app: ASGIApp) -> None:
        """Serve another app from now on. Sockets of the one before finish what they run, and come again."""
        before, self._current = self._current, ServedApp(app)
        self._server.submit(before.notice.give(self._grace))

    def connections(self) -> list[Any]:
        """The protocols of the open connections, for tests."""
        return list(self._server.server_state.connections)

    def stop(self, deadline: float) -> None:
        """Take no more connections, let requests and sockets finish until a time of the monotonic clock, and end."""
        self._current.notice.has_come = True
        self._server.stop_by(deadline)
        if self._thread.is_alive():
            self._thread.join(max(0.0, deadline - time.monotonic()) + EXIT_SECONDS)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        current = self._current
        scope["state"][STATE_KEY] = current.notice
        await current.app(scope, receive, send)

    async def _drain(self, seconds: float) -> None:
        await self._current.notice.give(seconds)

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._listener])
        finally:
            self._server.has_begun.set()


class ServedApp:
    """An app, and the notice for what runs in it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.notice = StopNotice()


class DrainingServer(uvicorn.Server):
    """uvicorn's server, which looks for slow clients, and waits for sockets before it closes them with code 1012.

    Args:
        drain: Lets sockets finish what they run.
    """

    config: LimitedConfig

    def __init__(self, config: LimitedConfig, drain: Drain) -> None:
        super().__init__(config)
        self.has_begun = threading.Event()
        self._drain = drain
        self._deadline = float("inf")
        self._loop: asyncio.AbstractEventLoop | None = None

    def submit(self, work: Coroutine[Any, Any, None]) -> None:
        """Run this on the event loop of the server, which has started."""
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(work, self._loop)

    def stop_by(self, deadline: float) -> None:
        """Stop soon, and discard what has not finished by this time of the monotonic clock."""
        self._deadline = deadline
        self.should_exit = True

    async def startup(self, sockets: list[socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self.has_begun.set()

    async def on_tick(self, counter: int) -> bool:
        if counter % TICKS_A_SECOND == 0:
            look_at(self.server_state.connections, asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        await self._drain(self._seconds_left())
        self.config.timeout_graceful_shutdown = self._seconds_left()  # type: ignore[assignment]  # wait_for takes it
        await super().shutdown(sockets)

    def _seconds_left(self) -> float:
        return max(0.0, self._deadline - time.monotonic())
