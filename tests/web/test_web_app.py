"""A web app of the user's own: the lifespan runs jobs, and errors reach clients as status and JSON."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from queue import Queue
from typing import Any

import pytest
from support.apps import app_of

from convexpy import (
    Convex,
    ConvexError,
    DatabaseError,
    InternalError,
    InvalidResult,
    MutationCtx,
    WriteConflict,
    internal_mutation,
    mutation,
)
from convexpy.web import install_error_handler

REASON = "FastAPI and its test client are not installed: pip install 'convexpy[dev]'"
fastapi = pytest.importorskip("fastapi", reason=REASON)
applications = pytest.importorskip("starlette.applications", reason=REASON)
routing = pytest.importorskip("starlette.routing", reason=REASON)
testclient = pytest.importorskip("starlette.testclient", reason=REASON)

ran: Queue[str] = Queue()


@internal_mutation
def work(ctx: MutationCtx) -> None:
    ran.put("work")


@mutation
def schedule(ctx: MutationCtx, item: str) -> str:
    if item == "nothing":
        raise ConvexError("NOT_FOUND", "there is no such item", {"item": item})
    ctx.schedule.now(work)
    return item


@pytest.fixture
def convex(database: str) -> Iterator[Convex]:
    with Convex(database, functions=app_of(schedule, work)) as convex:
        convex.migrate()
        yield convex


def fastapi_app(convex: Convex) -> Any:
    app = fastapi.FastAPI(lifespan=convex.lifespan)

    @app.post("/{item}")
    async def post(item: str) -> str:
        return await convex.run_async(schedule, item=item)

    return app


def starlette_app(convex: Convex) -> Any:
    async def post(request: Any) -> Any:
        responses = pytest.importorskip("starlette.responses")
        return responses.JSONResponse(await convex.run_async(schedule, item=request.path_params["item"]))

    return applications.Starlette(routes=[routing.Route("/{item}", post, methods=["POST"])], lifespan=convex.lifespan)


@pytest.mark.parametrize("make", [fastapi_app, starlette_app])
def test_jobs_run_while_the_web_app_does(convex: Convex, make: Callable[[Convex], Any]) -> None:
    app = make(convex)
    for _ in range(2):  # a test client starts and stops the same app again and again
        with testclient.TestClient(app) as client:
            assert client.post("/tea").json() == "tea"
            assert ran.get(timeout=60) == "work"
            assert convex.worker.is_running
        assert not convex.worker.is_running


def test_a_web_app_whose_database_is_not_migrated_does_not_start(tmp_path: Any) -> None:
    with Convex(f"sqlite:///{tmp_path / 'new.db'}", functions=app_of(schedule, work)) as convex:
        refused = pytest.raises(DatabaseError, match="convexpy db upgrade")
        with refused, testclient.TestClient(fastapi_app(convex)):
            pass


@pytest.mark.parametrize("make", [fastapi_app, starlette_app])
def test_an_error_of_a_function_reaches_the_client(convex: Convex, make: Callable[[Convex], Any]) -> None:
    app = make(convex)
    install_error_handler(app)
    client = testclient.TestClient(app)
    answer = client.post("/nothing")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "status": "error",
        "errorMessage": "there is no such item",
        "errorCode": "NOT_FOUND",
        "errorData": {"item": "nothing"},
    }


def raising(error: Exception) -> Any:
    app = fastapi.FastAPI()
    install_error_handler(app)

    @app.get("/")
    async def get() -> None:
        raise error

    @app.websocket("/socket")
    async def socket(websocket: fastapi.WebSocket) -> None:
        await websocket.accept()
        raise error

    return testclient.TestClient(app, raise_server_exceptions=False)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InternalError("INSERT INTO cards VALUES ('4111')"), 500),
        (WriteConflict("INSERT INTO cards VALUES ('4111')"), 409),
        (InvalidResult("cards:4111"), 500),
    ],
)
def test_what_the_database_said_is_in_the_log_only(
    error: ConvexError, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    answer = raising(error).get("/")
    assert answer.status_code == status
    assert answer.json()["errorCode"] == error.code
    assert "4111" not in answer.text
    [record] = [record for record in caplog.records if record.name == "convexpy.web"]
    assert (record.levelno, record.exc_info and record.exc_info[1]) == (logging.ERROR, error)
    assert answer.json()["errorMessage"].rpartition(" ")[2] in record.getMessage()
    assert "4111" in record.getMessage()


def test_an_own_error_of_the_server_is_logged_and_keeps_its_text(caplog: pytest.LogCaptureFixture) -> None:
    error = ConvexError("SERVICE_UNAVAILABLE", "the bank is closed", {"until": object})  # type: ignore[dict-item]
    answer = raising(error).get("/")
    assert (answer.status_code, answer.json()["errorMessage"]) == (503, "the bank is closed")
    assert [record.name for record in caplog.records if record.levelno == logging.ERROR] == ["convexpy.web"]


def test_an_error_of_the_client_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    assert raising(ConvexError("FORBIDDEN")).get("/").status_code == 403
    assert [record for record in caplog.records if record.name == "convexpy.web"] == []


def test_any_other_exception_is_left_to_the_web_framework() -> None:
    answer = raising(RuntimeError("4111")).get("/")
    assert (answer.status_code, answer.text) == (500, "Internal Server Error")


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (ConvexError("FORBIDDEN", "no: " + "ä" * 200), 1008, "FORBIDDEN: no: " + "ä" * 54),
        (ConvexError("INTERNAL_SERVER_ERROR"), 1011, "INTERNAL_SERVER_ERROR: INTERNAL_SERVER_ERROR"),
    ],
)
def test_a_websocket_is_closed_with_the_error(error: ConvexError, code: int, reason: str) -> None:
    with raising(error).websocket_connect("/socket") as socket:
        with pytest.raises(testclient.WebSocketDisconnect) as closed:
            socket.receive_text()
        assert (closed.value.code, closed.value.reason) == (code, reason)
