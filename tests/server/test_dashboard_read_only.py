"""Read-only keys: they call queries, and nothing else, wherever they are shown."""

from __future__ import annotations

from typing import Any

from dashboard_app import Served, attributes, client, here, kit, name_of, opened, served
from support.dashboard import call, log_in, made_key
from support.http_client import HttpClient

from convexpy.database.signing_keys import session_key
from convexpy.testing import ConvexTest

__all__ = ["client", "kit", "served"]  # fixtures


def test_a_read_only_key_calls_queries_over_the_api_and_nothing_else(client: HttpClient, kit: ConvexTest) -> None:
    key = made_key(kit, read_only=True)
    shown: dict[str, Any] = {"headers": {"authorization": f"Convex {key.text}"}}
    assert client.call("query", name_of("secret"), **shown)["value"] == "secret"
    assert client.call("query", "_system/jobs:list", **shown)["value"] == []
    for kind, path in (("mutation", name_of("save")), ("action", name_of("act")), ("mutation", "_system/keys:revoke")):
        answer = client.call(kind, path, {"key_id": key.id} if "revoke" in path else {}, **shown)
        assert (answer["status"], answer["errorData"]["code"]) == ("error", "FORBIDDEN")
    body = {"path": name_of("save"), "args": {}}
    for address in ("function", f"run/{here.__name__}/save"):
        assert client.post(f"/api/{address}", json=body, **shown).json()["errorData"]["code"] == "FORBIDDEN"


def test_a_read_only_key_is_no_user_of_a_route(client: HttpClient, kit: ConvexTest) -> None:
    user = attributes({"subject": "ada"})
    for read_only, subject in ((False, "ada"), (True, "nobody")):
        key = made_key(kit, read_only=read_only)
        assert client.get("/me", headers={"authorization": f"Convex {key.text}:{user}"}).text == subject


def test_a_read_only_session_calls_queries_and_nothing_else(client: HttpClient, kit: ConvexTest) -> None:
    log_in(client, made_key(kit, "watch", read_only=True))
    assert client.get("/dashboard/session").json()["readOnly"] is True
    assert call(client, "query", name_of("secret")).json()["value"] == "secret"
    for kind, path in (("mutation", "save"), ("action", "act"), ("function", "save")):
        assert call(client, kind, name_of(path)).json()["errorData"]["code"] == "FORBIDDEN"


def test_a_read_only_socket_calls_queries_and_nothing_else(served: Served, kit: ConvexTest, client: HttpClient) -> None:
    log_in(client, made_key(kit, read_only=True))
    socket = opened(served, kit, client)
    socket.modify(add={0: "secret"})
    socket.wait_for({0: "secret"})
    socket.mutate(0, "save")
    assert socket.receive_type("MutationResponse")["errorData"]["code"] == "FORBIDDEN"
    socket.act(1, "act")
    frames = [socket.receive(), socket.receive()]
    assert [each["errorData"]["code"] for each in frames if each["type"] == "ActionResponse"] == ["FORBIDDEN"]


def test_a_read_only_key_reads_nothing_that_would_make_it_another_one(client: HttpClient, kit: ConvexTest) -> None:
    other, own = made_key(kit), made_key(kit, read_only=True)
    log_in(client, own)
    secrets = (other.digest, own.digest, session_key(kit.convex.database).hex(), other.text)
    for table, column in (("_convexpy_keys", "digest"), ("_convexpy_metadata", "value")):
        answer = call(client, "query", "_system/data:rows", {"table": table})
        assert answer.json()["status"] == "success"
        assert not any(secret in answer.text for secret in secrets)
        oracle = {"column": column, "operator": "=", "value": "x"}
        for wanted in ({"sort": column}, {"filter": [oracle]}):  # an order or a condition would tell it bit by bit
            refused = call(client, "query", "_system/data:rows", {"table": table, **wanted}).json()
            assert (refused["status"], refused["errorData"]["code"]) == ("error", "NOT_FOUND")
    assert not any(secret in call(client, "query", "_system/keys:list").text for secret in secrets)
