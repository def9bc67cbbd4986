"""What clients are told of errors: theirs in full, the server's as an id, under which the log has all of it."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from support.http_client import HttpClient, served

from convexpy import (
    ActionCtx,
    CommitUnknown,
    ConvexError,
    InvalidArguments,
    InvalidResult,
    MutationCtx,
    Overloaded,
    QueryCtx,
    ReadOnlyError,
    Settings,
    TransactionEnded,
    action,
    internal_mutation,
    mutation,
    query,
)
from convexpy.server.envelope import log_failure

ME = __name__
SECRET = "hunter2"
current: list[Callable[[], BaseException]] = []


class Evil(Exception):
    def __str__(self) -> str:
        raise RuntimeError(SECRET)


class Own(ConvexError):
    pass


def chained() -> BaseException:
    error = ValueError(SECRET)
    error.__cause__ = KeyError(SECRET)
    error.add_note(SECRET)
    return error


KINDS: list[Callable[[], BaseException]] = [
    *(lambda kind=kind: kind(SECRET) for kind in (ValueError, KeyError, RuntimeError, OSError, MemoryError)),
    *(lambda kind=kind: kind(SECRET) for kind in (LookupError, AssertionError, StopIteration, TimeoutError)),
    *(lambda kind=kind: kind(SECRET) for kind in (RecursionError, PermissionError, FileNotFoundError, TypeError)),
    *(lambda kind=kind: kind(SECRET) for kind in (InvalidResult, ReadOnlyError, TransactionEnded, CommitUnknown)),
    lambda: IntegrityError(f"INSERT {SECRET}", {"a": SECRET}, ValueError(SECRET)),
    lambda: ExceptionGroup(SECRET, [ValueError(SECRET)]),
    lambda: UnicodeDecodeError("utf-8", SECRET.encode(), 0, 1, SECRET),
    Evil,
    chained,
    lambda: SystemExit(SECRET),
]


@mutation
def fail(ctx: MutationCtx, number: int) -> None:
    raise KINDS[number]()


@action
async def fail_in_action(ctx: ActionCtx, number: int) -> None:
    raise KINDS[number]()


@mutation
def refuse(ctx: MutationCtx) -> None:
    raise Own("FORBIDDEN", "only for owners", {"owner": "ada"})


@mutation
def blame(ctx: MutationCtx) -> None:
    raise InvalidArguments("the date is in the past", {"issues": []})


@mutation
def break_down(ctx: MutationCtx) -> None:
    raise ConvexError("BAD_GATEWAY", "the bank is closed")


@mutation
def odd_data(ctx: MutationCtx) -> None:
    raise ConvexError("CONFLICT", "odd", {"object": object()})


@internal_mutation
def inner_secret(ctx: MutationCtx, amount: int) -> None: ...


@mutation
def call_wrongly(ctx: MutationCtx, how: str) -> None:
    if how == "arguments":
        ctx.run_mutation(inner_secret, amount=SECRET)  # type: ignore[arg-type]
    if how == "name":
        ctx.run_mutation(f"{ME}:inner_secre", amount=1)  # type: ignore[arg-type, call-arg]
    if how == "schedule":
        ctx.schedule.after(-5, inner_secret, amount=1)
    if how == "context":
        ctx.run_action(None)  # type: ignore[attr-defined]


@query
def bad_sql(ctx: QueryCtx) -> None:
    ctx.db.execute(text("SELECT * FROM no_such_table WHERE secret = :secret"), {"secret": SECRET})


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpClient]:
    with served(sys.modules[ME], tmp_path_factory.mktemp("served")) as (_, client):
        yield client


def server_records(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == "convexpy.server"]


@pytest.mark.parametrize("number", range(len(KINDS)))
@pytest.mark.parametrize(("kind", "name"), [("mutation", "fail"), ("action", "fail_in_action")])
def test_nothing_of_a_plain_error_reaches_a_client(
    client: HttpClient, caplog: pytest.LogCaptureFixture, kind: str, name: str, number: int
) -> None:
    failed = client.call(kind, f"{ME}:{name}", {"number": number})
    request_id = failed["errorMessage"].removeprefix("[Request ID: ").removesuffix("] Server Error")
    assert request_id.isalnum()
    assert failed.keys() == {"status", "errorMessage", "logLines"}
    assert SECRET not in json.dumps(failed)
    (record,) = server_records(caplog)
    assert record.levelno == logging.ERROR
    assert vars(record)["request"] == request_id
    assert record.exc_info


def test_an_error_of_the_users_own_is_for_clients(client: HttpClient, caplog: pytest.LogCaptureFixture) -> None:
    failed = client.call("mutation", f"{ME}:refuse")
    assert failed["errorData"] == {"code": "FORBIDDEN", "message": "only for owners", "data": {"owner": "ada"}}
    assert client.call("mutation", f"{ME}:blame")["errorData"]["message"] == "the date is in the past"
    assert not server_records(caplog)


def test_an_error_that_is_the_servers_by_its_code_is_logged(
    client: HttpClient, caplog: pytest.LogCaptureFixture
) -> None:
    assert client.call("mutation", f"{ME}:break_down")["errorData"]["code"] == "BAD_GATEWAY"
    assert len(server_records(caplog)) == 1


def test_data_that_is_no_json_is_left_out(client: HttpClient) -> None:
    assert client.call("mutation", f"{ME}:odd_data")["errorData"] == {"code": "CONFLICT", "message": "odd"}


@pytest.mark.parametrize("how", ["arguments", "name", "schedule", "context"])
def test_a_wrong_call_within_a_handler_tells_nothing(
    client: HttpClient, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    failed = client.call("mutation", f"{ME}:call_wrongly", {"how": how})
    assert "errorData" not in failed
    assert "secre" not in json.dumps(failed)
    assert len(server_records(caplog)) == 1


def test_no_client_reads_sql(client: HttpClient) -> None:
    failed = client.call("query", f"{ME}:bad_sql")
    assert "errorData" not in failed
    assert "no_such_table" not in json.dumps(failed)


def test_errors_are_shown_in_full_in_development(tmp_path: Path) -> None:
    with served(sys.modules[ME], tmp_path, Settings(debug=True, host="shop.example")) as (_, client):
        message = client.call("mutation", f"{ME}:fail", {"number": 0})["errorMessage"]
        assert "Uncaught ValueError: hunter2\nTraceback" in message
        assert "test_envelope.py" in message
        assert "no_such_table" in client.call("query", f"{ME}:bad_sql")["errorMessage"]


def test_a_call_that_is_refused_is_no_error_of_the_server(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "convexpy.server"):
        log_failure(Overloaded(), "id", "a:b")
    (record,) = caplog.records
    assert (record.levelname, record.exc_info) == ("WARNING", None)
    assert "a:b was refused: too many calls wait" in record.getMessage()
