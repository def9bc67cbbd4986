"""The statements of one job through SQLAlchemy and the driver: the layer that all contestants' handlers share."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.orm import Session

from ..app.models import Entry, write, write_by_driver
from ..place import Place


def engine(place: Place, threads: int = 1, isolation_level: str | None = None) -> Engine:
    """Connections for this many threads, with the place's durability."""
    if place.database == "postgres":
        level = {"isolation_level": isolation_level} if isolation_level else {}
        return create_engine(place.url, pool_size=threads, max_overflow=4, **level)
    made = create_engine(place.url)

    @event.listens_for(made, "connect")
    def prepare(driver: object, record: object) -> None:
        driver.isolation_level = None  # type: ignore[attr-defined]
        for pragma in (f"synchronous = {place.synchronous}", "busy_timeout = 30000"):
            driver.execute(f"PRAGMA {pragma}")  # type: ignore[attr-defined]

    @event.listens_for(made, "begin")
    def begin(connection: object) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # type: ignore[attr-defined]

    return made


class Work:
    """One transaction a job; on PostgreSQL with plain SQL through the driver alone, if that is the place's job."""

    def __init__(self, place: Place, threads: int = 1, isolation_level: str | None = None) -> None:
        self._place = place
        self._by_driver = place.database == "postgres" and place.options.get("job") == "driver"
        self._engine = engine(place, threads, isolation_level)
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
        """The connection of this thread."""
        if not hasattr(self._drivers, "connection"):
            self._drivers.connection = psycopg.connect(self._place.name, autocommit=True)
        connection: psycopg.Connection[Any] = self._drivers.connection
        return connection


class Saver:
    """One row in one transaction, for those who enqueue apart from it."""

    def __init__(self, place: Place) -> None:
        self._engine = engine(place)

    def __call__(self, row: Entry) -> None:
        with Session(self._engine) as session, session.begin():
            session.add(row)
