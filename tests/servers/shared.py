"""One PostgreSQL for all tests of a process: the one that the environment names, or one from a wheel; or neither."""

from __future__ import annotations

import atexit
import os
from contextlib import ExitStack
from functools import cache
from itertools import count
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import make_url
from sqlalchemy.engine import URL

from convexpy.testing.database import create_tables

from .postgres import NoServer, server

VARIABLE = "CONVEXPY_TEST_POSTGRES_URL"
_numbers = count()


@cache
def main_url() -> URL | NoServer:
    """A database from which others can be made, or why there is none."""
    if VARIABLE in os.environ:
        return make_url(os.environ[VARIABLE]).set(drivername="postgresql+psycopg")
    stack = ExitStack()
    try:
        started = stack.enter_context(server())
    except NoServer as reason:
        return reason
    atexit.register(stack.close)
    return make_url(started.url()).set(drivername="postgresql+psycopg")


def postgres_url() -> URL:
    """The same, for a test: it is skipped where no PostgreSQL can run, and says why."""
    url = main_url()
    if isinstance(url, NoServer):
        pytest.skip(f"no PostgreSQL: {url}. Set {VARIABLE} to the URL of one")
    return url


@cache
def connection() -> psycopg.Connection:
    """One connection for all that is made and dropped: hundreds of tests would open one each."""
    url = postgres_url().set(drivername="postgresql")
    return psycopg.connect(url.render_as_string(hide_password=False), autocommit=True)


def execute(statement: str) -> None:
    """Run a statement outside of a transaction, as making and dropping databases asks for."""
    connection().execute(statement.encode())


def new_database(template: str = "template1") -> URL:
    """A database that nobody has used."""
    name = f"convexpy_{uuid4().hex[:12]}_{next(_numbers)}"
    execute(f"CREATE DATABASE {name} TEMPLATE {template} {strategy()}")
    return postgres_url().set(database=name)


@cache
def strategy() -> str:
    """How to copy a database: by its files, which takes half as long where no checkpoint has to reach a disk."""
    return "" if VARIABLE in os.environ else "STRATEGY FILE_COPY"


def drop(url: URL) -> None:
    execute(f"DROP DATABASE IF EXISTS {url.database} WITH (FORCE)")


class Template:
    """A database with tables, made once, and copies of it."""

    def __init__(self, metadata: object) -> None:
        self._metadata = metadata
        self._made: URL | None = None

    def copy(self) -> URL:
        if self._made is None:
            self._made = new_database()
            create_tables(self._made, self._metadata)  # type: ignore[arg-type]
        return new_database(str(self._made.database))
