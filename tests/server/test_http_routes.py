"""Routes of the user's own: which requests they answer, what they may do, and how they fail."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from starlette.responses import StreamingResponse
from support.apps import app_of
from support.http_client import HttpClient, served
from typer.testing import CliRunner

from convexpy import (
    ActionCtx,
    Convex,
    ConvexError,
    FunctionNotFound,
    LoadError,
    MutationCtx,
    QueryCtx,
    SyncActionCtx,
    mutation,
    query,
)
from convexpy.cli import app as app_of_commands
from convexpy.web import Request, Response, http_route

ME = __name__


@query
def whoami(ctx: QueryCtx) -> str:
    return ctx.identity.subject if ctx.identity else "nobody"


@mutation
def note(ctx: MutationCtx, text: str) -> str:
    return text.upper()


@http_route("POST", "/webhooks/{account}")
async def webhook(ctx: ActionCtx, request: Request, account: int) -> Response:
    noted = await ctx.run_mutation(note, text=f"{account + 1} {request.headers['x-signature']}")
    return Response(noted.encode() + await request.body(), status_code=201)


@http_route("POST", "/blocking/{rest:path}")
def blocking(ctx: SyncActionCtx, request: Request, rest: str) -> Response:
    return Response(f"{rest} {ctx.run_mutation(note, text='a')} {request.content!r}")


@http_route("GET", "/me")
async def me(ctx: ActionCtx, request: Request) -> Response:
    return Response(await ctx.run_query(whoami))


@http_route("GET", "/users/{name}")
async def user(ctx: ActionCtx, request: Request, name: str) -> Response:
    return Response(f"user {name}")


@http_route("GET", "/users/me")
async def own_user(ctx: ActionCtx, request: Request) -> Response:
    return Response("own user")


@http_route("DELETE", "/users/{name}")
async def remove_user(ctx: ActionCtx, request: Request, name: str) -> Response:
    return Response(status_code=204)


@http_route("GET", "/stream")
async def stream(ctx: ActionCtx, request: Request) -> Response:
    async def parts() -> AsyncIterator[str]:
        for number in range(3):
            yield await ctx.run_mutation(note, text=f"part {number};")

    return StreamingResponse(parts())


@http_route("GET", "/breaks")
async def breaks(ctx: ActionCtx, request: Request) -> Response:
    async def parts() -> AsyncIterator[str]:
        yield "first"
        raise RuntimeError("secret")

    return StreamingResponse(parts())


@http_route("GET", "/refuses")
async def refuses(ctx: ActionCtx, request: Request) -> Response:
    raise ConvexError("CONFLICT", "it is sold", {"by": "ada"})


@http_route("GET", "/fails")
async def fails(ctx: ActionCtx, request: Request) -> Response:
    raise ValueError("secret")


@http_route("GET", "/wrong")
async def wrong(ctx: ActionCtx, request: Request) -> Response:
    return "text"  # type: ignore[return-value]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Convex, HttpClient]]:
    with served(sys.modules[ME], tmp_path_factory.mktemp("served")) as made:
        yield made


@pytest.fixture
def client(app: tuple[Convex, HttpClient]) -> HttpClient:
    return app[1]


def test_a_request_reaches_its_handler(client: HttpClient) -> None:
    response = client.post("/webhooks/41", content=b" \x00raw", headers={"x-signature": "s1"})
    assert (response.status_code, response.content) == (201, b"42 S1 \x00raw")


def test_a_handler_of_a_thread_has_the_body(client: HttpClient) -> None:
    assert client.post("/blocking/a/b%20c", content=b"raw").text == "a/b c A b'raw'"


def test_the_more_exact_path_answers(client: HttpClient) -> None:
    assert client.get("/users/me").text == "own user"
    assert client.get("/users/ada").text == "user ada"
    assert client.request("DELETE", "/users/ada").status_code == 204
    assert client.request("HEAD", "/users/ada").is_success


@pytest.mark.parametrize("path", ["/webhooks/x", "/webhooks/1.5"])
def test_a_parameter_that_does_not_fit_is_refused(client: HttpClient, path: str) -> None:
    response = client.post(path)
    assert (response.status_code, response.json()["code"]) == (400, "BAD_REQUEST")
    assert response.json()["data"]["issues"][0]["path"] == "account"


@pytest.mark.parametrize(("path", "status"), [("/users", 404), ("/users/a/b", 404), ("/stream", 405)])
def test_a_request_without_a_route_is_refused(client: HttpClient, path: str, status: int) -> None:
    response = client.post(path)
    assert response.status_code == status
    assert response.json().keys() == {"code", "message"}
    assert response.headers.get("allow") == ("GET" if status == 405 else None)


def test_a_response_is_streamed(client: HttpClient) -> None:
    assert client.get("/stream").text == "PART 0;PART 1;PART 2;"


def test_a_stream_that_fails_breaks_the_connection(client: HttpClient, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(RuntimeError):  # which lets a server cut it
        client.get("/breaks")
    assert "secret" in caplog.text


def test_an_error_with_a_code_has_its_status(client: HttpClient) -> None:
    response = client.get("/refuses")
    assert response.status_code == 409
    assert response.json() == {"code": "CONFLICT", "message": "it is sold", "data": {"by": "ada"}}


@pytest.mark.parametrize(("path", "logged"), [("/fails", "secret"), ("/wrong", "returned a str and not a Response")])
def test_another_error_is_redacted_and_logged(
    client: HttpClient, caplog: pytest.LogCaptureFixture, path: str, logged: str
) -> None:
    response = client.get(path)
    assert response.status_code == 500
    assert response.json()["code"] == "InternalServerError"
    assert logged not in response.text
    (record,) = [record for record in caplog.records if record.name == "convexpy.server"]
    assert logged in caplog.text
    assert vars(record)["request"] in response.json()["message"]


def test_a_bad_token_is_no_user(client: HttpClient) -> None:
    assert client.get("/me").text == "nobody"
    assert client.get("/me", headers={"authorization": "Bearer forged"}).text == "nobody"


@pytest.mark.parametrize("kind", ["query", "mutation", "action", "function"])
def test_no_call_by_name_reaches_a_route(client: HttpClient, kind: str) -> None:
    response = client.post(f"/api/{kind}", json={"path": f"{ME}:webhook", "args": {"account": 1}})
    assert "Could not find public function" in response.text or response.status_code == 403


def test_a_route_is_not_called_from_python(app: tuple[Convex, HttpClient]) -> None:
    with pytest.raises(FunctionNotFound):
        app[0].call(f"{ME}:webhook", {"account": 1})


def test_a_route_is_plain_python(app: tuple[Convex, HttpClient]) -> None:
    assert webhook.name == f"{ME}:webhook"
    assert callable(webhook.handler)


BAD = """
from convexpy import ActionCtx, MutationCtx
from convexpy.web import Request, Response, http_route

@http_route("POST", "/same/{a}")
async def one(ctx: ActionCtx, request: Request, a: str) -> Response: ...
@http_route("POST", "/same/{b}")
async def two(ctx: ActionCtx, request: Request, b: str) -> Response: ...
@http_route("GET", "/api/mine")
async def three(ctx: ActionCtx, request: Request) -> Response: ...
@http_route("GET", "/dashboard")
async def four(ctx: ActionCtx, request: Request) -> Response: ...
@http_route("GET", "mine")
async def five(ctx: ActionCtx, request: Request) -> Response: ...
@http_route("GET", "/a/{x}")
async def six(ctx: ActionCtx, request: Request, y: str) -> Response: ...
@http_route("FETCH", "/b")
async def seven(ctx: ActionCtx, request: Request) -> Response: ...
@http_route("GET", "/c")
async def eight(ctx: MutationCtx, request: Request) -> Response: ...
@http_route("GET", "/d/{a:int}")
async def nine(ctx: ActionCtx, request: Request, a: int) -> Response: ...
"""


def test_problems_have_a_file_and_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bad_routes.py").write_text(BAD)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(LoadError) as error:
        Convex("sqlite://", functions="bad_routes")
    text = str(error.value)
    lines = [int(line) for line in re.findall(r"bad_routes\.py:(\d+): (?:route|POST)", text)]
    assert sorted(lines) == [7, 9, 11, 13, 15, 15, 17, 21, 21]
    assert "is the route 'bad_routes:one'" in text
    assert "'six' has no parameter 'x'" in text
    assert "the path has no {y}" in text


def test_a_wrong_context_is_a_problem(tmp_path: Path) -> None:
    @http_route("GET", "/c")  # type: ignore[arg-type]
    async def eight(ctx: MutationCtx, request: Request) -> Response: ...

    with pytest.raises(LoadError, match="route 'made:eight' takes MutationCtx, but it gets ActionCtx"):
        Convex(f"sqlite:///{tmp_path}/x.db", functions=app_of(eight))


def test_a_handler_without_a_request_is_refused() -> None:
    with pytest.raises(LoadError, match="takes no request"):

        @http_route("GET", "/x")  # type: ignore[arg-type]
        async def handler(ctx: ActionCtx) -> Response: ...


def test_a_reload_brings_its_own_routes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "reloaded_routes.py"
    text = BAD.partition('@http_route("POST", "/same/{b}")')[0].replace("...", "return Response('one')")
    file.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with served("reloaded_routes", tmp_path) as (convex, client):
        assert client.post("/same/x").text == "one"
        file.write_text(text.replace("/same", "/other").replace("'one'", "'two, which is longer'"))
        convex.reload()
        assert client.post("/same/x").status_code == 404
        assert client.post("/other/x").text.startswith("two")


def test_routes_are_listed_beside_the_functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.convexpy]\nfunctions = "listed_routes"\n')
    (tmp_path / "listed_routes.py").write_text(BAD.partition('@http_route("POST", "/same/{b}")')[0])
    monkeypatch.syspath_prepend(tmp_path)
    text = CliRunner().invoke(app_of_commands, ["functions", "--project", str(tmp_path)]).output
    assert re.search(r"listed_routes:one\s+route\s+public\s+POST /same/\{a\}", text)
    (document,) = json.loads(
        CliRunner().invoke(app_of_commands, ["functions", "--project", str(tmp_path), "--json"]).output
    )
    assert (document["name"], document["kind"], document["method"]) == ("listed_routes:one", "route", "POST")
    assert document["arguments"]["properties"]["a"]["type"] == "string"
    assert "1 route" in CliRunner().invoke(app_of_commands, ["check", "--project", str(tmp_path)]).output
