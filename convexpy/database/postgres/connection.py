"""Connections to a server: parameters, engines, and statements sent past the driver's cursors."""

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
from ..hidden_values import hide_values, without_values
from ..postgres_errors import POOLER_ERRORS
from ..transaction import guard
from .sockets import SOCKETS

logger = logging.getLogger("convexpy.database")

DRIVER: Final = "postgresql+psycopg"
# libpq's transaction states.
IDLE, IN_TRANSACTION, IN_ERROR, UNKNOWN = 0, 2, 3, 4
# The operating system notices a server that went silent within a minute.
NETWORK: Final = {
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
POOLER_WARNING: Final = (
    "%s. A pooler in transaction mode does not keep prepared statements for a client: "
    "set prepared_statements = false. This process uses none from now on"
)


def with_driver(url: URL) -> URL:
    """The URL with psycopg as its driver.

    Raises:
        DatabaseError: It names another driver, or psycopg is not installed.
    """
    if url.drivername not in ("postgresql", "postgres", DRIVER):
        raise DatabaseError(f"{url.drivername!r} is not supported. Write postgresql://user:password@host/name")
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        raise DatabaseError("PostgreSQL needs its driver. Install it: pip install 'convexpy[postgres]'") from error
    return url.set(drivername=DRIVER)


def make_engine(url: URL, settings: Settings, *, pipelines_begin: bool = False, **pool: Any) -> Engine:
    """An engine whose transactions begin with the statement that is passed to ``begin()``.

    Args:
        pipelines_begin: BEGIN is sent, and its answer left to ``PostgresTransaction.wait_for_begin``.
    """
    arguments = connect_arguments(url, settings)
    engine = create_engine(url, connect_args=arguments, hide_parameters=not settings.debug, **pool)
    if not settings.debug:
        hide_values(engine)
    is_pooled = False

    @event.listens_for(engine, "connect")
    def set_autocommit(driver: Any, record: object) -> None:
        driver.autocommit = True
        SOCKETS.add(driver)
        if is_pooled:
            driver.prepare_threshold = None

    @event.listens_for(engine, "handle_error")
    def detect_pooler(context: ExceptionContext) -> None:
        nonlocal is_pooled
        if getattr(context.original_exception, "sqlstate", None) in POOLER_ERRORS:
            if not is_pooled:
                logger.warning(POOLER_WARNING, context.original_exception)
            is_pooled = True
            context.is_disconnect = True  # discards every connection of the pool: they have prepared statements

    guard(engine, send if pipelines_begin else begin_transaction, commit_transaction)
    return engine


def begin_transaction(driver: Any, statement: str) -> None:
    """Begin a transaction, with its settings in the same message."""
    execute(driver, statement)
    check_begun(driver)


def check_begun(driver: Any) -> None:
    if driver.pgconn.transaction_status != IN_TRANSACTION:
        # A connection that breaks between the answers to two statements raises nothing.
        raise ConnectionLost("the connection to the database broke while a transaction was being begun")


def commit_transaction(driver: Any) -> None:
    """Commit, unless COMMIT was sent in another message already."""
    if driver.pgconn.transaction_status != IDLE:
        execute(driver, "COMMIT")


def execute(driver: Any, statement: str) -> None:
    """Execute statements without results, past the driver's cursors.

    Raises:
        psycopg.Error: The server refused it, or the connection is broken.
    """
    check_open(driver)
    check_answer(driver, driver.pgconn.exec_(statement.encode()))


def send(driver: Any, statement: str) -> None:
    """The same without waiting for the answer. ``receive()`` must be called before anything else is sent."""
    check_open(driver)
    driver.pgconn.send_query(statement.encode())
    driver.pgconn.flush()


def receive(driver: Any) -> None:
    """Wait for the answer to what was sent."""
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
    if hasattr(select, "poll"):  # select() refuses file descriptors above 1023
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
        raise without_values(psycopg.errors.error_from_result(result))


def connect_arguments(url: URL, settings: Settings) -> dict[str, Any]:
    """libpq's parameters for what the URL does not set itself."""
    wanted: dict[str, Any] = {**NETWORK, "application_name": "convexpy", "target_session_attrs": "read-write"}
    if not settings.prepared_statements:
        wanted["prepare_threshold"] = None
    return {name: value for name, value in wanted.items() if name not in url.query}


def connected(engine: Engine) -> Connection:
    """A connection of an engine.

    Raises:
        ConnectionLost: It broke while SQLAlchemy inspected the server. SQLAlchemy's own error then reads like a mistake
            in the calling code.
    """
    try:
        return engine.connect()
    except (ResourceClosedError, NotImplementedError) as error:
        raise ConnectionLost("the connection to the database broke while it was being made") from error


def driver_of(connection: Connection) -> Any:
    """The psycopg connection."""
    return connection.connection.driver_connection


def cut_off(driver: Any) -> None:
    """Break a connection from another thread, so that the thread that uses it gets an error.

    Closing the connection would not wake a thread that waits for an answer; shutting down its socket does. The server
    rolls back when it notices, at the latest at the time limit of the running statement.
    """
    with suppress(Exception):
        descriptor = os.dup(driver.pgconn.socket)
        with socket.socket(fileno=descriptor) as duplicate:
            duplicate.shutdown(socket.SHUT_RDWR)


def cut_off_silent(driver: Any) -> None:
    """Cut off a connection whose server did not answer within its limit."""
    logger.warning("the database did not answer in time; its connection is cut off")
    cut_off(driver)
