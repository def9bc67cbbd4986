"""Sockets of the dashboard: whose they are, and when they end."""

from __future__ import annotations

from datetime import timedelta

import pytest
from dashboard_app import SOCKET, Served, attributes, client, kit, opened, served
from support.dashboard import cookie_of, log_in, made_key
from support.http_client import HttpClient
from support.sockets import Closed

from convexpy._system import keys
from convexpy.server import sync_connection
from convexpy.testing import ConvexTest

__all__ = ["client", "kit", "served"]  # fixtures


def test_a_socket_without_a_session_is_refused(served: Served, kit: ConvexTest) -> None:
    sockets = served.sockets(kit.convex.asgi())
    with pytest.raises(Closed):
        sockets.open(SOCKET, host="shop.example")
    with pytest.raises(Closed):
        sockets.open(SOCKET, host="shop.example", cookie="convexpy_dashboard=x")


def test_a_socket_calls_as_its_session(served: Served, kit: ConvexTest, client: HttpClient) -> None:
    log_in(client, made_key(kit))
    socket = opened(served, kit, client)
    socket.modify(add={0: "secret", 1: "_system/keys:list"})
    socket.receive_type("Transition")
    assert socket.values[0] == "secret"
    assert socket.values[1][0]["name"] == "ops"
    socket.mutate(0, "save", text="a")
    assert socket.receive_type("MutationResponse")["result"] == "a"


def test_a_socket_of_the_api_takes_no_cookie(served: Served, kit: ConvexTest, client: HttpClient) -> None:
    log_in(client, made_key(kit))
    socket = served.sockets(kit.convex.asgi()).open("/api/sync", cookie=cookie_of(client), host="shop.example")
    socket.connect()
    socket.modify(add={0: "secret"})
    socket.receive_type("Transition")
    assert "Could not find public function" in socket.values[0]["errorMessage"]


def test_a_socket_ends_when_its_key_is_revoked(
    served: Served, kit: ConvexTest, client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync_connection, "KEY_SECONDS", 0.01)
    key = made_key(kit)
    log_in(client, key)
    socket = opened(served, kit, client)
    kit.run(keys.revoke, key_id=key.id)
    assert socket.receive(timeout=10)["type"] == "AuthError"  # before the first Ping


def test_a_socket_ends_with_its_session(
    served: Served, kit: ConvexTest, client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync_connection, "KEY_SECONDS", 0.01)
    log_in(client, made_key(kit))
    socket = opened(served, kit, client)
    kit.advance(timedelta(hours=13))
    assert socket.receive(timeout=10)["type"] == "AuthError"  # before the first Ping


def test_a_socket_acts_as_a_user_within_its_session(served: Served, kit: ConvexTest, client: HttpClient) -> None:
    log_in(client, made_key(kit, read_only=True))
    socket = opened(served, kit, client)
    socket.send(type="Authenticate", baseVersion=0, tokenType="User", value=attributes({"subject": "ada"}))
    socket.modify(add={0: "me", 1: "secret"})
    socket.wait_for({0: "ada", 1: "secret"})
    socket.mutate(0, "save")
    assert socket.receive_type("MutationResponse")["errorData"]["code"] == "FORBIDDEN"
    socket.send(type="Authenticate", baseVersion=1, tokenType="Admin", value=made_key(kit).text)
    assert socket.receive_type("AuthError")
