"""A client of an app's server within the process: requests go to the ASGI app, over no network."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import httpx

from convexpy import Convex, Settings

ADDRESS = "http://shop.example"


class HttpClient:
    """Sends requests, one after the other, on an event loop of its own.

    ``raises``: whether what the app raises is raised here, and not only answered. ``peer``: where the client is.
    """

    def __init__(self, app: Any, address: str = ADDRESS, *, raises: bool = True, peer: str = "127.0.0.1") -> None:
        self._runner = asyncio.Runner()
        transport = httpx.ASGITransport(app, raise_app_exceptions=raises, client=(peer, 50_000))
        self._client = httpx.AsyncClient(transport=transport, base_url=address)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()

    @property
    def cookies(self) -> httpx.Cookies:
        """Those that it was given, and sends."""
        return self._client.cookies

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request and read the whole response."""
        return self._runner.run(self._client.request(method, path, **options))

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def call(self, kind: str, function: str, args: Any = None, **options: Any) -> Any:
        """Call a function by ``/api/query``, ``/api/mutation`` or ``/api/action``: the envelope of what came of it."""
        body = {"path": function, "args": {} if args is None else args, "format": "convex_encoded_json"}
        response = self.post(f"/api/{kind}", json=body, **options)
        assert response.status_code == 200, response.text
        return json.loads(response.content)


@contextmanager
def served(
    functions: str | ModuleType, folder: Path, settings: Settings | None = None, database: str | None = None
) -> Iterator[tuple[Convex, HttpClient]]:
    """An app on a new database of SQLite, or on this one, and a client of its server."""
    database = database or f"sqlite:///{folder / 'served.db'}"
    with Convex(database, functions=functions, settings=settings) as convex:
        convex.migrate()
        with HttpClient(convex.asgi()) as client:
            yield convex, client
