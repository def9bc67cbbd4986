"""Which pages may call the server: CORS (O1), sockets of other pages (O2), and DNS rebinding in development (O3)."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.http_client import HttpClient, served

from convexpy import Convex, QueryCtx, Settings, SettingsError, query
from convexpy.server.origins import is_allowed_origin

ME = __name__
LISTED = ("https://good.com", "http://localhost:5173", "http://[2001:db8::1]:8080")


@query
def greet(ctx: QueryCtx) -> str:
    return "hello"


BODY = {"path": f"{ME}:greet", "args": {}}
PREFLIGHT = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpClient]:
    with served(sys.modules[ME], tmp_path_factory.mktemp("served"), Settings(cors=LISTED)) as (_, client):
        yield client


@pytest.fixture(scope="module")
def development(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Convex, HttpClient]]:
    with served(sys.modules[ME], tmp_path_factory.mktemp("served"), Settings(debug=True)) as made:
        yield made


ALLOWED = ["https://good.com", "https://good.com:443", "HTTPS://GOOD.COM", "http://localhost:5173", LISTED[2]]
REFUSED = [
    "https://good.com.evil.com",
    "https://evilgood.com",
    "https://good.com@evil.com",
    "https://good.com:8443",
    "http://good.com",
    "https://sub.good.com",
    "https://good.com/",
    "https://good.com.",
    "https://good.com evil.com",
    "http://localhost",
    "http://localhost:51730",
    "http://[2001:db8::2]:8080",
    "http://2001:db8::1:8080",
    "null",
    "*",
    "",
    "file://",
]


@pytest.mark.parametrize("origin", ALLOWED)
def test_a_listed_page_may_read_answers(client: HttpClient, origin: str) -> None:
    response = client.post("/api/query", json=BODY, headers={"origin": origin})
    assert response.json()["value"] == "hello"
    assert response.headers["access-control-allow-origin"] == origin
    assert "Origin" in response.headers["vary"]


@pytest.mark.parametrize("origin", REFUSED)
def test_no_other_page_may_read_answers(client: HttpClient, origin: str) -> None:
    response = client.post("/api/query", json=BODY, headers={"origin": origin})
    assert "access-control-allow-origin" not in response.headers
    assert "Origin" in response.headers["vary"]
    preflight = client.request("OPTIONS", "/api/query", headers={"origin": origin, **PREFLIGHT})
    assert not preflight.is_success
    assert not any(name.startswith("access-control") for name in preflight.headers)


def test_a_preflight_names_what_clients_send(client: HttpClient) -> None:
    for path in ("/api/mutation", "/api/run/a/b", "/mine"):
        response = client.request("OPTIONS", path, headers={"origin": "https://good.com", **PREFLIGHT})
        assert response.status_code == 204
        assert response.headers["access-control-allow-origin"] == "https://good.com"
        names = response.headers["access-control-allow-headers"].split(", ")
        assert {"authorization", "content-type", "convex-client", "idempotency-key"} <= set(names)
        assert response.headers["access-control-max-age"] == "86400"
        assert "POST" in response.headers["access-control-allow-methods"]


def test_errors_can_be_read_as_well(client: HttpClient) -> None:
    response = client.post("/api/query", content=b"", headers={"origin": "https://good.com"})
    assert response.status_code == 400
    assert response.headers["access-control-allow-origin"] == "https://good.com"


@pytest.mark.parametrize("entry", ["*", "null", "https://*.good.com", "good.com", "https://good.com/", "https://"])
def test_a_setting_that_is_no_origin_is_refused(tmp_path: Path, entry: str) -> None:
    convex = Convex(f"sqlite:///{tmp_path}/x.db", functions=sys.modules[ME], settings=Settings(cors=(entry,)))
    with convex, pytest.raises(SettingsError, match="is no origin"):
        convex.asgi()


@pytest.mark.parametrize(
    ("origin", "host", "is_allowed"),
    [
        (None, "shop.example", True),
        ("https://shop.example", "shop.example", True),
        ("http://shop.example", "shop.example:80", True),
        ("https://shop.example:8443", "shop.example:8443", True),
        ("https://shop.example:8443", "shop.example", False),
        ("https://shop.example", "shop.example.evil.com", False),
        ("https://evil.com", "shop.example", False),
        ("https://good.com", "shop.example", True),
        ("null", "null", False),
        ("https://shop.example", None, False),
    ],
)
def test_a_socket_is_for_pages_of_the_server_and_listed_ones(
    origin: str | None, host: str | None, is_allowed: bool
) -> None:
    assert is_allowed_origin(origin, host, Settings(cors=LISTED)) is is_allowed


OWN = ["localhost", "localhost:3210", "127.0.0.1:3210", "[::1]:3210", "LOCALHOST:1"]
FOREIGN = ["evil.com", "evil.com:3210", "localhost.evil.com", "127.0.0.1.evil.com", "0.0.0.0", "", "localhost:x"]


@pytest.mark.parametrize("host", OWN)
def test_development_answers_at_this_machines_names(development: tuple[Convex, HttpClient], host: str) -> None:
    headers = {"host": host, "origin": "http://localhost:5173"}
    response = development[1].post("/api/query", json=BODY, headers=headers)
    assert response.json()["value"] == "hello"
    assert response.headers["access-control-allow-origin"] == "http://localhost:5173"


@pytest.mark.parametrize("path", ["/api/query", "/health", "/openapi.json", "/nothing"])
@pytest.mark.parametrize("host", FOREIGN)
def test_development_refuses_a_foreign_host(development: tuple[Convex, HttpClient], path: str, host: str) -> None:
    response = development[1].post(path, json=BODY, headers={"host": host})
    assert (response.status_code, response.json()["code"]) == (403, "OriginNotAllowed")


@pytest.mark.parametrize("origin", ["http://evil.com", "http://evil.com:3210", "null", "http://localhost.evil.com"])
def test_development_refuses_a_foreign_origin(development: tuple[Convex, HttpClient], origin: str) -> None:
    headers = {"host": "localhost:3210", "origin": origin}
    assert development[1].post("/api/query", json=BODY, headers=headers).status_code == 403


def handshake(convex: Convex, **headers: str) -> list[dict[str, Any]]:
    """What the server says to a handshake of a WebSocket."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.disconnect", "code": 1001} if sent else {"type": "websocket.connect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "websocket",
        "path": "/api/sync",
        "root_path": "",
        "query_string": b"",
        "subprotocols": [],
        "headers": [(name.encode(), text.encode()) for name, text in headers.items()],
    }
    asyncio.run(convex.asgi()(scope, receive, send))
    return sent


@pytest.mark.parametrize(
    ("host", "origin"), [("evil.com", "http://evil.com"), ("localhost:3210", "http://evil.com"), ("localhost", "null")]
)
def test_a_socket_of_another_page_is_refused(development: tuple[Convex, HttpClient], host: str, origin: str) -> None:
    (answer,) = handshake(development[0], host=host, origin=origin)
    assert answer["type"] == "websocket.close"
    assert answer["reason"] == "origin not allowed"
