"""A wire to the server that breaks after a certain byte, in one direction or the other."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Literal

Direction = Literal["to the server", "to the app"]
# What becomes of the bytes after the one at which the wire breaks: nothing, or they arrive once all is forgotten.
Rest = Literal["lost", "late"]
CHUNK: Final = 65536


class Tap:
    """A port that leads to a server. It breaks once, after so many bytes since it was armed."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._mutex = threading.Lock()
        self._left: int | None = None
        self._direction: Direction = "to the server"
        self._rest: Rest = "lost"
        self._released = threading.Event()
        self._delivered = threading.Event()
        self.struck = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._links: list[Link] = []
        self._threads = [threading.Thread(target=self._accept, name="tap", daemon=True)]
        self._threads[0].start()

    def arm(self, direction: Direction, after: int, rest: Rest) -> None:
        """Break after so many bytes in a direction, whichever connections carry them."""
        with self._mutex:
            self._direction, self._left, self._rest, self.struck = direction, after, rest, False
            self._released.clear()
            self._delivered.clear()

    def disarm(self) -> bool:
        """Break no more, and deliver what is late. Whether it broke."""
        with self._mutex:
            self._left = None
            late = self.struck and self._rest == "late" and self._direction == "to the server"
        self._released.set()
        if late and not self._delivered.wait(30):
            raise TimeoutError("the server did not close a connection whose client is gone")
        return self.struck

    def close(self) -> None:
        """Take no more connections, and end those that there are."""
        self._released.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # whoever waits in accept() would not be woken by close()
        self._threads[0].join()
        self._listener.close()
        for link in self._links:
            link.hang_up()
        for thread in self._threads:
            thread.join()
        for link in self._links:
            link.client.close()
            link.server.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self._server_port))
                except OSError:
                    reset(client)
                    continue
                self._links = [link for link in self._links if not link.is_over()]
                self._threads = [thread for thread in self._threads if thread.is_alive()]
                link = Link(client, server)
                self._links.append(link)
                for direction in ("to the server", "to the app"):
                    pump = threading.Thread(target=self._pump, args=(link, direction), daemon=True)
                    self._threads.append(pump)
                    pump.start()

    def _pump(self, link: Link, direction: Direction) -> None:
        try:
            self._carry(link, direction)
        finally:
            link.end_pump()

    def _carry(self, link: Link, direction: Direction) -> None:
        source, sink = link.ends(direction)
        with suppress(OSError):
            while said := source.recv(CHUNK):
                passes = self._how_many_pass(direction, len(said))
                sink.sendall(said[:passes])
                if passes < len(said):
                    self._break(link, direction, said[passes:])
                    return
        if not link.is_late:
            link.hang_up()

    def _how_many_pass(self, direction: Direction, size: int) -> int:
        with self._mutex:
            if self._left is None or direction != self._direction:
                return size
            if size <= self._left:
                self._left -= size
                return size
            passes, self._left, self.struck = self._left, None, True
            return passes

    def _break(self, link: Link, direction: Direction, rest: bytes) -> None:
        if self._rest == "lost" or direction == "to the app":
            reset(link.client)
            reset(link.server)
            return
        # The app sees a broken connection at once. The server does not, and hears the rest when all has been decided.
        link.is_late = True
        reset(link.client)
        self._released.wait()
        with suppress(OSError):
            link.server.sendall(rest)
            link.server.shutdown(socket.SHUT_WR)
            while link.server.recv(CHUNK):
                pass
        link.hang_up()
        self._delivered.set()


@dataclass
class Link:
    """One connection through the tap."""

    client: socket.socket
    server: socket.socket
    is_late: bool = False
    pumps: int = 2
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    def end_pump(self) -> None:
        """The last one closes both ends."""
        with self._mutex:
            self.pumps -= 1
            if self.pumps == 0:
                self.client.close()
                self.server.close()

    def is_over(self) -> bool:
        return self.pumps == 0

    def ends(self, direction: Direction) -> tuple[socket.socket, socket.socket]:
        """Where it is read from, and where it goes."""
        return (self.client, self.server) if direction == "to the server" else (self.server, self.client)

    def hang_up(self) -> None:
        for end in (self.client, self.server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def reset(end: socket.socket) -> None:
    """RST, as from a network that lost the connection."""
    with suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.shutdown(socket.SHUT_RDWR)
        end.close()
