"""The statements of one job through SQLAlchemy and the driver: the layer that all contestants' handlers share."""

from __future__ import annotations

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.orm import Session

from ..app.models import Entry, write
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
    """One transaction a job."""

    def __init__(self, place: Place, threads: int = 1, isolation_level: str | None = None) -> None:
        self._engine = engine(place, threads, isolation_level)

    def __call__(self, i: int) -> None:
        with Session(self._engine) as session, session.begin():
            write(session, i)


class Saver:
    """One row in one transaction, for those who enqueue apart from it."""

    def __init__(self, place: Place) -> None:
        self._engine = engine(place)

    def __call__(self, row: Entry) -> None:
        with Session(self._engine) as session, session.begin():
            session.add(row)
