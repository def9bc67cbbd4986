"""Synchronizes the user's tables with the models, in a development database."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, Dialect, Engine, MetaData, text
from sqlalchemy.exc import CompileError
from sqlalchemy.schema import CreateIndex, CreateTable, DDLElement

from ..database.tables import FRAMEWORK_TABLES
from ..errors import DatabaseError
from .framework import check_revision, recorded_revision
from .metadata import key_of, read_made_tables, read_value, write_made_tables, write_value
from .names import refuse_names
from .schema_change import schema_change, transaction

if TYPE_CHECKING:  # it imports Alembic, which is not needed when nothing has changed
    from .plan import Plan, Step

IN_SYNC: Final = "models_in_step"
USERS_VERSION_TABLE: Final = "alembic_version"

POSTGRESQL_SHAPE: Final = text(
    "SELECT md5(coalesce(string_agg(concat_ws(' ', c.relnamespace, c.relname, a.attname, a.atttypid, a.atttypmod, "
    "a.attnotnull, a.atthasdef), ',' ORDER BY c.relnamespace, c.relname, a.attnum), '')) "
    "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid "
    "WHERE c.relkind IN ('r', 'p', 'i') AND a.attnum > 0 AND NOT a.attisdropped "
    "AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'"
)
# What has no column of its own: CHECKs, expressions of indexes and members of enumerations.
POSTGRESQL_EXPRESSIONS: Final = text(
    "SELECT md5(concat_ws(',', "
    "(SELECT string_agg(pg_get_constraintdef(oid), ',' ORDER BY conname, oid) FROM pg_constraint WHERE contype = 'c'), "
    "(SELECT string_agg(pg_get_indexdef(indexrelid), ',' ORDER BY indexrelid) FROM pg_index "
    "WHERE indexprs IS NOT NULL OR indpred IS NOT NULL), "
    "(SELECT string_agg(enumlabel, ',' ORDER BY enumtypid, enumsortorder) FROM pg_enum)))"
)


@dataclass(frozen=True)
class SyncResult:
    """The differences that were applied and those that were not, a line each."""

    done: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    """What differs and has to be changed by hand, with what to do."""
    by_revisions: bool = False
    """Nothing was done: this database is changed by the user's Alembic revisions."""


def sync_tables(bind: Engine | Connection, metadata: MetaData, confirm: Callable[[list[Step]], bool]) -> SyncResult:
    """Make the tables what the models say. Steps that lose something need a confirmation.

    One transaction: if a step fails, nothing was changed. No lock is held during the confirmation. A database that has
    Alembic revisions of the user's is left to them. When nothing has changed since the last call, this takes a few
    queries and does not import Alembic.

    Args:
        bind: A database with the framework's tables. On SQLite an engine, or a connection outside a transaction.
        metadata: The user's models.
        confirm: Called with the steps that lose something, if there are any. False leaves them undone; the next call
            asks again.

    Raises:
        DatabaseError: The rows that are there do not allow a step; the text names the ways out.
    """
    with transaction(bind) as connection:
        check_revision(connection)
        refuse_names(metadata, connection.dialect)
        if is_in_sync(connection, metadata):
            return SyncResult()
        by_revisions = recorded_revision(connection, USERS_VERSION_TABLE) is not None
    from .apply import allowing_null, apply_steps, members_of
    from .plan import plan

    proposed = plan(bind, metadata)
    if by_revisions and proposed:
        return SyncResult(
            left=[*lines(proposed.safe), *lines(proposed.lossy), *proposed.blocked, *proposed.unchanged],
            by_revisions=True,
        )
    refuse_blocked(proposed)
    agreed = lines(proposed.lossy) if proposed.lossy and confirm(proposed.lossy) else []
    members = members_of(proposed)
    if members:  # nothing can use one before it is committed
        with schema_change(bind) as connection:
            apply_steps(connection, members)
    with schema_change(bind) as connection:
        # Again, as rows may have been written during the confirmation.
        current = plan(connection, metadata)
        refuse_blocked(current)
        steps = [*current.safe, *(step for step in current.lossy if step.description in agreed)]
        left = [step for step in current.lossy if step not in steps]
        apply_steps(connection, [*steps, *allowing_null(left)])
        record(connection, metadata, steps, is_in_step=not left and not current.unchanged)
    return SyncResult(lines([*members, *steps]), lines(left), current.unchanged)


def fingerprint(metadata: MetaData, dialect: Dialect) -> str:
    """A hash of what would create the models' tables. Different models, different hash.

    Raises:
        DatabaseError: A table has something that this kind of database does not support.
    """
    ddl = hashlib.sha256()
    for key, table in sorted(metadata.tables.items()):
        if key in FRAMEWORK_TABLES:
            continue
        indexes = sorted(table.indexes, key=lambda each: str(each.name))
        members = [getattr(column.type, "enums", None) for column in table.columns]  # a native type is only named
        ddl.update(repr(members).encode())
        statements: list[DDLElement] = [CreateTable(table), *map(CreateIndex, indexes)]
        for statement in statements:
            try:
                ddl.update(str(statement.compile(dialect=dialect)).encode())
            except CompileError as error:
                raise DatabaseError(f"table {key} cannot be made on {dialect.name}: {error}") from error
    return ddl.hexdigest()


def is_in_sync(connection: Connection, metadata: MetaData) -> bool:
    """Whether neither models nor database have changed since they were last the same."""
    last = read_value(connection, IN_SYNC)
    return last is not None and last == state(connection, metadata)


def record(connection: Connection, metadata: MetaData, done: list[Step], *, is_in_step: bool) -> None:
    """Record which tables convexpy made, and, if nothing is left to do, the state in which models and tables agree."""
    models = {key_of(table.name, table.schema, connection.dialect) for table in metadata.tables.values()}
    dropped = {step.table.key for step in done if step.table is not None and step.table.metadata is not metadata}
    for step in done:
        if hasattr(step.operation, "new_table_name"):  # Alembic is not imported here
            dropped.add(key_of(step.operation.table_name, step.operation.schema, connection.dialect))
    made = (read_made_tables(connection) - dropped | models) - FRAMEWORK_TABLES
    write_made_tables(connection, made)
    write_value(connection, IN_SYNC, state(connection, metadata) if is_in_step else "")


def state(connection: Connection, metadata: MetaData) -> str:
    return f"{fingerprint(metadata, connection.dialect)} {shape(connection)}"


def shape(connection: Connection) -> Any:
    """A value that changes whenever a table does, whichever client changes it."""
    if connection.dialect.name == "sqlite":
        return connection.exec_driver_sql("PRAGMA schema_version").scalar()
    return f"{connection.execute(POSTGRESQL_SHAPE).scalar()} {connection.execute(POSTGRESQL_EXPRESSIONS).scalar()}"


def lines(steps: list[Step]) -> list[str]:
    return [step.description for step in steps]


def refuse_blocked(proposed: Plan) -> None:
    if proposed.blocked:
        raise DatabaseError(
            "the tables cannot follow the models:\n" + "\n".join(f"- {why}" for why in proposed.blocked)
        )
