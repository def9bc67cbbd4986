"""BEGIN is not waited for: a handler's first lines run meanwhile, and nothing is lost when there is no answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial

import pytest
from app.models import Note
from servers.wire import Wire
from sqlalchemy import URL, select

from convexpy import Convex, MutationCtx, QueryCtx, Settings, mutation, query
from convexpy.database.database import connect
from convexpy.database.errors import ConnectionLost
from convexpy.functions.declare import Kind
from convexpy.runtime.handler import TimeLimit
from convexpy.runtime.transaction import TransactionFailed

from .conftest import claim_due, rows

PATIENCE_SECONDS = 30.0
TEXTS = "SELECT text FROM notes"

first_lines: list[Callable[[], None]] = []
runs: list[str] = []


@pytest.fixture(autouse=True)
def nothing_noted() -> None:
    first_lines.clear()
    runs.clear()


def begin_to_run() -> None:
    runs.append("run")
    if first_lines:
        first_lines.pop()()


@mutation
def write(ctx: MutationCtx, text: str) -> None:
    begin_to_run()
    ctx.db.add(Note(text=text))


@mutation
def write_whatever_happens(ctx: MutationCtx, text: str) -> None:
    begin_to_run()
    with suppress(Exception):
        ctx.db.execute(select(Note.id)).all()
    ctx.db.add(Note(text=text))


@mutation
def connect_whatever_happens(ctx: MutationCtx, text: str) -> None:
    begin_to_run()
    with suppress(Exception):
        ctx.db.connection()
    ctx.db.add(Note(text=text))


@mutation
def look_and_write(ctx: MutationCtx, text: str) -> None:
    ctx.db.execute(select(Note.id)).all()
    ctx.db.add(Note(text=text))


@mutation
def do_nothing(ctx: MutationCtx, text: str) -> None:
    begin_to_run()


@mutation
def write_past_the_session(ctx: MutationCtx, text: str) -> None:
    ctx.db.connection().connection.driver_connection.execute("INSERT INTO notes (text) VALUES (%s)", (text,))  # type: ignore[union-attr]


@mutation
def plan(ctx: MutationCtx, text: str) -> None:
    ctx.schedule.now(look_and_write, text=text)


@query
def read(ctx: QueryCtx) -> list[str]:
    return list(ctx.db.execute(select(Note.text)).scalars())


def error_of(work: Callable[[], object]) -> BaseException:
    with pytest.raises(BaseException) as caught:
        work()
    return caught.value


def test_a_handler_runs_before_begin_is_answered(convex: Convex, network: Wire, url: URL) -> None:
    convex.run(write, text="before")  # there is a connection
    has_begun = threading.Event()
    first_lines.append(has_begun.set)
    network.mode("blackhole")
    call = threading.Thread(target=convex.run, args=(write,), kwargs={"text": "written"}, daemon=True)
    call.start()
    assert has_begun.wait(PATIENCE_SECONDS)
    network.mode("pass")
    call.join(PATIENCE_SECONDS)
    assert rows(url, TEXTS) == [("before",), ("written",)]


@pytest.mark.parametrize("function", [write, write_whatever_happens])
def test_a_handler_without_a_transaction_is_run_again(
    convex: Convex, network: Wire, url: URL, function: object
) -> None:
    """Also if it swallows the error: nothing of it was done in a transaction."""
    convex.run(write, text="before")
    runs.clear()
    first_lines.append(network.reset)
    convex.run(function, text="written")  # type: ignore[call-overload]
    assert runs == ["run", "run"]
    assert rows(url, TEXTS) == [("before",), ("written",)]


def test_a_handler_that_uses_no_database_fails_without_a_transaction(convex: Convex, network: Wire) -> None:
    convex.run(do_nothing, text="")
    runs.clear()
    first_lines.append(network.reset)
    convex.run(do_nothing, text="")
    assert runs == ["run", "run"]


def test_a_begin_that_takes_too_long_is_an_internal_error(
    near: Convex, network: Wire, far_url: URL, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its time is up before it could say anything: it runs again, and is not failed."""
    is_late = threading.Event()
    expire = TimeLimit._expire
    monkeypatch.setattr(TimeLimit, "_expire", lambda limit: (expire(limit), is_late.set()))
    text = far_url.render_as_string(hide_password=False)
    settings = Settings(mutation_time_limit=0.3, retry_first=0.01)
    with Convex(text, functions=request.module, settings=settings) as convex:
        convex.run(look_and_write, text="before")
        near.run(plan, text="written")
        claim = claim_due(convex, Kind.MUTATION)
        network.mode("blackhole")
        call = convex.worker.executor._call_of(claim, Kind.MUTATION)
        assert call is not None
        found: list[BaseException] = []
        attempt = partial(convex.calls.transactions.run_transaction, (call, claim), ())
        thread = threading.Thread(target=lambda: found.append(error_of(attempt)), daemon=True)
        thread.start()
        assert is_late.wait(PATIENCE_SECONDS)
        thread.join(PATIENCE_SECONDS)
        network.mode("pass")
    (error,) = found
    assert isinstance(error, TransactionFailed)
    assert error.cause is not None


def test_the_drivers_connection_is_in_the_transaction(near: Convex, url: URL) -> None:
    near.run(write_past_the_session, text="written")
    assert rows(url, TEXTS) == [("written",)]


def test_a_transaction_that_did_not_begin_is_an_internal_error(url: URL) -> None:
    with closing(connect(url, Settings())) as database:
        begins = database._begin  # type: ignore[attr-defined]
        begins._write, right = "SELECT 1", begins._write
        with database.write() as held, pytest.raises(ConnectionLost, match="being begun"):
            held.check()
        begins._write = right
        with database.write() as held:
            held.commit()


def test_a_handler_that_swallows_a_failed_begin_is_run_again(near: Convex, url: URL) -> None:
    """Its connection is fine, and was in no transaction: that is remembered, whatever the handler makes of it."""
    begins = near.database._begin  # type: ignore[attr-defined]
    begins._write, right = "SELECT 1", begins._write
    first_lines.append(lambda: setattr(begins, "_write", right))
    near.run(connect_whatever_happens, text="written")
    assert runs == ["run", "run"]
    assert rows(url, TEXTS) == [("written",)]


def test_a_query_keeps_the_drivers_prepared_statements(url: URL, request: pytest.FixtureRequest) -> None:
    text = url.render_as_string(hide_password=False)
    with Convex(text, functions=request.module, settings=Settings(database_connections=1)) as convex:
        for _ in range(10):
            convex.run(read)
        with convex.database.read() as held:
            found = held.connection.exec_driver_sql("SELECT statement FROM pg_prepared_statements").scalars().all()
    assert any("FROM notes" in statement for statement in found)


def test_a_claim_is_planned_once(near: Convex) -> None:
    for _ in range(20):
        near.worker.dispatcher.claim(Kind.MUTATION, 1)
        near.worker.dispatcher.next_dues()
    with near.database.read_internal() as connection:
        found = connection.exec_driver_sql(
            "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement LIKE '%%SKIP LOCKED%%'"
        )
        ((generic, custom),) = found.all()
    assert (generic >= 10, custom) == (True, 0)
