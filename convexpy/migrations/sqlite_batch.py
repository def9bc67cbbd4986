"""Makes Alembic keep on SQLite what it would lose: there it changes a table by making a new copy of it.

The new copy is what SQLAlchemy can see of the old one, and it cannot see everything. Importing this file is enough.
It imports Alembic, whose import takes longer than everything else, so import it only when tables change.
"""

from __future__ import annotations

import re
from typing import Any, Final

from alembic.ddl.sqlite import SQLiteImpl
from sqlalchemy import CheckConstraint, Index, Table, inspect, text
from sqlalchemy.engine import Inspector

COPY: Final = "_alembic_tmp_"
LITERAL: Final = re.compile(r"'(?:[^']|'')*'|[-+]?[\d.]+|NULL|TRUE|FALSE|CURRENT_\w+", re.IGNORECASE)


class PatchedSQLiteImpl(SQLiteImpl):
    """What Alembic does on SQLite, with nothing lost."""

    __dialect__ = "sqlite"  # by this Alembic finds it, from now on

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.indexes: dict[str, str] = {}
        self.unseen: tuple[str, ...] = ()

    def autogen_column_reflect(self, inspector: Inspector, table: Table, column_info: dict[str, Any]) -> None:
        """Each column as it is read from the database, to be compared or copied."""
        default = column_info["default"]
        if default and not LITERAL.fullmatch(default):
            column_info["default"] = f"({default})"  # SQLite tells an expression without its parentheses
        if hasattr(column_info["type"], "collation"):
            column_info["type"].collation = collation(self.sql_of(table.name), column_info["name"])

    def prep_table_for_batch(self, batch_impl: Any, table: Table) -> None:
        """The new copy is ready to be created, and the old one is still there."""
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
        """The statements that made the indexes and triggers, which go with the old table."""
        query = "SELECT name, sql FROM sqlite_master WHERE type = ? AND tbl_name = ? AND sql IS NOT NULL"
        made = dict(self.query(query, "index", table.name))
        names = {column.name for column in copy.columns}
        self.indexes = {
            name: made[name]
            for name, index in batch_impl.indexes.items()
            if name not in batch_impl.new_indexes and names.issuperset(column.name for column in index.columns)
        }
        seen = {index.name for index in table.indexes}
        triggers = [sql for _, sql in self.query(query, "trigger", table.name)]
        self.unseen = (*(sql for name, sql in made.items() if name not in seen), *triggers)

    def create_index(self, index: Index, **options: Any) -> None:
        """As it was made: of an index, too, not everything can be seen, such as the order of its columns."""
        if sql := self.indexes.pop(str(index.name), None):
            self.bound.exec_driver_sql(sql)
        else:
            super().create_index(index, **options)

    def keep_checks(self, copy: Table, table: Table, given: Any) -> None:
        """Checks without a name, unless their column is gone, or they are how a type that changed was spelled out."""
        if any(isinstance(each, CheckConstraint) for each in given):
            return  # whoever gives some has thought about all of them
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
        """The new copy takes the place of the old one, and gets back what hung on that."""
        if self.as_sql or not old_table_name.startswith(COPY):
            super().rename_table(old_table_name, new_table_name, schema)
            return
        # Without this a view or trigger of another table that mentions the missing name would stop the renaming.
        [(before,)] = self.query("PRAGMA legacy_alter_table")
        self.bound.exec_driver_sql("PRAGMA legacy_alter_table = ON")
        try:
            super().rename_table(old_table_name, new_table_name, schema)
        finally:
            self.bound.exec_driver_sql(f"PRAGMA legacy_alter_table = {before}")
        for sql in self.unseen:
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
