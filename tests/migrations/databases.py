"""Databases that the tests make, and what is in them."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, MetaData, NullPool, create_engine, event

from convexpy.database import tables
from convexpy.migrations.dev_sync import sync_tables
from convexpy.migrations.plan import Step


def sqlite_engine(path: Path, busy_milliseconds: int = 30_000) -> Engine:
    """Connections like the framework's own: foreign keys on, WAL, and BEGIN IMMEDIATE."""
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)

    @event.listens_for(engine, "connect")
    def prepare(driver: sqlite3.Connection, record: object) -> None:
        driver.isolation_level = None
        for pragma in (f"busy_timeout = {busy_milliseconds}", "foreign_keys = ON", "journal_mode = WAL"):
            driver.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def never(steps: list[Step]) -> bool:
    raise AssertionError(f"a question about {steps}")


def yes(steps: list[Step]) -> bool:
    return True


def no(steps: list[Step]) -> bool:
    return False


def run(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def rows(engine: Engine, query: str = "SELECT * FROM orders ORDER BY id") -> list[dict[str, Any]]:
    with engine.connect() as connection:
        return [dict(row) for row in connection.exec_driver_sql(query).mappings()]


def made_with(engine: Engine, metadata: MetaData, *statements: str) -> None:
    """A database that convexpy has made from these models, and some rows."""
    sync_tables(engine, metadata, never)
    run(engine, *statements)


def everything(engine: Engine) -> list[Any]:
    """All of a SQLite database: its schema and its rows."""
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        return list(driver.iterdump())


def write_revision(folder: Path, name: str, down: str | None, body: str) -> None:
    folder.mkdir(exist_ok=True)
    lines = "\n    ".join(body.strip().splitlines())
    (folder / f"{name}.py").write_text(
        f"from alembic import op\nimport sqlalchemy as sa\nrevision = {name!r}\ndown_revision = {down!r}\n\n"
        f"def upgrade():\n    {lines}\n"
    )


def schema(engine: Engine) -> dict[str, str]:
    """The statements that made everything in a SQLite database, by name, without Alembic's own table.

    A table that was renamed has quotes around its name, and a column that was added has no line of its own.
    """
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").all()
    return {name: " ".join(sql.replace('"', "").split()) for name, sql in rows if name != tables.ALEMBIC_VERSION_TABLE}
