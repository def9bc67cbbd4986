"""Throw-away databases on a PostgreSQL server: a template once per process, and a copy of it for every test."""

from __future__ import annotations

import atexit
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final
from uuid import uuid4

from sqlalchemy import URL, Connection, MetaData, NullPool, create_engine
from sqlalchemy.exc import DBAPIError

from ..database.postgres.connection import with_driver
from ..database.url import read_url
from ..errors import DatabaseError
from .database import create_tables, is_test_database

PREFIX: Final = "convexpy_test_"
MAINTENANCE: Final = "postgres"
"""The database to connect to if the URL names none. Every server has it."""
INSUFFICIENT_PRIVILEGE: Final = "42501"

_servers: dict[tuple[URL, int], tuple[MetaData | None, TestServer]] = {}


class TestServer:
    """Makes databases with the framework's tables and an app's, and drops them. The URL's own is only connected to."""

    __test__ = False  # for pytest

    def __init__(self, url: URL, metadata: MetaData | None) -> None:
        self._url = url
        self._metadata = metadata
        self._template: URL | None = None

    def new_database(self) -> URL:
        """A database that no test has used.

        Raises:
            DatabaseError: The server cannot be reached, or the role may not create databases.
        """
        if self._template is None:
            template = self._url.set(database=f"{PREFIX}template_{uuid4().hex[:16]}")
            self._execute(f"CREATE DATABASE {template.database}")
            atexit.register(self._drop_at_exit, template)
            create_tables(template, self._metadata)
            self._template = template
        copy = self._url.set(database=f"{PREFIX}{uuid4().hex[:16]}")
        self._execute(f"CREATE DATABASE {copy.database} TEMPLATE {self._template.database}")
        return copy

    def drop(self, database: URL) -> None:
        """Drop a database that this object made, whatever is still connected to it."""
        self._execute(f"DROP DATABASE IF EXISTS {database.database} WITH (FORCE)")

    def _drop_at_exit(self, database: URL) -> None:
        with suppress(DatabaseError):  # the server may have been stopped before
            self.drop(database)

    def _execute(self, statement: str) -> None:
        with connected(self._url) as connection:
            connection.exec_driver_sql(statement)


def server_of(given: str, metadata: MetaData | None) -> TestServer | None:
    """The server of a URL. None if the URL's database is one that a ConvexTest made: that one is shared, and is given
    the tables of the app that it lacks.

    Raises:
        DatabaseError: The URL cannot be used.
    """
    url = with_driver(read_url(given))
    if not url.database:
        url = url.set(database=MAINTENANCE)
    known = _servers.get((url, id(metadata)))
    if known is None:
        with connected(url) as connection:
            if is_test_database(connection):
                if metadata is not None:
                    metadata.create_all(connection)
                return None
        # The metadata itself is kept as well, so that its id stays its own.
        known = _servers[url, id(metadata)] = (metadata, TestServer(url, metadata))
    return known[1]


@contextmanager
def connected(url: URL) -> Iterator[Connection]:
    """A connection outside of transactions, as making and dropping databases requires."""
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            yield connection
    except DBAPIError as error:
        shown = url.set(drivername="postgresql").render_as_string(hide_password=True)
        text = f"{shown}: {' '.join(str(error.orig).split())}"
        if getattr(error.orig, "sqlstate", None) == INSUFFICIENT_PRIVILEGE:
            text += f". Every test gets a database of its own: ALTER ROLE {url.username} CREATEDB"
        raise DatabaseError(text) from error
