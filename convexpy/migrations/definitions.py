"""What Alembic does not compare: CHECK constraints, the WHERE and expressions of indexes, Computed columns.

A database writes an expression in words of its own, so the models' tables are made in a place that is thrown away, and
both are read in the same way.

Imports nothing of Alembic.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from sqlalchemy import CheckConstraint, Connection, MetaData, Table, create_engine, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from ..database.tables import FRAMEWORK_TABLES

CHECKS = text(
    "SELECT conname AS name, pg_get_constraintdef(c.oid) AS sql "
    "FROM pg_constraint c JOIN pg_class t ON t.oid = conrelid "
    "WHERE contype = 'c' AND relname = :table AND relnamespace = to_regnamespace(:schema)"
)
INDEXES = text(
    "SELECT c.relname AS name, concat_ws(' ', (SELECT string_agg(pg_get_indexdef(i.indexrelid, k, false), ', ' "
    "ORDER BY k) FROM generate_series(1, i.indnatts) k), 'WHERE ' || pg_get_expr(i.indpred, i.indrelid)) AS sql "
    "FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid "
    "WHERE t.relname = :table AND t.relnamespace = to_regnamespace(:schema)"
)
COMPUTED = text(
    "SELECT attname AS name, pg_get_expr(adbin, adrelid) AS sql "
    "FROM pg_attribute a JOIN pg_class t ON t.oid = attrelid "
    "JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum WHERE attgenerated <> '' AND NOT attisdropped "
    "AND relname = :table AND relnamespace = to_regnamespace(:schema)"
)


@dataclass
class Definitions:
    """The expressions of one table, as its database spells them."""

    checks: list[tuple[str | None, str]] = field(default_factory=list)
    indexes: dict[str, str] = field(default_factory=dict)
    computed: dict[str, str] = field(default_factory=dict)


@dataclass
class Changed:
    """How the expressions of a table differ from those of its model."""

    model: Table
    checks: bool
    indexes: list[str]
    computed: list[str]


def changed_definitions(connection: Connection, metadata: MetaData, tables: list[Table]) -> list[Changed]:
    """The tables, of those that are there, whose expressions differ from the models.

    Raises:
        SQLAlchemyError: The models' tables cannot be made a second time, so they cannot be compared.
    """
    found = []
    for table, its in wanted_definitions(connection, metadata, tables).items():
        there = read(connection, table, table.schema)
        found.append(
            Changed(
                table,
                not same_checks(table, there, its),
                differing(there.indexes, its.indexes),
                differing(there.computed, its.computed),
            )
        )
    return [each for each in found if each.checks or each.indexes or each.computed]


def wanted_definitions(connection: Connection, metadata: MetaData, tables: list[Table]) -> dict[Table, Definitions]:
    with wanted_tables(connection, metadata) as (scratch, schema):
        return {table: read(scratch, table, schema) for table in tables}


def differing(there: dict[str, str], wanted: dict[str, str]) -> list[str]:
    """The names that both have, with different SQL. What only one has, Alembic finds."""
    return sorted(name for name, sql in wanted.items() if there.get(name, sql) != sql)


def same_checks(model: Table, there: Definitions, wanted: Definitions) -> bool:
    names = {str(each.name) for each in checks_of(model) if isinstance(each.name, str)}

    def sorted_by_name(checks: list[tuple[str | None, str]]) -> list[tuple[str, str]]:
        """Names that the database made do not count."""
        return sorted((name if name in names else "", sql) for name, sql in checks)

    return sorted_by_name(there.checks) == sorted_by_name(wanted.checks)


def checks_of(model: Table) -> list[CheckConstraint]:
    """The CHECKs of a model, those that spell out an Enum or a Boolean included."""
    checks = [each for each in model.constraints if isinstance(each, CheckConstraint)]
    return sorted(checks, key=lambda each: str(each.sqltext))


@contextmanager
def wanted_tables(connection: Connection, metadata: MetaData) -> Iterator[tuple[Connection, str | None]]:
    """The models' tables, empty, on a connection and in a schema. They are gone after the block."""
    tables = [table for key, table in metadata.tables.items() if key not in FRAMEWORK_TABLES]
    if connection.dialect.name == "sqlite":
        engine = create_engine("sqlite://")
        try:
            with engine.connect() as scratch:
                metadata.create_all(scratch, tables=tables)
                yield scratch, None
        finally:
            engine.dispose()
        return
    schema = f"convexpy_scratch_{uuid4().hex}"
    savepoint = connection.begin_nested()
    try:
        path = connection.exec_driver_sql("SHOW search_path").scalar()
        connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
        connection.exec_driver_sql(f"SET LOCAL search_path TO {schema}, {path or 'pg_catalog'}")
        translated: Any = {table.schema: schema for table in tables if table.schema}
        scratch = connection.execution_options(schema_translate_map=translated)
        try:
            metadata.create_all(scratch, tables=tables, checkfirst=False)
        finally:
            connection.execution_options(schema_translate_map=None)
        yield connection, schema
    finally:
        savepoint.rollback()


def read(connection: Connection, model: Table, schema: str | None) -> Definitions:
    if connection.dialect.name == "sqlite":
        return read_sqlite(connection, model)
    where = {"table": model.name, "schema": quoted(connection, schema)}
    return Definitions(
        [(row.name, row.sql) for row in connection.execute(CHECKS, where)],
        {row.name: row.sql for row in connection.execute(INDEXES, where)},
        {row.name: row.sql for row in connection.execute(COMPUTED, where)},
    )


def quoted(connection: Connection, schema: str | None) -> str:
    name = schema or connection.exec_driver_sql("SELECT current_schema()").scalar_one()
    return connection.dialect.identifier_preparer.quote(name)


def read_sqlite(connection: Connection, model: Table) -> Definitions:
    inspector = inspect(connection)
    query = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL"
    made = connection.exec_driver_sql(query, (model.name,)).all()
    return Definitions(
        [(check["name"], bare(check["sqltext"])) for check in inspector.get_check_constraints(model.name)],
        {name: bare(sql[re.search(r"\sON\s", sql, re.IGNORECASE).end() :]) for name, sql in made},  # type: ignore[union-attr]
        {
            column["name"]: bare(column["computed"]["sqltext"])
            for column in inspector.get_columns(model.name)
            if "computed" in column
        },
    )


def bare(sql: str) -> str:
    """SQL that SQLite keeps as it was written: without quotes around names, and with single spaces."""
    return " ".join(re.sub(r'"(\w+)"|[`\[](\w+)[`\]]', lambda found: found[1] or found[2], sql).split())


def comparable(connection: Connection, metadata: MetaData, tables: list[Table]) -> tuple[list[Changed], str | None]:
    """The changes; or the reason why the models cannot be compared."""
    if is_read_only(connection):
        return [], None  # the source of a copy, whose target refuses the rows that do not fit
    try:
        return changed_definitions(connection, metadata, tables), None
    except SQLAlchemyError as error:
        return [], str(getattr(error, "orig", error)).strip().splitlines()[0]


def is_read_only(connection: Connection) -> bool:
    """Whether no table can be made to compare with. On SQLite none is: they are made in a database in memory."""
    return (
        connection.dialect.name == "postgresql"
        and connection.exec_driver_sql("SHOW transaction_read_only").scalar_one() == "on"
    )
