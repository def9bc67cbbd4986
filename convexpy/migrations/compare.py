"""How a database differs from the user's models, as Alembic's operations.

This file imports Alembic, whose import takes longer than everything else: import it only when there is something to
compare.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from alembic.autogenerate import produce_migrations
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, Connection, Identity, Index, MetaData, Table, UnaryExpression, UniqueConstraint, inspect

from ..database.tables import FRAMEWORK_TABLES
from . import sqlite_batch  # noqa: F401  (it changes what Alembic does
from .default_comparison import PLUGINS
from .made_tables import key_of, made_tables


class Differences:
    """One look at a database beside the models.

    ``operations`` would make the database what the models say, primary keys apart: no database changes one easily.
    Tables of the framework's, of Alembic's and those that convexpy did not make are left out.
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
        self.made = made_tables(connection)
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
                    self.operations += self.hidden_by_sqlite(model)

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
        """What Alembic proposes, out of its groups."""
        context = MigrationContext.configure(
            self.connection,
            opts={
                "compare_server_default": True,
                "autogenerate_plugins": PLUGINS,
                "include_schemas": any(model.schema for model in self.models.values()),
                "include_name": self.may_look_at_name,
                "include_object": self.may_look_at,
            },
        )
        upgrade = produce_migrations(context, self.metadata).upgrade_ops
        for operation in upgrade.ops if upgrade else ():
            if isinstance(operation, ops.ModifyTableOps):
                yield from (each for each in operation.ops if not self.is_about_identity(each))
            else:
                yield operation

    def is_about_identity(self, operation: Any) -> bool:
        """SQLite has no IDENTITY: its integer primary keys count by themselves."""
        if self.connection.dialect.name != "sqlite" or not isinstance(operation, ops.AlterColumnOp):
            return False
        if not isinstance(operation.modify_server_default, Identity):
            return False
        operation.modify_server_default = False
        return not operation.has_changes()

    def may_look_at_name(self, name: str | None, kind: str, parents: Mapping[str, str | None]) -> bool:
        if kind == "schema":
            return name is None or any(model.schema == name for model in self.models.values())
        if kind == "table" and name:
            return self.key(name, parents["schema_name"]) in self.models.keys() | self.made
        return True

    def may_look_at(self, thing: Any, name: str | None, kind: str, reflected: bool, other: Any) -> bool:
        return kind != "table" or reflected or thing in self.models.values()

    def hidden_by_sqlite(self, model: Table) -> Iterator[Any]:
        """Alembic compares neither indexes on expressions there, nor unique constraints that went and had no name."""
        yield from differing_expression_indexes(self.connection, model)
        wanted = {frozenset(column.name for column in unique.columns) for unique in unique_constraints(model)}
        for unique in self.inspector.get_unique_constraints(model.name):
            if unique["name"] is None and frozenset(unique["column_names"]) not in wanted:
                columns = [Column[Any](name) for name in unique["column_names"]]
                Table(model.name, MetaData(), *columns, gone := UniqueConstraint(*columns))
                yield ops.DropConstraintOp.from_constraint(gone)


def differing_expression_indexes(connection: Connection, model: Table) -> Iterator[Any]:
    """On SQLite: what to do about indexes on expressions, which Alembic cannot compare there. By name only."""
    inspector = inspect(connection)
    with without_warnings():
        reflected = inspector.get_indexes(model.name) if inspector.has_table(model.name) else []
    seen = {index["name"] for index in reflected}
    query = "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL"
    unseen = set(connection.exec_driver_sql(query, (model.name,)).scalars()) - seen
    for index in sorted(model.indexes, key=lambda each: str(each.name)):
        if index.name in unseen:
            unseen.remove(str(index.name))
        elif not only_columns(index):
            yield ops.CreateIndexOp.from_index(index)
    for name in sorted(unseen):
        yield ops.DropIndexOp(name, model.name)


def only_columns(index: Index) -> bool:
    """Whether the index is on plain columns, perhaps with an order, and not on expressions."""
    expressions = [each.element if isinstance(each, UnaryExpression) else each for each in index.expressions]
    return all(isinstance(each, Column) for each in expressions)


def unique_constraints(model: Table) -> list[UniqueConstraint]:
    return [each for each in model.constraints if isinstance(each, UniqueConstraint)]


@contextmanager
def without_warnings() -> Iterator[None]:
    """SQLAlchemy and Alembic warn about what they cannot reflect or compare; we leave exactly that alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
