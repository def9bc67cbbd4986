"""Alembic's batch on SQLite, with nothing lost: there a table is changed by making a new copy of it.

The new copy is what SQLAlchemy reflects of the old one, and that is not everything. ``register()`` makes Alembic use
the implementation in this file, and is called wherever this package configures Alembic.

Imports Alembic, which takes longer than all other imports: import it only when tables change.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any, Final

from alembic.ddl import impl
from alembic.ddl.sqlite import SQLiteImpl
from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, MetaData, Table, inspect, text
from sqlalchemy.engine import Inspector
from sqlalchemy.schema import conv

from ..database.tables import FRAMEWORK_TABLES
from .names import stages

COPY: Final = "_alembic_tmp_"
LITERAL: Final = re.compile(r"'(?:[^']|'')*'|[-+]?[\d.]+|NULL|TRUE|FALSE|CURRENT_\w+", re.IGNORECASE)
# Names for constraints that have none: a batch can add and drop only what has a name.
NAMES: Final = {
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
}


def register() -> None:
    """Patch Alembic for this process: its registry of implementations, by dialect, has this one for SQLite."""
    impl._impls["sqlite"] = PatchedSQLiteImpl


class PatchedSQLiteImpl(SQLiteImpl):
    """What Alembic does on SQLite, and what it leaves out."""

    # No `__dialect__`: a class that has one is registered by being defined.

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.indexes: dict[str, str] = {}
        self.unreflected: tuple[str, ...] = ()
        self.replaces_checks = False
        """Whether the next batch is given all CHECKs that the table shall have."""

    def autogen_column_reflect(self, inspector: Inspector, table: Table, column_info: dict[str, Any]) -> None:
        """Called with each column that is reflected, to be compared or copied."""
        default = column_info["default"]
        if default and not LITERAL.fullmatch(default):
            column_info["default"] = f"({default})"  # SQLite reports an expression without its parentheses
        if hasattr(column_info["type"], "collation"):
            column_info["type"].collation = collation(self.sql_of(table.name), column_info["name"])

    def prep_table_for_batch(self, batch_impl: Any, table: Table) -> None:
        """Called before the new copy is created, while the old one exists."""
        if self.as_sql:
            return
        copy: Table = batch_impl.new_table
        for column in table.columns:
            if column.computed is not None and column.name in batch_impl.column_transfers:
                batch_impl.column_transfers[column.name].pop("expr")  # SQLite computes it for the copy too
        if "AUTOINCREMENT" in self.sql_of(table.name).upper():
            copy.dialect_options["sqlite"]["autoincrement"] = True
        self.keep_checks(copy, table, batch_impl.table_args)
        self.remember_dependents(copy, table, batch_impl)

    def remember_dependents(self, copy: Table, table: Table, batch_impl: Any) -> None:
        """Keep the statements that made the indexes and triggers, which are dropped with the old table."""
        query = "SELECT name, sql FROM sqlite_master WHERE type = ? AND tbl_name = ? AND sql IS NOT NULL"
        made = dict(self.query(query, "index", table.name))
        names = {column.name for column in copy.columns}
        self.indexes = {
            name: made[name]
            for name, index in batch_impl.indexes.items()
            if name not in batch_impl.new_indexes and names.issuperset(column.name for column in index.columns)
        }
        reflected = {index.name for index in table.indexes}
        triggers = [sql for _, sql in self.query(query, "trigger", table.name)]
        self.unreflected = (*(sql for name, sql in made.items() if name not in reflected), *triggers)

    def create_index(self, index: Index, **options: Any) -> None:
        """By the statement that made it: not everything of an index is reflected, such as the order of its columns."""
        if sql := self.indexes.pop(str(index.name), None):
            self.bound.exec_driver_sql(sql)
        else:
            super().create_index(index, **options)

    def keep_checks(self, copy: Table, table: Table, given: Any) -> None:
        """Keep checks without a name, unless their column is dropped, or they spell out a type that changes."""
        if self.replaces_checks or any(isinstance(each, CheckConstraint) for each in given):
            return  # a batch that is given checks is given all of them
        gone = [column.name for column in table.columns if column.name not in copy.columns]
        changed = [
            column.name
            for column in table.columns
            if column.name in copy.columns and str(copy.columns[column.name].type) != str(column.type)
        ]
        for check in inspect(self.bound).get_check_constraints(table.name):
            sql = check["sqltext"]
            stale = any(mentions(sql, name) for name in gone) or any(lists_values(sql, name) for name in changed)
            if check["name"] is None and not stale:
                copy.append_constraint(CheckConstraint(text(sql.replace(":", "\\:"))))

    def rename_table(self, old_table_name: str, new_table_name: Any, schema: Any = None) -> None:
        """The new copy replaces the old one; then what SQLAlchemy does not reflect is created again."""
        if self.as_sql or not old_table_name.startswith(COPY):
            for old, new in pairwise(stages(old_table_name, str(new_table_name))):
                super().rename_table(old, new, schema)
            return
        # By its newer rules SQLite renames no table while a view or trigger mentions the name that is missing now.
        [(before,)] = self.query("PRAGMA legacy_alter_table")
        self.bound.exec_driver_sql("PRAGMA legacy_alter_table = ON")
        try:
            super().rename_table(old_table_name, new_table_name, schema)
        finally:
            self.bound.exec_driver_sql(f"PRAGMA legacy_alter_table = {before}")
        for sql in self.unreflected:
            self.bound.exec_driver_sql(sql)

    @property
    def bound(self) -> Any:
        return self.connection

    def query(self, sql: str, *parameters: str) -> Any:
        return self.bound.exec_driver_sql(sql, parameters).all()

    def sql_of(self, table: str) -> str:
        """The statement that made a table."""
        rows = self.query("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", table)
        return str(rows[0][0]) if rows else ""


def collation(created: str, column: str) -> str | None:
    """The collation of a column, out of the statement that made its table."""
    name = rf'(?:"{re.escape(column)}"|\b{re.escape(column)}\b)'
    found = re.search(rf'[(,]\s*{name}\s[^,]*?\bCOLLATE\s+"?(\w+)', created, re.IGNORECASE)
    return found[1] if found else None


def lists_values(sql: str, name: str) -> bool:
    return re.match(rf'"?{re.escape(name)}"? IN \(', sql) is not None


def mentions(sql: str, name: str) -> bool:
    return re.search(rf"\b{re.escape(name)}\b", sql) is not None


def name_of(constraint: Any) -> str:
    """What NAMES makes of a unique constraint or a foreign key. Shortened where a database needs it, as by NAMES."""
    columns = "_".join(column.name for column in constraint.columns)
    if isinstance(constraint, ForeignKeyConstraint):
        parent = constraint.elements[0].target_fullname.split(".")[-2]
        return conv(f"fk_{constraint.table.name}_{columns}_{parent}")
    return conv(f"uq_{constraint.table.name}_{columns}")


def with_names(metadata: MetaData) -> MetaData:
    """A copy of the models in which every unique constraint and foreign key has a name, its own or one of NAMES."""
    if metadata.naming_convention.keys() & NAMES.keys():
        return metadata
    convention: dict[Any, Any] = {**metadata.naming_convention, **NAMES}
    named = MetaData(naming_convention=convention)
    for key, table in metadata.tables.items():
        if key not in FRAMEWORK_TABLES:
            table.to_metadata(named)
    return named
