"""Identities of a socket: logins, refused tokens, tokens that expire, and admin keys."""

from __future__ import annotations

import hashlib
import secrets
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from app.models import Base
from support.apps import START
from support.sockets import Closed, SocketClient, Sockets, serving
from support.tokens import Signer, claims, provider, seconds

from convexpy import MutationCtx, QueryCtx, Settings, internal_query, mutation, query
from convexpy.server import sync_connection
from convexpy.server.tokens import LEEWAY
from convexpy.testing import ConvexTest

here = sys.modules[__name__]
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
SIGNER = Signer()


@query
def me(ctx: QueryCtx) -> str | None:
    return ctx.identity.subject if ctx.identity is not None else None


@query
def one(ctx: QueryCtx) -> int:
    return 1


@mutation
def my_name(ctx: MutationCtx) -> str | None:
    return ctx.identity.subject if ctx.identity is not None else None


@internal_query
def secret(ctx: QueryCtx) -> str:
    return "secret"


@pytest.fixture
def kit(database: str) -> Iterator[ConvexTest]:
    settings = Settings(auth=(provider(SIGNER),))
    with ConvexTest(here, metadata=Base.metadata, database_url=database, now=START, settings=settings) as kit:
        yield kit


@pytest.fixture
def sockets(kit: ConvexTest) -> Iterator[Sockets]:
    with serving(kit.convex.asgi(), here) as sockets:
        yield sockets


def log_in(client: SocketClient, base: int = 0, **changed: Any) -> None:
    token = SIGNER.token(claims(**changed))
    client.send(type="Authenticate", baseVersion=base, tokenType="User", value=token)


def auth_error(client: SocketClient) -> dict[str, Any]:
    """The refusal that a client gets, after which its socket is closed."""
    frame = client.receive()
    while frame["type"] == "Transition":
        frame = client.receive()
    assert frame["type"] == "AuthError"
    with pytest.raises(Closed):
        client.receive()
    return frame


def new_key(kit: ConvexTest) -> tuple[str, str]:
    """An admin key and its id."""
    key_id = secrets.token_hex(6)
    key = f"cvx_{key_id}_{secrets.token_hex(20)}"
    digest = hashlib.sha256(key.encode()).hexdigest()
    kit.call("_system/keys:new", {"key_id": key_id, "digest": digest, "name": "test"})
    return key, key_id


def test_a_login_is_confirmed_and_changes_what_depends_on_it(sockets: Sockets) -> None:
    client = sockets.connect()
    client.modify(add={0: "me", 1: "one"}, base=1)
    client.wait_for({0: None, 1: 1})
    log_in(client)
    frame = client.receive_type("Transition")
    assert frame["endVersion"]["identity"] == 1
    assert [each["queryId"] for each in frame["modifications"]] == [0]
    assert client.values == {0: "ada", 1: 1}
    client.mutate(0, "my_name")
    assert client.receive_type("MutationResponse")["result"] == "ada"
    client.receive_type("Transition")
    log_in(client, base=1, sub="bob")
    client.mutate(1, "my_name")
    frames = [client.receive() for _ in range(3)]
    assert [frame["result"] for frame in frames if frame["type"] == "MutationResponse"] == ["bob"]
    client.wait_for({0: "bob", 1: 1})
    client.send(type="Authenticate", baseVersion=2, tokenType="None")
    client.wait_for({0: None, 1: 1})


def test_a_renewed_token_is_confirmed_and_changes_nothing(sockets: Sockets) -> None:
    client = sockets.open()
    client.connect()
    log_in(client)
    client.modify(add={0: "me"})
    client.wait_for({0: "ada"})
    log_in(client, base=1, exp=seconds(7200), iat=seconds(1))
    while client.version["identity"] < 2:
        assert client.receive_type("Transition")["modifications"] == []


def test_a_refused_token_ends_the_socket_with_the_version_that_was_sent(sockets: Sockets) -> None:
    client = sockets.connect()
    log_in(client)
    client.receive_type("Transition")
    log_in(client, base=1, exp=seconds(-60))
    frame = auth_error(client)
    assert (frame["baseVersion"], frame["authUpdateAttempted"]) == (1, True)


def test_messages_wait_until_a_login_is_verified(sockets: Sockets) -> None:
    client = sockets.connect()
    log_in(client)
    client.mutate(0, "my_name")
    found = [frame for frame in (client.receive() for _ in range(2)) if frame["type"] == "MutationResponse"]
    assert [frame["result"] for frame in found] == ["ada"]


def test_a_token_that_expires_ends_the_socket_within_seconds(sockets: Sockets, kit: ConvexTest) -> None:
    kit.advance(LEEWAY + timedelta(seconds=3599, milliseconds=900))
    client = sockets.connect()
    log_in(client)
    frame = auth_error(client)
    assert (frame["baseVersion"], frame["authUpdateAttempted"]) == (1, False)


def test_no_result_comes_after_a_token_has_expired(sockets: Sockets, kit: ConvexTest) -> None:
    client = sockets.connect()
    log_in(client)
    client.receive_type("Transition")
    kit.advance(timedelta(hours=2))
    client.mutate(0, "my_name")
    assert auth_error(client)["authUpdateAttempted"] is False


def test_a_wrong_admin_key_ends_the_socket(sockets: Sockets) -> None:
    client = sockets.connect()
    client.send(type="Authenticate", baseVersion=0, tokenType="Admin", value="no key")
    assert auth_error(client)["authUpdateAttempted"] is True


def test_an_admin_key_opens_internal_functions_also_as_a_user(sockets: Sockets, kit: ConvexTest) -> None:
    key, _ = new_key(kit)
    client = sockets.connect()
    client.modify(add={0: "secret", 1: "me"}, base=1)
    client.receive_type("Transition")
    assert client.values[0]["type"] == "QueryFailed"
    acting_as = {"issuer": "https://i", "subject": "zoe"}
    client.send(type="Authenticate", baseVersion=0, tokenType="Admin", value=key, impersonating=acting_as)
    client.wait_for({0: "secret", 1: "zoe"})


def test_a_revoked_admin_key_ends_its_sockets(
    sockets: Sockets, kit: ConvexTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync_connection, "KEY_SECONDS", 0.01)
    key, key_id = new_key(kit)
    client = sockets.connect()
    client.send(type="Authenticate", baseVersion=0, tokenType="Admin", value=key)
    client.receive_type("Transition")
    kit.call("_system/keys:revoke", {"key_id": key_id})
    assert auth_error(client)["authUpdateAttempted"] is False
