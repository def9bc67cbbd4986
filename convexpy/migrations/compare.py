"""How a database differs from the user's models, as Alembic's operations.

Imports Alembic, which takes longer than all other imports: import it only when there is something to compare.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

from alembic.autogenerate import produce_migrations
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from alembic.runtime.plugins import Plugin
from alembic.util import DispatchPriority, PriorityDispatchResult
from sqlalchemy import Column, Connection, Identity, Index, MetaData, Table, UnaryExpression, UniqueConstraint, inspect

from ..database.tables import FRAMEWORK_TABLES
from . import sqlite_batch
from .metadata import key_of, read_made_tables

STRING: Final = re.compile(r"\(*'((?:[^']|'')*)'(?:::[^']+)?\)*")


class Differences:
    """One comparison of a database with the models.

    ``operations`` make the database what the models say, except for primary keys, which no database changes easily.
    The framework's tables, Alembic's, and tables that convexpy did not make are left out.
    """

    def __init__(self, connection: Connection, metadata: MetaData) -> None:
        self.connection = connection
        self.metadata = metadata
        self.inspector = inspect(connection)
        self.models = {
            self.key(model.name, model.schema): model
            for model in metadata.tables.values()
            if model.key not in FRAMEWORK_TABLES
        }
        self.made = read_made_tables(connection)
        with without_warnings():
            proposed = list(self.flattened())
            whole = {self.key_of(each) for each in proposed if isinstance(each, ops.CreateTableOp | ops.DropTableOp)}
            self.new_tables = [
                self.models[self.key_of(each)] for each in proposed if isinstance(each, ops.CreateTableOp)
            ]
            self.operations = [
                each
                for each in proposed
                if isinstance(each, ops.CreateTableOp | ops.DropTableOp) or self.key_of(each) not in whole
            ]
            self.changed_tables = [model for model in self.models.values() if model not in self.new_tables]
            if connection.dialect.name == "sqlite":
                for model in self.changed_tables:
                    self.operations += self.sqlite_differences(model)

    def added_columns(self, model: Table) -> list[Column[Any]]:
        return [
            each.column for each in self.operations if isinstance(each, ops.AddColumnOp) and self.is_of(each, model)
        ]

    def dropped_columns(self, model: Table) -> list[Column[Any]]:
        return [
            each.to_column()
            for each in self.operations
            if isinstance(each, ops.DropColumnOp) and self.is_of(each, model)
        ]

    def primary_key(self, model: Table) -> list[str]:
        """The columns of the primary key in the database."""
        return self.inspector.get_pk_constraint(model.name, model.schema)["constrained_columns"]

    def has_columns(self, model: Table, names: list[str]) -> bool:
        """Whether the table has all these columns in the database."""
        return {column["name"] for column in self.inspector.get_columns(model.name, model.schema)}.issuperset(names)

    def key(self, name: str, schema: str | None) -> str:
        return key_of(name, schema, self.connection.dialect)

    def key_of(self, operation: Any) -> str:
        if isinstance(operation, ops.CreateForeignKeyOp):
            return self.key(operation.source_table, operation.kw.get("source_schema"))
        return self.key(getattr(operation, "table_name", ""), getattr(operation, "schema", None))

    def is_of(self, operation: Any, model: Table) -> bool:
        return self.key_of(operation) == self.key(model.name, model.schema)

    def flattened(self) -> Iterator[Any]:
        """What Alembic proposes, without its groups."""
        sqlite_batch.register()
        context = MigrationContext.configure(
            self.connection,
            opts={
                "compare_server_default": True,
                "autogenerate_plugins": comparison_plugins(),
                "include_schemas": any(model.schema for model in self.models.values()),
                "include_name": self.includes_name,
                "include_object": self.includes_object,
            },
        )
        upgrade = produce_migrations(context, self.metadata).upgrade_ops
        for operation in upgrade.ops if upgrade else ():
            if isinstance(operation, ops.ModifyTableOps):
                yield from (each for each in operation.ops if not self.is_about_identity(each))
            else:
                yield operation

    def is_about_identity(self, operation: Any) -> bool:
        """Whether it changes nothing but IDENTITY, which SQLite does without: its integer keys count by themselves."""
        if self.connection.dialect.name != "sqlite" or not isinstance(operation, ops.AlterColumnOp):
            return False
        if not isinstance(operation.modify_server_default, Identity):
            return False
        operation.modify_server_default = False
        return not operation.has_changes()

    def includes_name(self, name: str | None, kind: str, parents: Mapping[str, str | None]) -> bool:
        if kind == "schema":
            return name is None or any(model.schema == name for model in self.models.values())
        if kind == "table" and name:
            return self.key(name, parents["schema_name"]) in self.models.keys() | self.made
        return True

    def includes_object(self, thing: Any, name: str | None, kind: str, reflected: bool, other: Any) -> bool:
        return kind != "table" or reflected or thing in self.models.values()

    def sqlite_differences(self, model: Table) -> Iterator[Any]:
        """What Alembic does not compare there: indexes on expressions, and unique constraints without a name."""
        yield from compare_expression_indexes(self.connection, model)
        wanted = {frozenset(column.name for column in unique.columns) for unique in unique_constraints(model)}
        for unique in self.inspector.get_unique_constraints(model.name):
            if unique["name"] is None and frozenset(unique["column_names"]) not in wanted:
                columns = [Column[Any](name) for name in unique["column_names"]]
                Table(model.name, MetaData(), *columns, gone := UniqueConstraint(*columns))
                yield ops.DropConstraintOp.from_constraint(gone)


def compare_expression_indexes(connection: Connection, model: Table) -> Iterator[Any]:
    """On SQLite: how indexes on expressions differ, which Alembic cannot compare there. By name only."""
    inspector = inspect(connection)
    with without_warnings():
        reflected = inspector.get_indexes(model.name) if inspector.has_table(model.name) else []
    names = {index["name"] for index in reflected}
    query = "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL"
    unreflected = set(connection.exec_driver_sql(query, (model.name,)).scalars()) - names
    for index in sorted(model.indexes, key=lambda each: str(each.name)):
        if index.name in unreflected:
            unreflected.remove(str(index.name))
        elif not only_columns(index):
            yield ops.CreateIndexOp.from_index(index)
    for name in sorted(unreflected):
        yield ops.DropIndexOp(name, model.name)


def only_columns(index: Index) -> bool:
    """Whether the index is on plain columns, perhaps with an order, and not on expressions."""
    expressions = [each.element if isinstance(each, UnaryExpression) else each for each in index.expressions]
    return all(isinstance(each, Column) for each in expressions)


def unique_constraints(model: Table) -> list[UniqueConstraint]:
    return [each for each in model.constraints if isinstance(each, UniqueConstraint)]


@contextmanager
def without_warnings() -> Iterator[None]:
    """SQLAlchemy and Alembic warn about what they cannot reflect or compare, which is left as it is here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@cache
def comparison_plugins() -> list[str]:
    """Alembic's option ``autogenerate_plugins``: its own comparisons, and ours of server defaults, registered here."""
    name = "convexpy.defaults"
    Plugin(name).add_autogenerate_comparator(
        compare_string_default, "column", "server_default", priority=DispatchPriority.FIRST
    )
    return ["alembic.autogenerate.*", name]


def compare_string_default(
    context: object,
    alter: ops.AlterColumnOp,
    schema: str | None,
    table: str,
    name: str,
    in_database: Column[Any],
    in_models: Column[Any],
) -> PriorityDispatchResult:
    """Compare a default that is a string with an apostrophe, which Alembic gets wrong, and leave all others to it."""
    wanted = getattr(in_models.server_default, "arg", None)
    if not isinstance(wanted, str) or "'" not in wanted:
        return PriorityDispatchResult.CONTINUE
    alter.existing_server_default = in_database.server_default
    found = STRING.fullmatch(str(getattr(in_database.server_default, "arg", "")))
    if found is None or found[1].replace("''", "'") != wanted:
        alter.modify_server_default = in_models.server_default
    return PriorityDispatchResult.STOP
