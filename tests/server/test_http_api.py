"""Functions over HTTP: requests, envelopes and statuses as Convex's clients expect them."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel
from support.http_client import HttpClient, served

from convexpy import (
    ActionCtx,
    ConvexError,
    Int64,
    MutationCtx,
    QueryCtx,
    action,
    internal_query,
    mutation,
    query,
)

ME = __name__


class Odd(BaseModel):
    number: int
    ratio: float
    big: Int64
    data: bytes


@query
def greet(ctx: QueryCtx, name: str = "you") -> str:
    return f"hello {name}"


@query
def odd(ctx: QueryCtx) -> Odd:
    return Odd(number=1, ratio=float("nan"), big=Int64(2**60), data=b"\x00\xff")


@query
def echo(ctx: QueryCtx, value: Any) -> Any:
    return value


@mutation
def refuse(ctx: MutationCtx, data: Any = None) -> None:
    raise ConvexError("NOT_FOUND", "no such item", data)


counted: list[str] = []


@mutation
def count(ctx: MutationCtx, text: str) -> str:
    counted.append(text)
    return f"{text} {len(counted)}"


@action
async def act(ctx: ActionCtx) -> str:
    return await ctx.run_query(greet, name="action")


@internal_query
def hidden(ctx: QueryCtx) -> str:
    return "hidden"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpClient]:
    with served(sys.modules[ME], tmp_path_factory.mktemp("served")) as (_, client):
        yield client


@pytest.mark.parametrize("args", [{"name": "ann"}, [{"name": "ann"}]])
def test_arguments_are_an_object_or_a_list_of_one(client: HttpClient, args: Any) -> None:
    assert client.call("query", f"{ME}:greet", args) == {"status": "success", "value": "hello ann"}


def test_an_action_is_called(client: HttpClient) -> None:
    assert client.call("action", f"{ME}:act") == {"status": "success", "value": "hello action"}


def test_values_are_exact_in_convexs_encoding(client: HttpClient) -> None:
    big = base64.b64encode((2**60).to_bytes(8, "little")).decode()
    body = {"path": f"{ME}:odd", "args": {}, "format": "convex_encoded_json"}
    response = client.post("/api/query", json=body)
    value = {"number": 1, "ratio": {"$float": "AAAAAAAA+H8="}, "big": {"$integer": big}, "data": {"$bytes": "AP8="}}
    assert response.json() == {"status": "success", "value": value}
    assert '"number":1.0' in response.text  # PyPI's client takes 1 for no float


@pytest.mark.parametrize("format", [{}, {"format": "json"}, {"format": "convex_clean_json"}])
def test_values_are_plain_in_the_other_format(client: HttpClient, format: dict[str, str]) -> None:
    response = client.post("/api/query", json={"path": f"{ME}:odd", "args": {}, **format})
    assert response.json()["value"] == {"number": 1, "ratio": "NaN", "big": str(2**60), "data": "AP8="}


def test_an_error_with_a_code_is_a_result(client: HttpClient) -> None:
    failed = client.call("mutation", f"{ME}:refuse", {"data": {"id": 5}})
    first, second = failed.pop("errorMessage").splitlines()
    assert first.startswith("[Request ID: ")
    assert first.endswith("] Server Error")
    assert second == "Uncaught ConvexError: no such item"
    data = {"code": "NOT_FOUND", "message": "no such item", "data": {"id": 5}}
    assert failed == {"status": "error", "errorData": data, "logLines": []}


@pytest.mark.parametrize(
    ("kind", "name", "args", "message"),
    [
        ("query", "nothing", {}, f"Could not find public function for '{ME}:nothing'."),
        ("query", "hidden", {}, f"Could not find public function for '{ME}:hidden'."),
        (
            "mutation",
            "greet",
            {},
            f"Trying to execute {ME}:greet as Mutation, but it is defined as Query.",
        ),
        ("query", "greet", {"nam": "x"}, f"{ME}:greet: bad arguments: nam: "),
        ("query", "greet", [1, 2], f"{ME}:greet: the arguments are one JSON object, not list"),
    ],
)
def test_what_cannot_be_called_is_a_result_too(
    client: HttpClient, kind: str, name: str, args: Any, message: str
) -> None:
    failed = client.call(kind, f"{ME}:{name}", args)
    assert failed["status"] == "error"
    assert message in failed["errorMessage"]
    assert failed["errorData"]["message"].startswith(message)


def test_a_function_is_named_by_the_address(client: HttpClient) -> None:
    response = client.post(f"/api/run/{ME.replace('.', '/')}/greet", json={"args": {"name": "curl"}})
    assert response.json() == {"status": "success", "value": "hello curl"}
    without = client.post(f"/api/run/{ME}/greet", json={})
    assert without.json()["value"] == "hello you"
    hidden = client.post(f"/api/run/{ME}/hidden", json={}).json()
    assert hidden["errorData"] == {"code": "NOT_FOUND", "message": f"Could not find public function for '{ME}:hidden'."}


def test_a_query_is_read_by_get(client: HttpClient) -> None:
    response = client.get("/api/query", params={"path": f"{ME}:greet", "args": json.dumps({"name": "get"})})
    assert response.json() == {"status": "success", "value": "hello get"}
    mutation = client.get("/api/query", params={"path": f"{ME}:refuse"}).json()
    assert "defined as Mutation" in mutation["errorMessage"]


@pytest.mark.parametrize("path", ["//api/query", "/api//query", "///api///query"])
def test_slashes_in_a_row_are_one(client: HttpClient, path: str) -> None:
    body = {"path": f"{ME}:greet", "args": {}}
    assert client.post(f"http://shop.example{path}", json=body).json()["value"] == "hello you"


def test_several_queries_share_a_snapshot(client: HttpClient) -> None:
    queries = [
        {"path": f"{ME}:greet", "args": {"name": "a"}},
        {"path": f"{ME}:nothing", "args": {}},
        {"path": f"{ME}:refuse", "args": {}},
        {"path": f"{ME}:odd", "args": {}, "format": "convex_encoded_json"},
    ]
    results = client.post("/api/query_batch", json={"queries": queries}).json()["results"]
    assert [each["status"] for each in results] == ["success", "error", "error", "success"]
    assert results[0]["value"] == "hello a"
    assert results[3]["value"]["data"] == {"$bytes": "AP8="}


def test_a_timestamp_is_given_and_taken_back(client: HttpClient) -> None:
    ts = client.post("/api/query_ts").json()["ts"]
    body = {"path": f"{ME}:greet", "args": {}, "ts": ts, "format": "convex_encoded_json"}
    assert client.post("/api/query_at_ts", json=body).json() == {"status": "success", "value": "hello you"}
    assert client.post("/api/query_at_ts", json={**body, "ts": "now"}).status_code == 400


@pytest.mark.parametrize(
    ("status", "code", "content"),
    [
        (400, "BadJsonBody", b""),
        (400, "BadJsonBody", b"[]"),
        (400, "BadJsonBody", b'{"args": {}}'),
        (400, "BadJsonBody", b'{"path": 5, "args": {}}'),
        (400, "BadJsonBody", b'{"path": "x:y", "path": "x:z"}'),
        (400, "BadJsonBody", b'{"path": "x:y", "args": {"n": NaN}}'),
        (400, "BadJsonBody", b'{"path": "x:y", "args": {"s": "\\ud800"}}'),
        (400, "BadJsonBody", b'{"path": "x:y", "args": ' + b"[" * 10_000),
        (400, "BadFormat", b'{"path": "x:y", "args": {}, "format": "xml"}'),
        (400, "BadFormat", b'{"path": "x:y", "args": {}, "format": {}}'),
    ],
)
def test_a_malformed_request_is_refused(client: HttpClient, status: int, code: str, content: bytes) -> None:
    response = client.post("/api/query", content=content, headers={"content-type": "application/json"})
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.json().keys() == {"code", "message"}


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_the_body_has_to_be_declared_as_json(client: HttpClient, kind: str | None) -> None:
    headers = {"content-type": kind} if kind else {}
    response = client.post("/api/mutation", content=b'{"path": "x:y", "args": {}}', headers=headers)
    assert (response.status_code, response.json()["code"]) == (400, "BadJsonBody")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/mutation", 405, "MethodNotAllowed"),
        ("DELETE", "/api/query", 405, "MethodNotAllowed"),
        ("GET", "/nothing", 404, "NotFound"),
        ("POST", "/api/nothing", 404, "NotFound"),
    ],
)
def test_an_unknown_address_is_refused(client: HttpClient, method: str, path: str, status: int, code: str) -> None:
    response = client.request(method, path)
    assert (response.status_code, response.json()["code"]) == (status, code)


def test_the_server_tells_of_itself(client: HttpClient) -> None:
    assert client.get("/health").text == "ok"
    assert client.get("/version").status_code == 200
    assert client.get("/ready").json() == {"ready": True, "reasons": []}
    assert client.post("/api/debug_event", json={}).is_success


def test_a_large_answer_is_compressed(client: HttpClient) -> None:
    value = ["abc"] * 1000
    body = {"path": f"{ME}:echo", "args": {"value": value}}
    response = client.post("/api/query", json=body)
    assert response.json()["value"] == value
    assert response.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in client.post("/api/query", json=body, headers={"accept-encoding": "br"}).headers


def test_a_mutation_with_a_key_runs_once(client: HttpClient) -> None:
    def send(key: str, text: str = "a") -> Any:
        body = {"path": f"{ME}:count", "args": {"text": text}}
        return client.post("/api/mutation", json=body, headers={"idempotency-key": key})

    assert [send("k1").json()["value"] for _ in range(3)] == ["a 1", "a 1", "a 1"]
    assert send("k2").json()["value"] == "a 2"
    other = send("k1", "b")
    assert (other.status_code, other.json()["code"]) == (422, "IdempotencyKeyUsed")
    long = send("k3", "x" * 70_000)
    assert long.json()["status"] == "success"
    again = send("k3", "x" * 70_000)
    assert (again.status_code, again.json()) == (
        409,
        {"code": "IdempotencyKeyUsed", "message": "done, result not kept: it was longer than 64 KiB"},
    )
    for bad in ("", "x" * 300):
        assert (send(bad).status_code, send(bad).json()["code"]) == (400, "BadIdempotencyKey")
