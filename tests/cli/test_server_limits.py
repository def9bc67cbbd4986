"""What one client may take of a server, with raw sockets against one server on a thread."""

from __future__ import annotations

import base64
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from convexpy import Settings
from convexpy.cli.http_server import HttpServer
from convexpy.cli.listener import bound
from convexpy.cli.server_limits import MOST_FRAGMENTS, Limits, Unread, raise_file_limit

DEADLINE_SECONDS = 20
LIMITS = Limits(connections=8, head_bytes=4096, head_seconds=0.3, request_seconds=0.6, unread_seconds=0.5)
MESSAGE_BYTES = 100_000
TEXT, CONTINUATION, PING = 1, 0, 9


class App:
    """An ASGI app that answers what a test needs to see, and says when it has ended with a client."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.received = threading.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await (self.http if scope["type"] == "http" else self.websocket)(scope, receive, send)
        finally:
            if scope["path"].startswith("/endless"):
                self.ended.set()

    async def http(self, scope: Any, receive: Any, send: Any) -> None:
        size, message = 0, {"more_body": True}
        while message.get("more_body"):
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            size += len(message["body"])
        body = b"%d bytes from %s by %s" % (size, scope["client"][0].encode(), scope["scheme"].encode())
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-size", b"%d" % len(body))]})
        for _ in range(200 if scope["path"] == "/endless" else 0):
            await send({"type": "http.response.body", "body": bytes(100_000), "more_body": True})
        await send({"type": "http.response.body", "body": body})

    async def websocket(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        for _ in range(200 if scope["path"] == "/endless" else 0):
            await send({"type": "websocket.send", "bytes": bytes(100_000)})
        while (message := await receive())["type"] != "websocket.disconnect":
            self.received.set()
            await send({"type": "websocket.send", "text": str(len(message["text"]))})


def serving(app: App, **settings: Any) -> Iterator[HttpServer]:
    listener = bound(Settings(port=0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)  # or the kernel takes megabytes for a dead reader
    server = HttpServer(app, listener, Settings(**settings), LIMITS)
    server.start()
    yield server
    server.stop(time.monotonic() + DEADLINE_SECONDS)


@pytest.fixture(scope="module")
def app() -> App:
    return App()


@pytest.fixture(scope="module")
def server(app: App) -> Iterator[HttpServer]:
    yield from serving(app, max_body_bytes=MESSAGE_BYTES)


@pytest.fixture
def connect(server: HttpServer) -> Iterator[Callable[[], socket.socket]]:
    """Makes connections that read little at once, and close after the test."""
    clients = []

    def new() -> socket.socket:
        client = connected(server)
        clients.append(client)
        return client

    yield new
    for client in clients:
        client.close()


def connected(server: HttpServer) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    client.settimeout(DEADLINE_SECONDS)
    client.connect(("127.0.0.1", int(server.url.rpartition(":")[2])))
    return client


def rest(client: socket.socket) -> bytes:
    """What comes until the server closes the connection."""
    received = b""
    try:
        while part := client.recv(65536):
            received += part
    except ConnectionResetError:
        pass
    return received


def request(path: str = "/", *headers: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "host: test", *headers, "", ""]).encode()


def open_socket(client: socket.socket, path: str = "/") -> socket.socket:
    key = base64.b64encode(bytes(16)).decode()
    upgrade = ["connection: upgrade", "upgrade: websocket", f"sec-websocket-key: {key}", "sec-websocket-version: 13"]
    client.sendall(request(path, *upgrade))
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += client.recv(1)
    assert answer.startswith(b"HTTP/1.1 101")
    return client


def frame(code: int, data: bytes = b"", *, fin: bool = True) -> bytes:
    """A frame as a client sends it, masked with zeros."""
    length = struct.pack("!B", 128 | len(data)) if len(data) < 126 else struct.pack("!BQ", 128 | 127, len(data))
    return bytes([(128 if fin else 0) | code]) + length + bytes(4) + data


@pytest.mark.parametrize(
    "begun", [b"", b"GET / HTTP/1.1\r\nhost: te", b"\r\n"], ids=["nothing", "half", "an-empty-line"]
)
def test_a_head_that_does_not_arrive_ends_the_connection(connect: Callable[[], socket.socket], begun: bytes) -> None:
    client = connect()
    client.sendall(begun)
    assert rest(client).startswith(b"HTTP/1.1 408 ")


def test_a_head_in_single_bytes_takes_no_longer(connect: Callable[[], socket.socket]) -> None:
    client = connect()
    client.sendall(b"GET / HTTP/1.1\r\nx: ")
    client.settimeout(0.05)
    received = b""
    while not received:
        client.sendall(b"x")
        with suppress(TimeoutError):
            received = client.recv(100)
    assert received.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("begun", [b"GET / HT", b"\r\n"], ids=["half", "an-empty-line"])
def test_a_head_after_a_response_has_the_same_time(connect: Callable[[], socket.socket], begun: bytes) -> None:
    client = connect()
    client.sendall(request())
    answer = b""
    while b"0 bytes" not in answer:
        answer += client.recv(1000)
    client.sendall(begun)
    assert b"HTTP/1.1 408 " in rest(client)


def test_a_body_that_does_not_arrive_ends_the_connection(connect: Callable[[], socket.socket]) -> None:
    client = connect()
    client.sendall(request("/endless", "content-length: 100", method="POST") + b"half")
    assert rest(client) == b""


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "in-parts"])
@pytest.mark.parametrize(
    "head",
    [
        request("/", f"x: {'x' * 5000}"),
        request("/" + "x" * 5000),
        request("/", *(f"x{number}: x" for number in range(1000))),
    ],
    ids=["a-value", "a-path", "many"],
)
def test_a_head_that_is_too_large_is_refused(connect: Callable[[], socket.socket], head: bytes, whole: bool) -> None:
    client = connect()
    if whole:
        client.sendall(head)
    else:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.sendall(head[:3000])
        client.sendall(head[3000:-2])  # it never ends
    assert rest(client).split()[1] in (b"400", b"431")


def test_what_follows_a_body_in_chunks_is_limited_as_well(connect: Callable[[], socket.socket]) -> None:
    client = connect()
    client.sendall(request("/endless", "transfer-encoding: chunked", method="POST") + b"1\r\nx\r\n0\r\n")
    client.sendall(b"".join(b"x%d: x\r\n" % number for number in range(1000)))
    assert b"HTTP/1.1 200" not in rest(client)


def test_one_connection_takes_several_requests(connect: Callable[[], socket.socket]) -> None:
    client = connect()
    for _ in range(2):
        client.sendall(request("/", "content-length: 3", method="POST") + b"abc")
        answer = b""
        while b"3 bytes" not in answer:
            answer += client.recv(1000)


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_a_client_that_reads_nothing_is_left(connect: Callable[[], socket.socket], app: App, kind: str) -> None:
    app.ended.clear()
    client = connect()
    if kind == "http":
        client.sendall(request("/endless"))
    else:
        open_socket(client, "/endless")
    assert app.ended.wait(DEADLINE_SECONDS)


def test_pings_of_a_client_that_reads_nothing_take_no_memory(
    connect: Callable[[], socket.socket], server: HttpServer, app: App
) -> None:
    client = open_socket(connect())
    client.sendall(frame(PING, bytes(125)) * 20_000 + frame(TEXT, b"the last"))
    assert app.received.wait(DEADLINE_SECONDS)
    assert max(each.transport.get_write_buffer_size() for each in server.connections()) < 1_000_000


def test_a_message_that_is_too_large_closes_the_socket(connect: Callable[[], socket.socket]) -> None:
    client = open_socket(connect())
    client.sendall(frame(TEXT, b"x" * (MESSAGE_BYTES + 1)))
    assert struct.pack("!H", 1009) in rest(client)[:4]


def test_a_message_of_empty_fragments_closes_the_socket(connect: Callable[[], socket.socket]) -> None:
    client = open_socket(connect())
    client.sendall(frame(TEXT, b"x", fin=False) + frame(CONTINUATION, fin=False) * MOST_FRAGMENTS)
    assert struct.pack("!H", 1009) in rest(client)[:4]


@pytest.mark.parametrize("fragments", [1, 2])
def test_text_that_is_no_utf_8_closes_the_socket_and_leaves_no_trace(
    connect: Callable[[], socket.socket], caplog: pytest.LogCaptureFixture, fragments: int
) -> None:
    client = open_socket(connect())
    client.sendall(frame(TEXT, b"\xc3", fin=fragments == 1) + frame(CONTINUATION, b"\xff") * (fragments - 1))
    assert struct.pack("!H", 1007) in rest(client)[:4]
    assert not caplog.records


def test_more_connections_than_allowed_are_refused(connect: Callable[[], socket.socket]) -> None:
    sockets = [open_socket(connect()) for _ in range(LIMITS.connections)]
    assert rest(connect()).startswith(b"HTTP/1.1 503 ")
    sockets[0].sendall(frame(8, struct.pack("!H", 1000)))
    rest(sockets[0])
    client = connect()
    client.sendall(request("/", "connection: close"))
    assert rest(client).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("trusted", "seen"), [((), b"from 127.0.0.1 by http"), (("127.0.0.1",), b"from 192.0.2.7 by https")]
)
def test_proxy_headers_are_believed_only_if_set(trusted: tuple[str, ...], seen: bytes) -> None:
    for server in serving(App(), forwarded_allow_ips=trusted):
        with connected(server) as client:
            forwarded = ["x-forwarded-for: 192.0.2.7", "x-forwarded-proto: https"]
            client.sendall(request("/", *forwarded, "connection: close"))
            assert seen in rest(client)


class Pipe:
    """What a transport tells of what waits to be read."""

    def __init__(self) -> None:
        self.size = 0
        self.is_aborted = False

    def get_write_buffer_size(self) -> int:
        return self.size

    def abort(self) -> None:
        self.is_aborted = True


def test_a_client_that_reads_slowly_is_kept() -> None:
    pipe: Any = Pipe()
    unread = Unread(pipe)
    for now, size in enumerate([0, 0, 9, 9, 8, 8, 7, 0, 0, 0, 5, 9, 8]):
        pipe.size = size
        unread.look(now, 2)
        assert not pipe.is_aborted
    unread.look(14, 2)
    assert pipe.is_aborted


def test_a_server_may_have_many_connections() -> None:
    assert raise_file_limit() >= 256
