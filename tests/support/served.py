"""An app that is served by uvicorn, on a thread of this process and a free port."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from convexpy import Convex
from support.waiting import PATIENCE_SECONDS, wait_until


@contextmanager
def served(convex: Convex, port: int = 0) -> Iterator[str]:
    """The address of the server, until the block ends: then its sockets are closed, as by a restart."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        config = uvicorn.Config(
            convex.asgi(), lifespan="off", log_config=None, ws="websockets-sansio", timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="served", daemon=True)
        thread.start()
        wait_until(lambda: server.started or not thread.is_alive(), "the server listens")
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(PATIENCE_SECONDS)
            assert not thread.is_alive()
