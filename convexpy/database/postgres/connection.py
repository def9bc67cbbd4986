"""How connections to a server are made: what they ask for, and how one is cut off."""

from __future__ import annotations

import logging
import os
import select
import socket
from contextlib import suppress
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import ResourceClosedError

from ...errors import DatabaseError
from ...settings import Settings
from ..errors import ConnectionLost
from ..postgres_errors import POOLER_ERRORS
from ..statement_guard import guard

logger = logging.getLogger("convexpy.database")

DRIVER: Final = "postgresql+psycopg"
# libpq's numbers for the state of a transaction.
IDLE, IN_TRANSACTION, IN_ERROR, UNKNOWN = 0, 2, 3, 4
# A server that is gone without a word is noticed within a minute by the operating system.
NETWORK: Final = {
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


POOLED: Final = (
    "%s. Behind a pooler that hands out connections by transaction, prepared statements are somebody else's: "
    "set prepared_statements = false. This process goes on without"
)


def with_driver(url: URL) -> URL:
    """The URL, for the driver that we use.

    Raises:
        DatabaseError: It asks for another driver, or ours is not installed.
    """
    if url.drivername not in ("postgresql", "postgres", DRIVER):
        raise DatabaseError(f"{url.drivername!r} is not supported. Write postgresql://user:password@host/name")
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        raise DatabaseError("PostgreSQL needs its driver. Install it: pip install 'convexpy[postgres]'") from error
    return url.set(drivername=DRIVER)


def make_engine(url: URL, settings: Settings, *, begins_ahead: bool = False, **pool: Any) -> Engine:
    """An engine whose transactions begin with the statement that they are asked for with.

    Args:
        begins_ahead: Nobody waits for the answer before it is needed: see ``PostgresTransaction.wait_for_begin``.
    """
    engine = create_engine(url, connect_args=connect_arguments(url, settings), **pool)
    is_pooled = False

    @event.listens_for(engine, "connect")
    def leave_transactions_to_us(driver: Any, record: object) -> None:
        driver.autocommit = True
        if is_pooled:
            driver.prepare_threshold = None

    @event.listens_for(engine, "handle_error")
    def notice_a_pooler(context: ExceptionContext) -> None:
        nonlocal is_pooled
        if getattr(context.original_exception, "sqlstate", None) in POOLER_ERRORS:
            if not is_pooled:
                logger.warning(POOLED, context.original_exception)
            is_pooled = True
            context.is_disconnect = True  # and with it every connection that has prepared something

    guard(engine, send if begins_ahead else begin_transaction, commit_transaction)
    return engine


def begin_transaction(driver: Any, statement: str) -> None:
    """Begin a transaction, its limits along with it in one message."""
    execute(driver, statement)
    check_begun(driver)


def check_begun(driver: Any) -> None:
    if driver.pgconn.transaction_status != IN_TRANSACTION:
        # A connection that breaks between the answers to the statements raises nothing.
        raise ConnectionLost("the connection to the database broke while a transaction was being begun")


def commit_transaction(driver: Any) -> None:
    """Commit, unless that was said along with something else."""
    if driver.pgconn.transaction_status != IDLE:
        execute(driver, "COMMIT")


def execute(driver: Any, statement: str) -> None:
    """Say something that is answered with nothing, past what the driver would do for a query.

    Raises:
        psycopg.Error: The server refused it, or the connection is gone.
    """
    check_open(driver)
    check_answer(driver, driver.pgconn.exec_(statement.encode()))


def send(driver: Any, statement: str) -> None:
    """The same, without waiting for the answer: ``hear`` does, and nothing else may be said before."""
    check_open(driver)
    driver.pgconn.send_query(statement.encode())
    driver.pgconn.flush()


def receive(driver: Any) -> None:
    """Wait for the answer to what was asked."""
    connection = driver.pgconn
    while True:
        while connection.is_busy():
            wait_for_bytes(connection.socket)
            connection.consume_input()
        result = connection.get_result()
        if result is None:
            return
        check_answer(driver, result)


def wait_for_bytes(descriptor: int) -> None:
    if hasattr(select, "poll"):  # where there is one, a process may have more files open than the other can count
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        poll.poll()
    else:
        select.select([descriptor], (), ())


def check_open(driver: Any) -> None:
    import psycopg

    if driver.closed:
        raise psycopg.OperationalError("the connection is closed")


def check_answer(driver: Any, result: Any) -> None:
    import psycopg

    if result.status not in (psycopg.pq.ExecStatus.COMMAND_OK, psycopg.pq.ExecStatus.TUPLES_OK):
        if driver.pgconn.status == psycopg.pq.ConnStatus.BAD:
            raise psycopg.OperationalError(result.error_message.decode(errors="replace") or "the connection is lost")
        raise psycopg.errors.error_from_result(result)


def connect_arguments(url: URL, settings: Settings) -> dict[str, Any]:
    """What we ask for beyond the URL. What the URL says itself stays."""
    wanted: dict[str, Any] = {**NETWORK, "application_name": "convexpy", "target_session_attrs": "read-write"}
    if not settings.prepared_statements:
        wanted["prepare_threshold"] = None
    return {name: value for name, value in wanted.items() if name not in url.query}


def connected(engine: Engine) -> Connection:
    """A connection of an engine's.

    Raises:
        ConnectionLost: It broke while SQLAlchemy asked the server for what it wants to know of it at first. What SQLAlchemy
            says then sounds like a mistake in the code that uses it.
    """
    try:
        return engine.connect()
    except (ResourceClosedError, NotImplementedError) as error:
        raise ConnectionLost("the connection to the database broke while it was being made") from error


def driver_of(connection: Connection) -> Any:
    """The driver's own connection."""
    return connection.connection.driver_connection


def cut_off(driver: Any) -> None:
    """Make whoever waits for this connection see it break, from another thread.

    Closing it would not wake the thread that waits for an answer; shutting its socket down does. The server rolls back
    when it notices, at the latest when the running statement reaches its time limit.
    """
    with suppress(Exception):
        descriptor = os.dup(driver.pgconn.socket)
        with socket.socket(fileno=descriptor) as wire:
            wire.shutdown(socket.SHUT_RDWR)


def cut_off_silent(driver: Any) -> None:
    """Cut a connection whose server did not answer within its limit."""
    logger.warning("the database did not answer in time; its connection is cut")
    cut_off(driver)
