"""Something between a client and a PostgreSQL server that does what PgBouncer does to a connection."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Message = tuple[bytes, bytes]


@contextmanager
def relay(port: int, change: Callable[[bytes, bytes], Message | None]) -> Iterator[int]:
    """Listen on a port of its own and pass everything on; each message of the server is changed, or swallowed.

    Only for connections with sslmode=disable: the refusal of encryption is no message.
    """
    listening = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=accept, args=(listening, port, change), daemon=True).start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()


def accept(listening: socket.socket, port: int, change: Callable[[bytes, bytes], Message | None]) -> None:
    with suppress(OSError):
        while True:
            client, _ = listening.accept()
            server = socket.create_connection(("127.0.0.1", port))
            threading.Thread(target=pump, args=(client, server), daemon=True).start()
            threading.Thread(target=answer, args=(server, client, change), daemon=True).start()


def pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError), source, target:
        while data := source.recv(65536):
            target.sendall(data)


def answer(server: socket.socket, client: socket.socket, change: Callable[[bytes, bytes], Message | None]) -> None:
    with suppress(OSError, struct.error), server, client, server.makefile("rb") as stream:
        while kind := stream.read(1):
            (length,) = struct.unpack("!I", stream.read(4))
            changed = change(kind, stream.read(length - 4))
            if changed is not None:
                client.sendall(changed[0] + struct.pack("!I", len(changed[1]) + 4) + changed[1])


def as_it_is(kind: bytes, body: bytes) -> Message | None:
    return kind, body


def as_a_pooler(kind: bytes, body: bytes) -> Message | None:
    """Another process id than the server's, and no notifications."""
    if kind == b"A":
        return None
    return (kind, struct.pack("!I", 77) + body[4:]) if kind == b"K" else (kind, body)
