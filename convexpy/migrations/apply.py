"""Applies the steps of a plan to the user's tables.

Imports Alembic, which takes longer than all other imports: import it only when there is something to change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from alembic.operations import Operations, ops
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Column, Connection, Engine, MetaData, Table, column, table, text, update
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.types import SchemaType

from ..errors import DatabaseError
from . import sqlite_batch
from .checks import ChangeChecksOp, change_checks
from .compare import without_warnings
from .enums import AddMemberOp
from .plan import Plan, Step
from .renames import is_rename, rename
from .schema_change import require_rebuilding, schema_change
from .sqlite_batch import NAMES, name_of

CONSTRAINTS: Final = (ops.DropConstraintOp, ops.CreateUniqueConstraintOp, ops.CreateForeignKeyOp)


def apply(bind: Engine | Connection, steps: Sequence[Step]) -> None:
    """Apply these steps, all or none of them.

    Args:
        bind: On SQLite an engine, or a connection that is not in a transaction.
        steps: From ``plan()``, made from the database as it is now.

    Raises:
        DatabaseError: A step failed. Nothing was changed.
    """
    with schema_change(bind) as connection:
        apply_steps(connection, steps)


def apply_steps(connection: Connection, steps: Sequence[Step]) -> None:
    """The same, within ``schema_change()``."""
    created = [step for step in steps if isinstance(step.operation, ops.CreateTableOp)]
    dropped = [step for step in steps if isinstance(step.operation, ops.DropTableOp)]
    renames = [step for step in steps if is_rename(step.operation)]
    members = of_kind(steps, AddMemberOp)
    changed: dict[Table | None, list[Step]] = {}
    for step in steps:
        if not any(step in others for others in (created, dropped, renames, members)):
            changed.setdefault(step.table, []).append(step)
    if changed or dropped:
        require_rebuilding(connection)
    with failures_explained(members):
        for step in members:
            connection.execute(text(step.operation.sql.replace(":", "\\:")))
    with failures_explained(renames):  # first, as the other steps use the new names
        rename(connection, [step.operation for step in renames])
    with without_warnings():
        with failures_explained(created):
            create_tables(connection, created)
        for model, its_steps in changed.items():
            with failures_explained(its_steps):
                if model is None:
                    invoke(connection, its_steps)
                else:
                    change_table(connection, model, its_steps)
        with failures_explained(dropped):
            drop_tables(connection, dropped)


def members_of(proposed: Plan) -> list[Step]:
    """The steps that add members to PostgreSQL's enumerations, which need a transaction of their own."""
    return of_kind(proposed.safe, AddMemberOp)


def allowing_null(left: Sequence[Step]) -> list[Step]:
    """Steps for columns that stay though the models no longer have them: new rows have no value there."""
    steps = []
    for step in of_kind(left, ops.DropColumnOp):
        old = step.operation.to_column()
        if not old.nullable and old.server_default is None:
            allow = ops.AlterColumnOp(
                step.operation.table_name,
                old.name,
                schema=step.operation.schema,
                existing_type=old.type,
                existing_nullable=False,
                modify_nullable=True,
            )
            steps.append(Step(f"allow NULL in {old.name}", step.table, allow))
    return steps


def create_tables(connection: Connection, steps: Sequence[Step]) -> None:
    """By SQLAlchemy, which knows more about a new table than Alembic: types, cycles, expressions, events."""
    tables = [step.table for step in steps if step.table is not None]
    if tables:
        tables[0].metadata.create_all(connection, tables=tables)


def drop_tables(connection: Connection, steps: Sequence[Step]) -> None:
    """By SQLAlchemy too, so that a table is dropped before the one that it refers to."""
    known = MetaData()
    tables = [
        Table(step.table.name, known, schema=step.table.schema, autoload_with=connection)
        for step in steps
        if step.table is not None
    ]
    known.drop_all(connection, tables=tables, checkfirst=False)


def invoke(connection: Connection, steps: Iterable[Step]) -> None:
    alembic = alembic_operations(connection)
    for step in steps:
        alembic.invoke(step.operation)


def alembic_operations(connection: Connection) -> Operations:
    sqlite_batch.register()
    return Operations(MigrationContext.configure(connection))


def change_table(connection: Connection, model: Table, steps: Sequence[Step]) -> None:
    """The steps of one table, in an order in which they can succeed."""
    invoke(connection, of_kind(steps, ops.DropIndexOp))
    alter_table(connection, model, list(loosening(connection, steps)))
    for step in steps:
        if step.fill is not None:
            fill(connection, model, step.fill)
    alter_table(connection, model, list(tightening(steps)))
    for step in of_kind(steps, ChangeChecksOp):
        change_checks(connection, step.operation)
    for step in of_kind(steps, ops.CreateIndexOp):
        next(index for index in model.indexes if index.name == step.operation.index_name).create(connection)


def loosening(connection: Connection, steps: Sequence[Step]) -> Iterator[Any]:
    """Operations that succeed whatever the rows hold."""
    for step in of_kind(steps, ops.DropConstraintOp):
        yield step.operation
    for step in of_kind(steps, ops.AddColumnOp):
        new = copied(step.operation.column)
        create_type(connection, new.type)
        if step.fill is not None:
            new.nullable = True
        yield ops.AddColumnOp(step.operation.table_name, new, schema=step.operation.schema)
    for step in of_kind(steps, ops.AlterColumnOp):
        if step.operation.modify_nullable is not False:
            yield with_cast(connection, step.operation)


def tightening(steps: Sequence[Step]) -> Iterator[Any]:
    """Operations that the rows must fit, then those that drop columns."""
    for step in steps:
        if isinstance(step.operation, ops.AlterColumnOp) and step.operation.modify_nullable is False:
            yield step.operation
        elif isinstance(step.operation, ops.AddColumnOp) and step.fill is not None:
            yield ops.AlterColumnOp(
                step.operation.table_name,
                step.fill.name,
                schema=step.operation.schema,
                existing_type=step.fill.type,
                existing_nullable=True,
                modify_nullable=False,
            )
    done = (
        ops.DropIndexOp,
        ops.CreateIndexOp,
        ops.DropConstraintOp,
        ops.AddColumnOp,
        ops.AlterColumnOp,
        ChangeChecksOp,
    )
    rest = [step.operation for step in steps if not isinstance(step.operation, done)]
    yield from sorted(rest, key=lambda operation: isinstance(operation, ops.DropColumnOp))


def alter_table(connection: Connection, model: Table, operations: Sequence[Any]) -> None:
    """Alembic's batch: one ALTER TABLE after the other, or on SQLite a new copy of the table."""
    options: dict[str, Any] = {}
    for operation in operations:
        if isinstance(operation, CONSTRAINTS) and operation.constraint_name is None:
            operation.constraint_name = name_of(operation.to_constraint())
            if isinstance(operation, ops.DropConstraintOp):
                options["naming_convention"] = NAMES  # for constraints without a name in the database
    with alembic_operations(connection).batch_alter_table(model.name, schema=model.schema, **options) as batch:
        for operation in operations:
            batch.invoke(operation)


def copied(column: Column[Any]) -> Column[Any]:
    """The column alone: Alembic lists its index and constraints as operations of their own."""
    copy = column.table.to_metadata(MetaData()).columns[column.key]
    copy.unique = copy.index = None
    return copy


def of_kind(steps: Sequence[Step], kind: type) -> list[Step]:
    return [step for step in steps if isinstance(step.operation, kind)]


def with_cast(connection: Connection, operation: ops.AlterColumnOp) -> ops.AlterColumnOp:
    """PostgreSQL changes a type only with an expression that converts the values."""
    if operation.modify_type is not None and connection.dialect.name == "postgresql":
        create_type(connection, operation.modify_type)
        name = connection.dialect.identifier_preparer.quote(operation.column_name)
        operation.kw["postgresql_using"] = f"{name}::{operation.modify_type.compile(connection.dialect)}"
    return operation


def create_type(connection: Connection, of: Any) -> None:
    """PostgreSQL's enumerations exist beside the table, and Alembic does not create them for a new column."""
    if isinstance(of, SchemaType):
        of.create(connection, checkfirst=True)


def fill(connection: Connection, model: Table, of: Column[Any]) -> None:
    """Write the column's default where there is no value. By name only, so that no ``onupdate`` of the models runs."""
    default: Any = of.default if of.default is not None else of.server_default
    filled = column(of.name, of.type)
    rows = table(model.name, filled, schema=model.schema)
    connection.execute(update(rows).where(filled.is_(None)).values({filled: default.arg}))


@contextmanager
def failures_explained(steps: Sequence[Step]) -> Iterator[None]:
    """Raise an error that names the steps, with the database's own message."""
    try:
        yield
    except (SQLAlchemyError, CommandError) as error:
        why = str(error.orig if isinstance(error, DBAPIError) else error).strip().replace("_alembic_tmp_", "")
        what = "; ".join(step.description for step in steps)
        raise DatabaseError(f"could not {what}: {why}. Nothing was changed") from error
