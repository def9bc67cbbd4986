"""Tables and columns whose names differ from the models in nothing but case: they are renamed, and keep every row.

Alembic compares names with case, so it proposes to add one and to drop the other. SQLite takes both for the same name,
and on every database the rows would be lost.

Imports Alembic, which takes longer than all other imports: import it only when there is something to compare.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import Operations, ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData, Table, inspect

from ..database.tables import FRAMEWORK_TABLES
from . import sqlite_batch
from .metadata import key_of
from .names import same_but_for_case, stages

Rename = ops.RenameTableOp | ops.AlterColumnOp


def case_renames(
    connection: Connection, metadata: MetaData, made: set[str] | None = None
) -> list[tuple[Table, Rename]]:
    """The renames that the models ask for, in order, with the table in the models.

    Args:
        connection: The database.
        metadata: The user's models.
        made: The keys of the tables that may be renamed. None: all.
    """
    inspector = inspect(connection)
    found: list[tuple[Table, Rename]] = []
    models = [table for key, table in metadata.tables.items() if key not in FRAMEWORK_TABLES]
    for model in models:
        there = inspector.get_table_names(model.schema)
        name = model.name
        if name not in there:
            wanted = {each.name for each in models if each.schema == model.schema}
            mine = [each for each in there if made is None or key_of(each, model.schema, connection.dialect) in made]
            old = renamed_from(model.name, set(mine) - wanted)
            if old is None:
                continue
            name = old
            found.append((model, ops.RenameTableOp(name, model.name, schema=model.schema)))
        columns = {column["name"]: column for column in inspector.get_columns(name, model.schema)}
        for column in model.columns:
            old = None
            if column.name not in columns:
                old = renamed_from(column.name, columns.keys() - {each.name for each in model.columns})
            if old is not None:
                rename = ops.AlterColumnOp(model.name, old, schema=model.schema, modify_name=column.name)
                found.append((model, rename))
    return found


def is_rename(operation: Any) -> bool:
    return isinstance(operation, ops.RenameTableOp) or getattr(operation, "modify_name", None) is not None


def renamed_from(name: str, gone: Iterable[str]) -> str | None:
    """The only one of the names without a model that differs from this one in case."""
    candidates = [each for each in gone if same_but_for_case(each, name)]
    return candidates[0] if len(candidates) == 1 else None


def rename(connection: Connection, operations: Iterable[Rename]) -> None:
    sqlite_batch.register()
    alembic = Operations(MigrationContext.configure(connection))
    for operation in operations:
        alembic.invoke(operation)


@contextmanager
def renamed(connection: Connection, operations: list[Rename]) -> Iterator[None]:
    """The database as it is after these renames, for the length of the block."""
    if not operations:
        yield
        return
    savepoint = connection.begin_nested()
    try:
        rename(connection, operations)
        yield
    finally:
        savepoint.rollback()


def describe(operation: Rename) -> str:
    if isinstance(operation, ops.RenameTableOp):
        return f"rename table {operation.table_name} to {operation.new_table_name}"
    return f"rename column {operation.table_name}.{operation.column_name} to {operation.modify_name}"


def reverse(operation: Rename) -> Rename:
    if isinstance(operation, ops.RenameTableOp):
        return ops.RenameTableOp(operation.new_table_name, operation.table_name, schema=operation.schema)
    return ops.AlterColumnOp(
        operation.table_name,
        str(operation.modify_name),
        schema=operation.schema,
        modify_name=operation.column_name,
    )


@renderers.dispatch_for(ops.RenameTableOp)
def render(context: AutogenContext, operation: ops.RenameTableOp) -> list[str]:
    """The lines of a revision."""
    names = stages(operation.table_name, operation.new_table_name)
    schema = f", schema={operation.schema!r}" if operation.schema else ""
    prefix: Any = context.opts["alembic_module_prefix"]
    return [f"{prefix}rename_table({old!r}, {new!r}{schema})" for old, new in pairwise(names)]
