"""What is pushed by hand: the writer announces its channel, one process runs the query and sends it to its sockets."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections import defaultdict

import psycopg
from sqlalchemy.orm import Session
from websockets.asyncio.server import ServerConnection, broadcast, serve

from ..app.models import newest_of
from ..config import Config
from .session import engine


class PushServer:
    """Sends the newest numbers of a channel to the sockets that asked for it: at once, and when it is announced."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._engine = engine(config, threads=2)
        self._sockets: dict[int, set[ServerConnection]] = defaultdict(set)

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._listen, args=(loop,), daemon=True).start()
        async with serve(
            self._follow, "127.0.0.1", int(self._config.options["port"]), compression=None, backlog=1000
        ) as server:
            await server.serve_forever()

    async def _follow(self, socket: ServerConnection) -> None:
        channel = int(await socket.recv())
        sockets = self._sockets[channel]
        sockets.add(socket)
        try:
            await socket.send(await asyncio.to_thread(self._newest, channel))
            await socket.wait_closed()
        finally:
            sockets.discard(socket)

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        with psycopg.connect(self._config.name, autocommit=True) as listening:
            listening.execute("LISTEN message")
            for notification in listening.notifies():
                channel = int(notification.payload)
                loop.call_soon_threadsafe(broadcast, self._sockets[channel], self._newest(channel))

    def _newest(self, channel: int) -> str:
        with Session(self._engine) as session:
            return json.dumps(list(session.scalars(newest_of(channel))))


if __name__ == "__main__":
    import uvloop

    uvloop.run(PushServer(Config.from_json(sys.argv[1])).run())
