"""A port to the server whose connections break after a certain byte, in one direction or the other."""

from __future__ import annotations

import socket
import struct
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Literal

Direction = Literal["to the server", "to the app"]
# What becomes of the bytes behind the break: they are lost, or they arrive late, once all has been decided without
# them, which only happens to a server.
Rest = Literal["lost", "late"]
CHUNK: Final = 65536


@dataclass
class Break:
    """Where the connection breaks: after so many bytes in a direction, whichever connections carry them.

    Attributes:
        word: Not after a number of bytes, but where these bytes begin.
    """

    direction: Direction
    after: int = 0
    rest: Rest = "lost"
    word: bytes = b""

    def find(self, data: bytes) -> int | None:
        """Where it is in the next data, which counts from then on. None: further on."""
        if self.word:
            return data.find(self.word) if self.word in data else None
        if self.after < len(data):
            return self.after
        self.after -= len(data)
        return None


class Tap:
    """A port that leads to a server. It breaks at the points that were set; each counts from the one before."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._mutex = threading.Lock()
        self._breaks: deque[Break] = deque()
        self._released = threading.Event()
        self._late = 0
        self._delivered = threading.Semaphore(0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._links: list[Link] = []
        self._threads = [threading.Thread(target=self._accept, name="tap", daemon=True)]
        self._threads[0].start()

    def arm(self, *breaks: Break) -> None:
        """Break at each of these points, one after the other."""
        with self._mutex:
            self._breaks = deque(breaks)
            self._late = 0
            self._released.clear()

    def disarm(self) -> int:
        """Break no more, and deliver what is late. At how many of its points it did not break."""
        with self._mutex:
            left, late = len(self._breaks), self._late
            self._breaks.clear()
        self._released.set()
        for _ in range(late):
            if not self._delivered.acquire(timeout=30):
                raise TimeoutError("the server did not close a connection whose client is gone")
        return left

    def close(self) -> None:
        """Take no more connections, and end those that there are."""
        self._released.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # close() would not wake a thread in accept()
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
            while data := source.recv(CHUNK):
                passes, struck = self._how_many_pass(direction, data)
                sink.sendall(data[:passes])
                if struck is not None:
                    self._break(link, struck, data[passes:])
                    return
        if not link.is_late:
            link.hang_up()

    def _how_many_pass(self, direction: Direction, data: bytes) -> tuple[int, Break | None]:
        """How much of the data passes, and the break that it meets, if it meets one."""
        with self._mutex:
            point = self._breaks[0] if self._breaks else None
            if point is None or direction != point.direction or (passes := point.find(data)) is None:
                return len(data), None
            self._breaks.popleft()
            self._late += point.rest == "late"
            return passes, point

    def _break(self, link: Link, point: Break, rest: bytes) -> None:
        if point.rest == "lost":
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
        self._delivered.release()


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
