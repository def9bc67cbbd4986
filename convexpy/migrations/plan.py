"""The steps from a database to the user's models, sorted by what they lose.

Imports Alembic, which takes longer than all other imports: import it only when there is something to compare.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from alembic.operations import ops
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    FromClause,
    MetaData,
    Table,
    UniqueConstraint,
    and_,
    column,
    func,
    select,
    table,
)
from sqlalchemy.types import NullType

from .checks import ChangeChecksOp
from .compare import Differences, only_columns
from .definitions import comparable
from .enums import compare_enums
from .metadata import read_made_tables
from .names import name_key, refuse_names
from .renames import case_renames, describe, renamed
from .schema_change import transaction

INTEGERS: Final = ("SMALLINT", "INTEGER", "BIGINT")


@dataclass(frozen=True, eq=False)
class Step:
    """One change of one table. ``description`` is one line."""

    description: str
    table: Table | None = field(repr=False)
    """As in the models; as in the database, if it is dropped."""
    operation: Any = field(repr=False)
    """Alembic's operation."""
    fill: Column[Any] | None = field(default=None, repr=False)
    """The column whose default is written to rows without a value, before it becomes NOT NULL."""

    def __str__(self) -> str:
        return self.description


@dataclass(frozen=True)
class Plan:
    """The steps from the database as it is to the models."""

    safe: list[Step] = field(default_factory=list)
    """They lose nothing."""
    lossy: list[Step] = field(default_factory=list)
    """They lose values or tables: ask first."""
    blocked: list[str] = field(default_factory=list)
    """What the rows that are there do not allow, and the ways out."""

    unchanged: list[str] = field(default_factory=list)
    """What differs and is not changed here, with what to do."""

    def __bool__(self) -> bool:
        return bool(self.safe or self.lossy or self.blocked or self.unchanged)


def plan(bind: Engine | Connection, metadata: MetaData) -> Plan:
    """Compare the database with the models. Changes nothing.

    The framework's tables, Alembic's, and tables that convexpy did not make are left out.
    """
    with transaction(bind) as connection:
        refuse_names(metadata, connection.dialect)
        found = case_renames(connection, metadata, read_made_tables(connection))
        renames = [Step(describe(operation), model, operation) for model, operation in found]
        with renamed(connection, [operation for _, operation in found]):
            rest = plan_changes(connection, metadata)
        return replace(rest, safe=[*renames, *rest.safe])


def plan_changes(connection: Connection, metadata: MetaData) -> Plan:
    """The plan, apart from names."""
    planner = Planner(Differences(connection, metadata))
    for operation in planner.differences.operations:
        planner.add(operation)
    for model in planner.differences.changed_tables:
        planner.compare_primary_key(model)
    planner.compare_enums()
    planner.compare_definitions()
    planner.plan.lossy.sort(key=str)
    return planner.plan


class Planner:
    """Sorts differences into a plan, by the rows that are there."""

    def __init__(self, differences: Differences) -> None:
        self.differences = differences
        self.connection = differences.connection
        self.plan = Plan()

    def add(self, operation: Any) -> None:
        match operation:
            case ops.CreateTableOp():
                self.add_table(operation)
            case ops.DropTableOp():
                self.drop_table(operation)
            case ops.AddColumnOp():
                self.add_column(operation)
            case ops.DropColumnOp():
                self.drop_column(operation)
            case ops.AlterColumnOp():
                self.alter_column(operation)
            case ops.CreateIndexOp():
                self.add_index(operation)
            case ops.DropIndexOp():
                self.safe(f"drop index {operation.index_name} of {operation.table_name}", operation)
            case ops.CreateUniqueConstraintOp():
                constraint = operation.to_constraint()
                self.add_unique(operation, f"unique constraint on {columns_of(constraint)}", constraint)
            case ops.CreateForeignKeyOp():
                target = f"{operation.referent_table}.{', '.join(operation.remote_cols)}"
                self.safe(f"add foreign key {columns_of(operation.to_constraint())} to {target}", operation)
            case ops.DropConstraintOp():
                gone = operation.to_constraint()
                kind = "unique constraint on" if isinstance(gone, UniqueConstraint) else "foreign key"
                self.safe(f"drop {kind} {columns_of(gone)}", operation)
            case ops.CreateTableCommentOp() | ops.DropTableCommentOp():
                self.safe(f"change the comment of {operation.table_name}", operation)
            case _:  # of another Alembic plugin: what it loses is unknown
                self.plan.lossy.append(
                    Step(f"{type(operation).__name__}: {operation.to_diff_tuple()}", None, operation)
                )

    def add_table(self, operation: ops.CreateTableOp) -> None:
        """A table of the same name, but for case, is not convexpy's if it is still there: ``case_renames()``."""
        table, dialect = self.table_of(operation), self.connection.dialect
        there = self.differences.inspector.get_table_names(table.schema)
        same = [each for each in there if name_key(each, dialect) == name_key(table.name, dialect)]
        if same:
            self.plan.blocked.append(
                f"cannot add table {table.key}: the table {same[0]} has the same name, as SQLite compares names "
                f"without case, and convexpy did not make it. Name the model's table {same[0]}, or drop that table"
            )
        else:
            self.safe(f"add table {table.key}", operation)

    def drop_table(self, operation: ops.DropTableOp) -> None:
        table = operation.to_table()
        rows = count_rows(self.connection, table)
        if not rows:
            self.plan.safe.append(Step(f"drop table {table.key}, which is empty", table, operation))
            return
        names = [column.name for column in table.columns]
        for new in self.differences.new_tables:
            if [column.name for column in new.columns] == names:
                listed = ", ".join(map(self.quoted, names))
                hint = f"run INSERT INTO {self.sql(new)} ({listed}) SELECT {listed} FROM {self.sql(table)}"
                what = f"drop table {table.key} ({counted(rows, 'row')}){if_renamed(new.key, hint)}"
                break
        else:
            what = f"drop table {table.key} ({counted(rows, 'row')})"
        self.plan.lossy.append(Step(what, table, operation))

    def add_column(self, operation: ops.AddColumnOp) -> None:
        table, column = self.table_of(operation), operation.column
        what = f"add column {table.key}.{column.name}"
        rows = 0 if column.nullable or column.server_default is not None else count_rows(self.connection, table)
        default = default_text(column)
        if not rows:
            self.safe(what, operation)
        elif default:
            self.safe(f"{what}, with {default} in {counted(rows, 'row')}", operation, fill=column)
        else:
            old = self.find_same_type(column, self.differences.dropped_columns(table))
            hint = f"ALTER TABLE {self.sql(table)} RENAME COLUMN {self.quoted(old or '')} TO {self.quoted(column.name)}"
            self.plan.blocked.append(
                f"cannot {what}: it is NOT NULL, and {table.key} has {counted(rows, 'row')} that would have no value. "
                "Make it nullable, or give it a server_default, or a plain default"
                + (f". Or, if it is {old} renamed, run {hint}" if old else "")
            )

    def drop_column(self, operation: ops.DropColumnOp) -> None:
        table, name = self.table_of(operation), operation.column_name
        values = count_values(self.connection, table, name)
        if not values:
            self.safe(f"drop column {table.key}.{name}, where no row has a value", operation)
            return
        new = self.find_same_type(operation.to_column(), self.differences.added_columns(table))
        update = f"run UPDATE {self.sql(table)} SET {self.quoted(new or '')} = {self.quoted(name)}"
        hint = if_renamed(new, update) if new else ""
        self.lossy(f"drop column {table.key}.{name} ({rows_have(values)} a value){hint}", operation)

    def alter_column(self, operation: ops.AlterColumnOp) -> None:
        """Up to four changes of one column, each a step of its own."""
        table = self.table_of(operation)
        column = next(each for each in table.columns if each.name == operation.column_name)
        where = f"{table.key}.{column.name}"
        if operation.modify_type is not None:
            self.change_type(operation, where, table)
        if operation.modify_server_default is not False:
            what = "drop" if operation.modify_server_default is None else "change"
            default = getattr(operation.modify_server_default, "arg", operation.modify_server_default)
            self.safe(f"{what} the server_default of {where}", part(operation, modify_server_default=default))
        if operation.modify_comment is not False:
            self.safe(f"change the comment of {where}", part(operation, modify_comment=operation.modify_comment))
        if operation.modify_nullable:
            self.safe(f"allow NULL in {where}", part(operation, modify_nullable=True))
        elif operation.modify_nullable is False:
            self.forbid_null(part(operation, modify_nullable=False), where, column)

    def change_type(self, operation: ops.AlterColumnOp, where: str, table: Table) -> None:
        types: list[Any] = [operation.existing_type, operation.modify_type]
        old, new = (each.compile(self.connection.dialect) for each in types)
        values = count_values(self.connection, table, operation.column_name)
        what = f"change the type of {where} from {old} to {new}"
        change = part(operation, modify_type=operation.modify_type)
        if not values or keeps_every_value(old, new):
            self.safe(what, change)
        else:
            self.lossy(f"{what} ({rows_have(values)} a value)", change)

    def forbid_null(self, operation: ops.AlterColumnOp, where: str, column: Column[Any]) -> None:
        table, name = column.table, self.quoted(column.name)
        nulls = count_nulls(self.connection, table, column.name)
        default = default_text(column)
        if not nulls:
            self.safe(f"forbid NULL in {where}", operation)
        elif default:
            self.lossy(f"forbid NULL in {where}, with {default} in {counted(nulls, 'row')}", operation, fill=column)
        else:
            self.plan.blocked.append(
                f"cannot forbid NULL in {where}: {rows_have(nulls)} no value there. Keep it nullable, give "
                f"it a default, or run UPDATE {self.sql(table)} SET {name} = … WHERE {name} IS NULL"
            )

    def add_index(self, operation: ops.CreateIndexOp) -> None:
        index = operation.to_index()
        what = f"index {operation.index_name} on {columns_of(index)}"
        if operation.unique and only_columns(index) and not any("where" in option for option in index.kwargs):
            self.add_unique(operation, f"unique {what}", index)
        else:
            self.safe(f"add {'unique ' if operation.unique else ''}{what}", operation)

    def add_unique(self, operation: Any, what: str, unique: Any) -> None:
        table, names = self.table_of(operation), [column.name for column in unique.columns]
        duplicate = None
        if self.differences.has_columns(table, names):
            duplicate = find_duplicate(self.connection, table, names)
        if duplicate is None:
            self.safe(f"add {what}", operation)
            return
        values = ", ".join(f"{name} = {value!r}" for name, value in duplicate[0].items())
        self.plan.blocked.append(
            f"cannot add {what}: {counted(duplicate[1], 'row')} of {table.key} have {values}, perhaps others too. "
            "Change or remove all but one"
        )

    def compare_primary_key(self, model: Table) -> None:
        there, wanted = self.differences.primary_key(model), [column.name for column in model.primary_key]
        if set(there) != set(wanted):
            self.plan.blocked.append(
                f"cannot change the primary key of {model.key} from ({', '.join(there)}) to ({', '.join(wanted)}). "
                "Drop the table, or start with a new development database; elsewhere, write a revision by hand"
            )

    def compare_enums(self) -> None:
        added, unchanged = compare_enums(self.connection, self.differences.metadata)
        self.plan.safe.extend(Step(each.description, each.model, each) for each in added)
        self.plan.unchanged.extend(unchanged)

    def compare_definitions(self) -> None:
        """What Alembic does not compare. An index that it changes for another reason is made anew already."""
        metadata, tables = self.differences.metadata, self.differences.changed_tables
        changes, problem = comparable(self.connection, metadata, tables)
        if problem is not None:
            self.plan.unchanged.append(
                f"CHECKs, expressions of indexes and Computed were not compared: {problem}. Change them by hand"
            )
        known = {getattr(each, "index_name", None) for each in self.differences.operations}
        for change in changes:
            model = change.model
            if change.checks:
                self.safe(f"change the CHECKs of {model.key}", ChangeChecksOp(model, metadata))
            for index in sorted(model.indexes, key=lambda each: str(each.name)):
                if index.name in change.indexes and index.name not in known:
                    self.add(ops.DropIndexOp.from_index(index))
                    self.add(ops.CreateIndexOp.from_index(index))
            for name in change.computed:
                drop = f"ALTER TABLE {self.sql(model)} DROP COLUMN {self.quoted(name)}"
                self.plan.unchanged.append(
                    f"the expression of {model.key}.{name} has changed: no database changes it. Run {drop}, "
                    "and the column is made again with the new one"
                )

    def table_of(self, operation: Any) -> Table:
        return self.differences.models[self.differences.key_of(operation)]

    def find_same_type(self, column: Column[Any], others: list[Column[Any]]) -> str | None:
        """The name of the first of these columns with the same type: perhaps it is the same column, renamed."""
        wanted = self.ddl(column)
        return next((each.name for each in others if wanted and self.ddl(each) == wanted), None)

    def ddl(self, column: Column[Any]) -> str:
        """The column's type as the database spells it; empty for a SQLite column without one."""
        return "" if isinstance(column.type, NullType) else column.type.compile(self.connection.dialect)

    def sql(self, table: Table) -> str:
        """The table's name in a statement."""
        return self.connection.dialect.identifier_preparer.format_table(table)

    def quoted(self, name: str) -> str:
        return self.connection.dialect.identifier_preparer.quote(name)

    def safe(self, description: str, operation: Any, fill: Column[Any] | None = None) -> None:
        self.plan.safe.append(Step(description, self.table_of(operation), operation, fill))

    def lossy(self, description: str, operation: Any, fill: Column[Any] | None = None) -> None:
        self.plan.lossy.append(Step(description, self.table_of(operation), operation, fill))


def part(operation: ops.AlterColumnOp, **modify: Any) -> ops.AlterColumnOp:
    """One of the changes that an operation makes."""
    default: Any = operation.existing_server_default
    return ops.AlterColumnOp(
        operation.table_name,
        operation.column_name,
        schema=operation.schema,
        existing_type=operation.existing_type,
        existing_nullable=operation.existing_nullable,
        existing_server_default=default,
        existing_comment=operation.existing_comment,
        **modify,
    )


def default_text(column: Column[Any]) -> str | None:
    """What existing rows get, if that is known without calling Python."""
    default = column.default
    if default is not None and default.is_scalar:
        return repr(default.arg)  # type: ignore[attr-defined]
    if default is not None and default.is_clause_element:
        return str(default.arg)  # type: ignore[attr-defined]
    return "its server_default" if column.server_default is not None else None


def keeps_every_value(old: str, new: str) -> bool:
    """Whether the new type, as spelled in DDL, holds every value of the old one."""
    if old in INTEGERS and new in INTEGERS:
        return INTEGERS.index(old) <= INTEGERS.index(new)
    texts = [re.fullmatch(r"(?:VARCHAR|TEXT)(?:\((\d+)\))?", each) for each in (old, new)]
    if not all(texts):
        return False
    room = [int(each[1]) if each and each[1] else float("inf") for each in texts]
    return room[0] <= room[1]


def columns_of(thing: Any) -> str:
    """``orders (number, year)`` for a constraint or index."""
    return f"{thing.table.key} ({', '.join(column.name for column in thing.columns)})"


def if_renamed(new: str, remedy: str) -> str:
    return f". If it was renamed to {new}: say no, {remedy}, and say yes the next time"


# What the rows hold. By the table's name alone: its columns in the database may differ from the models'.


def bare(of: Table) -> FromClause:
    return table(of.name, schema=of.schema)


def count_rows(connection: Connection, of: Table) -> int:
    return connection.execute(select(func.count()).select_from(bare(of))).scalar_one()


def count_values(connection: Connection, of: Table, name: str) -> int:
    count = select(func.count()).select_from(bare(of)).where(column(name).is_not(None))
    return connection.execute(count).scalar_one()


def count_nulls(connection: Connection, of: Table, name: str) -> int:
    count = select(func.count()).select_from(bare(of)).where(column(name).is_(None))
    return connection.execute(count).scalar_one()


def find_duplicate(connection: Connection, of: Table, names: Sequence[str]) -> tuple[dict[str, Any], int] | None:
    """Values that several rows have in these columns together, and how many rows have them."""
    columns: list[Any] = [column(name) for name in names]
    repeated = (
        select(*columns, func.count())
        .select_from(bare(of))
        .where(and_(*(each.is_not(None) for each in columns)))
        .group_by(*columns)
        .having(func.count() > 1)
        .limit(1)
    )
    row = connection.execute(repeated).first()
    return None if row is None else (dict(zip(names, row[:-1], strict=True)), row[-1])


def counted(number: int, noun: str) -> str:
    """``1 row``, ``12 rows``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def rows_have(number: int) -> str:
    return f"{counted(number, 'row')} {'has' if number == 1 else 'have'}"
