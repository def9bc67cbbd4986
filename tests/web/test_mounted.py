"""``convex.asgi()`` inside of another app: below a path, with and without its lifespan."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Queue
from typing import Any

import fastapi
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from support.apps import app_of
from support.http_client import HttpClient

from convexpy import ActionCtx, Convex, MutationCtx, internal_mutation, mutation
from convexpy.web import Request, Response, http_route

ran: Queue[str] = Queue()


@internal_mutation
def work(ctx: MutationCtx) -> None:
    ran.put("work")


@mutation
def schedule(ctx: MutationCtx, item: str) -> str:
    ctx.schedule.now(work)
    return item


@http_route("GET", "/where")
async def where(ctx: ActionCtx, request: Request) -> Response:
    return Response(request.url.path)


@pytest.fixture
def convex(tmp_path: Path) -> Iterator[Convex]:
    with Convex(f"sqlite:///{tmp_path / 'mounted.db'}", functions=app_of(schedule, work, where)) as convex:
        convex.migrate()
        yield convex


def fastapi_app(convex: Convex) -> Any:
    app = fastapi.FastAPI(lifespan=convex.lifespan)

    @app.get("/own")
    def own() -> str:
        return "own"

    app.mount("/convex", convex.asgi())
    return app


def starlette_app(convex: Convex) -> Any:
    def own(request: Any) -> Any:
        return PlainTextResponse('"own"')

    return Starlette(routes=[Route("/own", own), Mount("/convex", convex.asgi())], lifespan=convex.lifespan)


def nested_app(convex: Convex) -> Any:
    """A mount within a mount whose outer path nobody takes away."""
    return Starlette(routes=[Mount("/outer", starlette_app(convex))])


@pytest.mark.parametrize(("make", "prefix"), [(fastapi_app, ""), (starlette_app, ""), (nested_app, "/outer")])
def test_a_mounted_app_answers_below_its_path(convex: Convex, make: Callable[[Convex], Any], prefix: str) -> None:
    call = {"path": "made:schedule", "args": {"item": "tea"}}
    with HttpClient(make(convex)) as client:
        assert client.get(f"{prefix}/own").json() == "own"
        assert client.post(f"{prefix}/convex/api/mutation", json=call).json()["value"] == "tea"
        assert client.post(f"{prefix}/convex//api/mutation", json=call).json()["value"] == "tea"
        assert client.get(f"{prefix}/convex/where").text == f"{prefix}/convex/where"
        assert client.get(f"{prefix}/convex/nothing").json()["code"] == "NotFound"
        assert client.get(f"{prefix}/convex/openapi.json").json()["servers"] == [{"url": f"{prefix}/convex"}]
        assert client.post("/api/mutation", json=call).status_code == 404
        assert not convex.worker.is_running  # calls need no lifespan


def test_jobs_run_within_the_lifespan(convex: Convex) -> None:
    app = fastapi_app(convex)

    async def run() -> None:
        async with app.router.lifespan_context(app):
            assert convex.worker.is_running
            assert await asyncio.to_thread(ran.get, timeout=60) == "work"

    ran.queue.clear()
    with HttpClient(app) as client:
        client.post("/convex/api/mutation", json={"path": "made:schedule", "args": {"item": "tea"}})
    asyncio.run(run())


def test_a_prefix_that_no_proxy_takes_away_is_the_servers(convex: Convex) -> None:
    from convexpy.server.asgi import create_app
    from convexpy.server.authenticator import Authenticator
    from convexpy.server.backend import Backend

    auth = Authenticator.of(convex.calls)
    backend = Backend(convex.calls, convex.live, convex.database, convex.settings, convex.clock, auth)
    with HttpClient(create_app(backend, prefix="/v1")) as client:
        assert client.get("/v1/health").text == "ok"
        assert client.get("/health").status_code == 404
