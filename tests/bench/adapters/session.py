"""The statements of one job through SQLAlchemy and the driver, shared by the handlers of all systems."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.orm import Session

from ..app.models import Entry, write, write_by_driver
from ..config import Config


def engine(
    config: Config, threads: int = 1, isolation_level: str | None = None, begin: str = "BEGIN IMMEDIATE"
) -> Engine:
    """An engine for this many threads, with the configured durability. ``begin``: how transactions begin on SQLite."""
    if config.database == "postgres":
        level = {"isolation_level": isolation_level} if isolation_level else {}
        return create_engine(config.url, pool_size=threads, max_overflow=4, **level)
    made = create_engine(config.url, pool_size=threads)

    @event.listens_for(made, "connect")
    def prepare(driver: object, record: object) -> None:
        driver.isolation_level = None  # type: ignore[attr-defined]
        for pragma in (f"synchronous = {config.synchronous}", "busy_timeout = 30000"):
            driver.execute(f"PRAGMA {pragma}")  # type: ignore[attr-defined]

    @event.listens_for(made, "begin")
    def begin_as_given(connection: object) -> None:
        connection.exec_driver_sql(begin)  # type: ignore[attr-defined]

    return made


class Work:
    """One transaction a job: through a session, or with plain SQL through the driver if the config says so."""

    def __init__(self, config: Config, threads: int = 1, isolation_level: str | None = None) -> None:
        self._config = config
        self._by_driver = config.database == "postgres" and config.options.get("job") == "driver"
        self._engine = engine(config, threads, isolation_level)
        self._drivers = threading.local()

    def __call__(self, i: int) -> None:
        if self._by_driver:
            connection = self._driver()
            with connection.transaction():
                write_by_driver(connection.execute, "%s", i)
            return
        with Session(self._engine) as session, session.begin():
            write(session, i)

    def _driver(self) -> psycopg.Connection[Any]:
        """This thread's connection."""
        if not hasattr(self._drivers, "connection"):
            self._drivers.connection = psycopg.connect(self._config.name, autocommit=True)
        connection: psycopg.Connection[Any] = self._drivers.connection
        return connection


class Saver:
    """One row in one transaction, for systems that enqueue outside of it."""

    def __init__(self, config: Config) -> None:
        self._engine = engine(config)

    def __call__(self, row: Entry) -> None:
        with Session(self._engine) as session, session.begin():
            session.add(row)
