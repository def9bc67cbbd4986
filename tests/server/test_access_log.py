"""One line of the log a request: enough to find it, and nothing of what it carried (E2)."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.http_client import HttpClient, served

from convexpy import MutationCtx, mutation
from convexpy.server.http_api import HttpApi

ME = __name__
CANARY = "canary-4111"


@mutation
def pay(ctx: MutationCtx, card: str) -> None:
    ctx.log.info("paying")
    raise ValueError("no")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpClient]:
    with served(sys.modules[ME], tmp_path_factory.mktemp("served")) as (_, client):
        yield client


@pytest.fixture(autouse=True)
def everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def access(caplog: pytest.LogCaptureFixture) -> logging.LogRecord:
    (found,) = [record for record in caplog.records if record.name == "convexpy.access"]
    return found


def test_a_request_is_one_record(client: HttpClient, caplog: pytest.LogCaptureFixture) -> None:
    client.get("/nothing/here")
    record = access(caplog)
    values = vars(record)
    assert (record.levelno, values["method"], values["path"], values["status"]) == (20, "GET", "/nothing/here", 404)
    assert values["milliseconds"] >= 0
    assert record.getMessage().startswith("GET /nothing/here 404, ")


def test_every_record_about_a_request_has_its_id(client: HttpClient, caplog: pytest.LogCaptureFixture) -> None:
    failed = client.call("mutation", f"{ME}:pay", {"card": CANARY})
    request_id = vars(access(caplog))["request"]
    assert failed["errorMessage"] == f"[Request ID: {request_id}] Server Error"
    own = [record for record in caplog.records if record.name in ("convexpy.server", ME)]
    assert [vars(record)["request"] for record in own] == [request_id, request_id]


def test_no_argument_query_or_header_is_logged(client: HttpClient, caplog: pytest.LogCaptureFixture) -> None:
    headers = {"authorization": f"Bearer {CANARY}", "cookie": CANARY, "user-agent": CANARY}
    client.get(f"/api/query?path={CANARY}&token={CANARY}", headers=headers)
    body = {"path": f"{ME}:pay", "args": {"card": CANARY}}
    client.post("/api/mutation", json=body)
    ours = [record for record in caplog.records if record.name.startswith("convexpy")]
    assert len(ours) >= 3
    assert not [record for record in ours if CANARY in repr(vars(record)) and record.name == "convexpy.access"]
    assert not [record for record in ours if CANARY in record.getMessage()]


@pytest.mark.parametrize("path", ["/a%0d%0aPOST /forged 200", "/a%1b[2Jb", "/a%E2%80%AEb", "/a%00"])
def test_no_path_forges_a_line(client: HttpClient, caplog: pytest.LogCaptureFixture, path: str) -> None:
    client.get(path)
    message = access(caplog).getMessage()
    assert message.isascii()
    assert message.isprintable()
    assert len(message.split("%")) >= 2


def test_a_long_path_is_cut(client: HttpClient, caplog: pytest.LogCaptureFixture) -> None:
    client.get("/" + "a" * 60_000)
    assert len(access(caplog).getMessage()) < 1100


def test_a_fault_of_the_server_itself_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(self: object, request: object) -> None:
        raise RuntimeError(CANARY)

    monkeypatch.setattr(HttpApi, "debug_event", broken)
    with served(sys.modules[ME], tmp_path) as (convex, _), HttpClient(convex.asgi(), raises=False) as client:
        answer = client.post("/api/debug_event")
    assert (answer.status_code, answer.json()["code"]) == (500, "InternalServerError")
    assert CANARY not in answer.text
    (record,) = [record for record in caplog.records if record.name == "convexpy.server"]
    assert vars(record)["request"] == vars(access(caplog))["request"]
    assert CANARY in caplog.text
