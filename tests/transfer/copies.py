"""Copies of a database: what they are made of, and what is in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from migrations.databases import run
from sqlalchemy import URL, Engine, MetaData, Table, insert, inspect, select

from convexpy.settings import Settings
from convexpy.transfer.connections import one_transaction, snapshot
from convexpy.transfer.copy import CopyResult, copy_database

from .everything import EVERYTHING, FULL, LINKS, METADATA, NOTES, TREE

SETTINGS = Settings()


def copied(source: URL, target: URL, folder: Path = Path("nowhere"), metadata: MetaData = METADATA) -> CopyResult:
    with snapshot(source, SETTINGS) as read, one_transaction(target, SETTINGS) as write:
        return copy_database(read, write, metadata, folder, lambda table, rows, total: None)


def put(engine: Engine, table: Table, *rows: dict[str, Any]) -> None:
    with engine.begin() as connection:
        for row in rows:
            connection.execute(insert(table).values(**row))


def read(url: URL, table: Table) -> list[Any]:
    with snapshot(url, SETTINGS) as connection:
        return sorted(connection.execute(select(table)).all(), key=lambda row: str(row[0]))


def tables_in(url: URL) -> list[str]:
    with snapshot(url, SETTINGS) as connection:
        return inspect(connection).get_table_names()


def fill(source: Engine) -> None:
    nothing = dict.fromkeys(FULL)
    put(source, EVERYTHING, {"id": 1, **FULL}, {"id": 700, **nothing})
    run(source, "UPDATE everything SET document = NULL, tags = NULL, binary_document = 'null' WHERE id = 700")
    # Children before their parents, and more rows than one batch has.
    put(source, TREE, {"id": 2, "parent": None})
    with source.begin() as connection:
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        rows = [{"id": n, "parent": n + 1} for n in range(3, 1203)]
        connection.execute(insert(TREE), [*rows, {"id": 1203, "parent": None}])
    put(source, LINKS, {"tree": 2, "everything": 1, "spoken": None}, {"tree": 3, "everything": 700, "spoken": [1]})
    put(source, NOTES, {"text": "twice"}, {"text": "twice"})
