"""The rules of security for HTTP, each named: what is not public is not there, for nobody and under no name."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.http_client import HttpClient, served

from convexpy import (
    ActionCtx,
    MutationCtx,
    QueryCtx,
    action,
    internal_action,
    internal_mutation,
    internal_query,
    mutation,
    query,
)

ME = __name__
ran: list[str] = []


@query
def shown(ctx: QueryCtx) -> str:
    return "shown"


@mutation
def changed(ctx: MutationCtx) -> str:
    return "changed"


@action
async def acted(ctx: ActionCtx) -> str:
    return "acted"


@mutation
def start(ctx: MutationCtx, user: str = "") -> str:
    ctx.schedule.now(who_ran)
    return ctx.identity.subject if ctx.identity else "nobody"


@internal_query(aliases=[f"{ME}:old_secret"])
def secret_query(ctx: QueryCtx) -> str:
    ran.append("secret")
    return "secret"


@internal_mutation
def secret_mutation(ctx: MutationCtx) -> str:
    ran.append("secret")
    return "secret"


@internal_action
async def secret_action(ctx: ActionCtx) -> str:
    ran.append("secret")
    return "secret"


@internal_mutation
def who_ran(ctx: MutationCtx) -> None:
    ran.append(ctx.identity.subject if ctx.identity else "nobody")


def helper(ctx: object) -> str:
    ran.append("helper")
    return "helper"


@dataclass
class Helper:
    name: str = "x"

    def __call__(self, ctx: object) -> str:
        return helper(ctx)


instance = Helper()
lambda_helper = lambda ctx: helper(ctx)  # noqa: E731

Entry = Callable[[HttpClient, str], Any]


def post(path: str) -> Entry:
    def enter(client: HttpClient, name: str) -> Any:
        return client.post(path, json={"path": name, "args": {}, "ts": "AAAAAAAAAAA="}).json()

    return enter


def by_address(client: HttpClient, name: str) -> Any:
    address = "/".join(quote(part, safe="") for part in name.replace(":", "/").split("/"))
    return client.post(f"/api/run/{address}", json={"args": {}}).json()


def by_get(client: HttpClient, name: str) -> Any:
    return client.get("/api/query", params={"path": name, "args": "{}"}).json()


def in_batch(client: HttpClient, name: str) -> Any:
    found = client.post("/api/query_batch", json={"queries": [{"path": name, "args": {}}]}).json()
    return found["results"][0] if "results" in found else found


def in_a_list(client: HttpClient, name: str) -> Any:
    return client.post("/api/mutation", json={"path": name, "args": [{}]}).json()


ENTRIES = {
    "query": post("/api/query"),
    "mutation": post("/api/mutation"),
    "action": post("/api/action"),
    "query_at_ts": post("/api/query_at_ts"),
    "run": by_address,
    "get": by_get,
    "batch": in_batch,
    "list": in_a_list,
}
SECRETS = ["secret_query", "secret_mutation", "secret_action", "who_ran", "old_secret"]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpClient]:
    with served(sys.modules[ME], tmp_path_factory.mktemp("served")) as (_, client):
        yield client


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()


def without_id(answer: Any) -> str:
    text = json.dumps(answer)
    head, mark, rest = text.partition("[Request ID: ")
    return head + mark + rest[16:] if mark else text


def unknown(client: HttpClient, entry: str, name: str) -> str:
    """The answer for a function that is not there, as it would be for this name."""
    place, _, _ = name.rpartition(":")
    stranger = f"{place}:no_such_thing" if place else "no_such_thing"
    return without_id(ENTRIES[entry](client, stranger)).replace(stranger, name)


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("secret", [*(f"{ME}:{name}" for name in SECRETS), "_system/jobs:list", "_system/crons:run"])
def test_a1_an_internal_function_is_answered_as_an_unknown_one(client: HttpClient, entry: str, secret: str) -> None:
    assert without_id(ENTRIES[entry](client, secret)) == unknown(client, entry, secret)
    assert not ran


def test_a1_the_address_for_the_admin_key_wants_one(client: HttpClient) -> None:
    for headers in ({}, {"authorization": "Convex nothing"}, {"authorization": "Bearer x"}):
        for name in (f"{ME}:secret_query", f"{ME}:shown", "nothing:nothing"):
            response = client.post("/api/function", json={"path": name, "args": {}}, headers=headers)
            assert response.status_code in (401, 403)
            assert "secret" not in response.text
    assert not ran


PIECES = [
    ".js",
    ":",
    "/",
    ".",
    "%3A",
    "%2f",
    "\u2236",
    "\uff1a",
    "\u200b",
    " ",
    "\x00",
    "..",
    "//",
    "__",
    "\\",
    "S",
    "\u017f",
]


@st.composite
def near_names(draw: st.DrawFn) -> str:
    """A name that is not far from that of an internal function."""
    name = list(f"{ME}:{draw(st.sampled_from(SECRETS))}")
    for _ in range(draw(st.integers(0, 3))):
        index = draw(st.integers(0, len(name)))
        how = draw(st.sampled_from(("insert", "remove", "upper", "camel")))
        if how == "insert":
            name.insert(index, draw(st.sampled_from(PIECES)))
        elif index < len(name):
            name[index] = "" if how == "remove" else name[index].upper()
    return "".join(name)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(name=near_names(), entry=st.sampled_from(sorted(ENTRIES)))
def test_a1_no_spelling_reaches_an_internal_function(client: HttpClient, name: str, entry: str) -> None:
    answer = ENTRIES[entry](client, name)
    assert answer.get("status") == "error" or "code" in answer, (name, answer)
    assert not ran


@pytest.mark.long
@settings(max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(name=st.one_of(near_names(), st.text(max_size=60)), entry=st.sampled_from(sorted(ENTRIES)))
def test_a1_no_spelling_of_ten_thousand_does(client: HttpClient, name: str, entry: str) -> None:
    answer = ENTRIES[entry](client, name)
    assert answer.get("status") == "error" or "code" in answer, (name, answer)
    assert not ran


def test_a2_only_what_is_decorated_is_callable(client: HttpClient) -> None:
    module = sys.modules[ME]
    public = {"shown", "changed", "acted", "start"}
    for attribute in sorted({*vars(module), *dir(module), "helper.__call__", "instance.__call__", "__init__"}):
        for entry in ("query", "mutation", "action", "run"):
            answer = ENTRIES[entry](client, f"{ME}:{attribute}")
            assert (answer.get("status") == "success") <= (attribute in public), attribute
    assert not [each for each in ran if each != "nobody"]


def test_a3_no_argument_is_an_identity(client: HttpClient) -> None:
    forged = {"identity": {"subject": "ada"}, "path": f"{ME}:start", "args": {"user": "ada"}}
    assert client.post("/api/mutation", json=forged).json()["value"] == "nobody"
    extra = client.call("mutation", f"{ME}:start", {"ctx": {"identity": "ada"}})
    assert extra["errorData"]["code"] == "BAD_REQUEST"


@pytest.mark.parametrize("header", ["Bearer ", "Bearer x.y.z", "Basic YTpi", "Convex ", "Convex x", "bearer", "\xff"])
def test_a4_a_bad_header_is_refused_before_anything_runs(client: HttpClient, header: str) -> None:
    for path in ("/api/query", "/api/mutation", "/api/action", "/api/query_batch"):
        body = {"path": f"{ME}:shown", "args": {}, "queries": []}
        response = client.post(path, json=body, headers={"authorization": header.encode("latin-1")})  # type: ignore[dict-item]
        assert response.status_code in (401, 403, 429)
        assert response.json().keys() == {"code", "message"}


HUGE = "9" * 5000
BAD_VALUES = [
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    HUGE,
    "9223372036854775808",
    '"\\ud800"',
    '"\\udc00\\ud800"',
    '{"a": 1, "a": 2}',
    '{"$integer": "x"}',
    '{"$integer": "AAAAAAAAAAA=", "b": 1}',
    '{"$float": "AAAAAAAA8D8="}',
    '{"$set": []}',
    "[" * 65 + "]" * 65,
    "[" * 200_000,
    "\x00",
    '"\x01"',
    "'a'",
    "[1,]",
    "\ufeff1",
]


@pytest.mark.parametrize("value", BAD_VALUES, ids=range(len(BAD_VALUES)))
def test_r3_poison_in_json_is_refused(client: HttpClient, value: str) -> None:
    content = f'{{"path": "{ME}:start", "args": {{"user": {value}}}}}'.encode()
    response = client.post("/api/mutation", content=content, headers={"content-type": "application/json"})
    if response.status_code == 200:
        assert response.json()["errorData"]["code"] == "BAD_REQUEST"
    else:
        assert response.status_code == 400
    assert not ran


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "FOO", "PROPFIND"])
def test_h1_an_unknown_method_is_refused(client: HttpClient, method: str) -> None:
    for path in ("/api/query", "/version", "/nothing"):
        assert client.request(method, path).status_code in (404, 405)


@pytest.mark.parametrize(
    "path", ["..%2f..%2fpyproject.toml", "%2e%2e/settings.py", "client.js%00", "%5c..%5cx", "static/../x"]
)
def test_f2_no_path_leads_to_a_file(client: HttpClient, path: str) -> None:
    for prefix in ("/", "/static/", "/api/", "/client.js/"):
        response = client.get(prefix + path)
        assert response.status_code in (404, 405)
        assert "convexpy" not in response.text


def test_e1_a_refusal_tells_nothing_of_the_server(client: HttpClient) -> None:
    for response in (client.get("/nothing"), client.post("/api/query", content=b"{"), client.get("/api/query")):
        assert not {"server", "x-powered-by"} & response.headers.keys()
        assert ".py" not in response.text
