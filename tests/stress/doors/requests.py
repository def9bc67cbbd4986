"""Requests of hostile clients over HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections import Counter
from contextlib import suppress
from typing import Final

from .nonsense import NAMES, huge, none_token, text, value

SECONDS: Final = 30.0
PATHS: Final = (
    *("/api/query", "/api/mutation", "/api/action", "/api/function", "/api/query_batch", "/api/query_at_ts"),
    *("/api/run/counters/one", "/api/run/values/echo", "/api/run/a%00b/c", "/api/run/x", "/api/query_ts", "/version"),
    *(
        "/health",
        "/ready",
        "/openapi.json",
        "/client.js",
        "/../../etc/passwd",
        "/%2e%2e/x",
        "/api/sync",
        "//api//query",
    ),
)
METHODS: Final = ("POST", "POST", "POST", "POST", "GET", "PUT", "OPTIONS", "DELETE", "HEAD", "PATCH", "NONSENSE")


class HostileRequests:
    """Clients that send nonsense, each over a connection of its own."""

    def __init__(self, port: int, rng: random.Random) -> None:
        self._port = port
        self._rng = rng
        self.requests = 0
        self.statuses: Counter[str] = Counter()

    async def attack(self) -> None:
        """One request."""
        rng = self._rng
        chance = rng.random()
        if chance < 0.05:
            await self._send(os.urandom(rng.randrange(1, 500)))
            return
        body = self._body()
        head = self._head(len(body))
        if chance < 0.1:
            await self._send(head[: rng.randrange(len(head))])
        elif chance < 0.15:
            await self._send(head + body[: rng.randrange(len(body) + 1)])
        else:
            await self._send(head + body)

    def _body(self) -> bytes:
        rng = self._rng
        if rng.random() < 0.5:
            return text(rng).encode(errors="surrogatepass")
        made: dict[str, object] = {
            "path": rng.choice(NAMES),
            "args": rng.choice(({}, [{}], [], {"key": 1}, {"value": value(rng)}, value(rng))),
            "format": rng.choice(("json", "convex_encoded_json", "export_json", "x", 5, {}, [1], None)),
        }
        if rng.random() < 0.3:
            made["queries"] = [made.copy() for _ in range(rng.randrange(5))]
            made["ts"] = rng.choice(("AAAAAAAAAAA=", 1, "x"))
        return json.dumps(made).encode()

    def _head(self, size: int) -> bytes:
        rng = self._rng
        query = rng.choice(("", "", "?path=counters:one&args={", "?%zz=%"))
        kind = rng.choice(("application/json", "application/json", "text/plain", "", "application/json;x"))
        lines = [
            f"{rng.choice(METHODS)} {rng.choice(PATHS)}{query} HTTP/1.1",
            f"Host: 127.0.0.1:{self._port}",
            f"Content-Length: {size if rng.random() < 0.9 else rng.choice((-1, 0, size + 5, 10**19, 'x'))}",
            f"Content-Type: {kind}",
        ]
        more = (
            *(f"Authorization: Bearer {none_token()}", "Authorization: Convex x", "Authorization: x", "Authorization:"),
            *(
                f"Idempotency-Key: {'k' * rng.choice((1, 100, 300, 5000))}",
                "Transfer-Encoding: chunked",
                "Expect: 100-continue",
            ),
            *("Origin: https://evil.example", "Host: evil.example", "Content-Encoding: gzip", "Accept-Encoding: gzip"),
            *(f"X-Long: {'x' * rng.choice((10, 70_000))}", "Bad Header", "Connection: close", "X-Forwarded-For: '"),
        )
        lines += rng.sample(more, rng.choice((0, 0, 1, 2)))
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    async def _send(self, data: bytes, *, pause: float = 0.0, chunk: int = 0, seconds: float = 0.3) -> None:
        """Write this, and note how it is answered. ``chunk``: so many bytes at a time, with a pause."""
        self.requests += 1
        with suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            try:
                for at in range(0, len(data), chunk or max(1, len(data))):
                    writer.write(data[at : at + (chunk or len(data))])
                    await writer.drain()
                    await asyncio.sleep(pause)
                answer = b""
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        answer = await reader.readline()
                parts = answer.split()
                self.statuses[parts[1].decode(errors="replace") if len(parts) > 1 else "none"] += 1
            finally:
                writer.transport.abort()

    async def send_huge(self, size: int) -> None:
        """A body that is as large as may be, or larger."""
        body = huge(self._rng, size).encode()
        head = f"POST /api/mutation HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nContent-Type: application/json\r\n"
        await self._send(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body, seconds=SECONDS)

    async def send_slowly(self) -> None:
        """A body that comes one byte after the other."""
        head = f"POST /api/query HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nContent-Type: application/json\r\n"
        await self._send(f"{head}Content-Length: 1000\r\n\r\n".encode() + b"{" * 40, pause=0.05, chunk=20)
