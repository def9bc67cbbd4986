"""Errors of a real server are classified: each is caused, not constructed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import psycopg
import pytest
from servers.postgres import NoServer, Server, server
from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from convexpy.database.errors import is_conflict, is_internal
from convexpy.database.postgres_errors import is_lost

SMALL = {"fsync": "off", "max_connections": "6", "superuser_reserved_connections": "0", "reserved_connections": "0"}


@pytest.fixture(scope="module")
def small() -> Iterator[Server]:
    """A server with few connections, which the tests may stop."""
    try:
        with server({**SMALL, "deadlock_timeout": "20ms"}) as started:
            yield started
    except NoServer as reason:
        pytest.skip(f"no PostgreSQL: {reason}")


@contextmanager
def connected(to: Server, number: int = 1, **options: Any) -> Iterator[list[psycopg.Connection[Any]]]:
    with ExitStack() as stack:
        connections = [
            stack.enter_context(closing(psycopg.connect(to.dsn(), autocommit=True, **options))) for _ in range(number)
        ]
        connections[0].execute("CREATE TABLE IF NOT EXISTS t (id int PRIMARY KEY, n int NOT NULL)")
        connections[0].execute("INSERT INTO t VALUES (1, 0), (2, 0) ON CONFLICT DO NOTHING")
        yield connections


def begin(connection: psycopg.Connection[Any]) -> None:
    connection.execute("BEGIN ISOLATION LEVEL SERIALIZABLE")
    connection.execute("SELECT sum(n) FROM t")


def serialization_failure(to: Server) -> None:
    with connected(to, 2) as (one, two):
        begin(one)
        begin(two)
        one.execute("UPDATE t SET n = n + 1 WHERE id = 1")
        two.execute("UPDATE t SET n = n + 1 WHERE id = 2")
        one.execute("COMMIT")
        two.execute("COMMIT")


def concurrent_update(to: Server) -> None:
    with connected(to, 2) as (one, two):
        begin(one)
        two.execute("UPDATE t SET n = n + 1 WHERE id = 1")
        one.execute("UPDATE t SET n = n + 1 WHERE id = 1")


def deadlock(to: Server) -> None:
    with connected(to, 2) as (one, two), ThreadPoolExecutor(1) as threads:
        for connection, id in ((one, 1), (two, 2)):
            connection.execute("BEGIN")
            connection.execute("UPDATE t SET n = 0 WHERE id = %s", (id,))
        other = threads.submit(two.execute, "UPDATE t SET n = 0 WHERE id = 1")
        try:
            one.execute("UPDATE t SET n = 0 WHERE id = 2")
        finally:
            one.execute("ROLLBACK")
        other.result()


def lock_timeout(to: Server) -> None:
    with connected(to, 2) as (one, two):
        one.execute("BEGIN")
        one.execute("LOCK TABLE t")
        two.execute("SET lock_timeout = 10")
        two.execute("SELECT * FROM t")


def statement_timeout(to: Server) -> None:
    with connected(to) as (one,):
        one.execute("SET statement_timeout = 10")
        one.execute("SELECT pg_sleep(5)")


def idle_timeout(to: Server) -> None:
    with connected(to, 2) as (one, two):
        one.execute("SET idle_in_transaction_session_timeout = 1")
        one.execute("BEGIN")
        pid = one.info.backend_pid
        while two.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", (pid,)).fetchone():
            pass
        one.execute("SELECT 1")


def terminated(to: Server) -> None:
    with connected(to, 2) as (one, two):
        two.execute("SELECT pg_terminate_backend(%s)", (one.info.backend_pid,))
        one.execute("SELECT pg_sleep(5)")


def used_after_its_end(to: Server) -> None:
    with connected(to) as (one,):
        with pytest.raises(psycopg.Error):
            one.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        one.execute("SELECT 1")


def canceled(to: Server) -> None:
    with connected(to, 2) as (one, two), ThreadPoolExecutor(1) as threads:
        running = threads.submit(one.execute, "SELECT pg_sleep(30)")
        while not running.done():
            two.execute("SELECT pg_cancel_backend(%s)", (one.info.backend_pid,))
        running.result()


def too_many_connections(to: Server) -> None:
    with connected(to, 20):
        pass


def read_only(to: Server) -> None:
    with connected(to) as (one,):
        one.execute("SET default_transaction_read_only = on")
        one.execute("UPDATE t SET n = 1")


def out_of_predicate_locks(to: Server) -> None:
    with connected(to) as (one,):
        one.execute("DO $$ BEGIN RAISE SQLSTATE '53200'; END $$")


def refused(to: Server) -> None:
    psycopg.connect("host=127.0.0.1 port=1 user=nobody dbname=nothing")


def statement(text: str) -> Callable[[Server], None]:
    def run(to: Server) -> None:
        with connected(to) as (one,):
            one.execute(text)

    return run


def misuse(to: Server) -> None:
    with connected(to) as (one,):
        one.execute("SELECT %s", ())


CONFLICT, INTERNAL, LOST, OURS = "conflict", "internal", "lost", "the developer's"
CASES: dict[str, tuple[Callable[[Server], None], str]] = {
    "serialization failure at COMMIT": (serialization_failure, CONFLICT),
    "concurrent update": (concurrent_update, CONFLICT),
    "deadlock": (deadlock, CONFLICT),
    "lock timeout": (lock_timeout, CONFLICT),
    "statement timeout": (statement_timeout, INTERNAL),
    "canceled": (canceled, INTERNAL),
    "idle for too long": (idle_timeout, LOST),
    "terminated": (terminated, LOST),
    "used after its end": (used_after_its_end, LOST),
    "too many connections": (too_many_connections, LOST),
    "refused": (refused, LOST),
    "a server that only reads": (read_only, LOST),
    "no memory for locks": (out_of_predicate_locks, INTERNAL),
    "unique": (statement("INSERT INTO t VALUES (1, 1)"), OURS),
    "not null": (statement("INSERT INTO t VALUES (9, NULL)"), OURS),
    "division": (statement("SELECT 1/0"), OURS),
    "no such table": (statement("SELECT * FROM nowhere"), OURS),
    "syntax": (statement("SELEC 1"), OURS),
    "out of range": (statement("INSERT INTO t VALUES (99999999999, 1)"), OURS),
    "misuse of the driver": (misuse, OURS),
}


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("case", CASES)
def test_an_error_is_classified(case: str, small: Server) -> None:
    cause, kind = CASES[case]
    with pytest.raises(psycopg.Error) as raised:
        cause(small)
    check(raised.value, kind)
    check(DBAPIError.instance("SELECT", None, raised.value, psycopg.Error), kind)


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_server_that_stops_is_an_internal_error(mode: Any, small: Server) -> None:
    with connected(small) as (one,), ThreadPoolExecutor(1) as threads:
        running = threads.submit(one.execute, "SELECT pg_sleep(30)")
        small.stop(mode)
        with pytest.raises(psycopg.Error) as raised:
            running.result()
        check(raised.value, LOST)
        with pytest.raises(psycopg.Error) as refused:
            psycopg.connect(small.dsn())
        check(refused.value, LOST)
        small.start()
    with connected(small) as (one,):
        one.execute("SELECT 1")


def check(error: Any, kind: str) -> None:
    driver = getattr(error, "orig", error)
    assert is_conflict(error) == (kind == CONFLICT), driver.sqlstate
    assert is_internal(error) == (kind != OURS), driver.sqlstate
    assert is_lost(driver) == (kind == LOST), driver.sqlstate


def test_other_errors_are_not_internal() -> None:
    for error in (ValueError("x"), KeyError("x"), RuntimeError("the connection is closed"), URL.create("x")):
        assert not is_internal(error)  # type: ignore[arg-type]
