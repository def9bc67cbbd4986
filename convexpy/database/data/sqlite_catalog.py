"""The catalog of SQLite: its schema table, and pragmas."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, cast

from sqlalchemy import Table, func, select, table
from sqlalchemy.sql.elements import quoted_name

from ...errors import ConvexError
from ..footprints import is_framework_table
from ..tables import FRAMEWORK_TABLES
from .kinds import described, kind_of_declared
from .listing import MOST_COUNTED, Count, Listed
from .reading import Reading
from .shape import Action, Column, Constraint, ForeignKey, Index, RelationKind, Shape, key_of

FindModel = Callable[[str | None, str], Table | None]

# Those that SQLite, or a virtual table, keeps for itself begin so.
TABLES: Final = """
SELECT name, type, sql FROM sqlite_master
WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name
"""
TABLE: Final = "SELECT name, type, sql FROM sqlite_master WHERE type IN ('table', 'view') AND name = ?"
COLUMNS: Final = 'SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?) ORDER BY cid'
INDEXES: Final = """
SELECT l.name, l."unique", l.origin, l.partial, m.sql
FROM pragma_index_list(?) l LEFT JOIN sqlite_master m ON m.type = 'index' AND m.name = l.name ORDER BY l.seq
"""
INDEX_COLUMNS: Final = "SELECT name FROM pragma_index_xinfo(?) WHERE key ORDER BY seqno"
FOREIGN_KEYS: Final = """
SELECT m.name, f.id, f."table", f."from", f."to", f.on_delete, f.on_update
FROM sqlite_master m, pragma_foreign_key_list(m.name) f
WHERE m.type = 'table' AND (m.name = ?1 OR lower(f."table") = lower(?1)) ORDER BY m.name, f.id, f.seq
"""
ESTIMATES: Final = "SELECT tbl, max(CAST(stat AS INTEGER)) FROM sqlite_stat1 GROUP BY tbl"
WITHOUT_ROWID: Final = re.compile(r"\)[^)]*\bWITHOUT\s+ROWID\b[^)]*\Z", re.IGNORECASE)
VIRTUAL: Final = re.compile(r"\s*CREATE\s+VIRTUAL\b", re.IGNORECASE)
ROW_IDS: Final = ("rowid", "_rowid_", "oid")
PLAIN_HIDDEN: Final = 1
"""A column of a virtual table that is no column to others."""


def list_tables(reading: Reading) -> list[Listed]:
    """Every table and view, by name. Counting stops with the reading's time."""
    estimates: dict[str, int] = {}
    if reading.query("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_stat1'"):
        estimates = dict(reading.query(ESTIMATES))
    found, is_late = [], False
    for name, kind, sql in reading.query(TABLES):
        relation = relation_kind(kind, sql)
        count = None
        if relation == "table" and not is_late:
            try:
                count = count_of(reading, name, estimates.get(name))
            except ConvexError:
                is_late = True
        found.append(Listed(name, None, name, relation, count))
    return found


def count_of(reading: Reading, name: str, estimate: int | None) -> Count:
    if estimate is not None and estimate >= MOST_COUNTED:
        return Count(estimate, about=True)
    few = select(1).select_from(table(quoted_name(name, quote=True))).limit(MOST_COUNTED + 1).subquery()
    number: int = reading.select(select(func.count()).select_from(few))[0][0]
    return Count(min(number, MOST_COUNTED), more=number > MOST_COUNTED)


def relation_kind(kind: str, sql: str | None) -> RelationKind:
    if kind == "view":
        return "view"
    return "virtual table" if VIRTUAL.match(sql or "") else "table"


def read_shape(reading: Reading, title: str, find_model: FindModel) -> Shape | None:
    """A table or a view. None: there is none of this name."""
    found = reading.query(TABLE, title)
    if not found or title.startswith("sqlite_"):
        return None
    ((name, kind, sql),) = found
    relation, model = relation_kind(kind, sql), find_model(None, name)
    rows = [row for row in reading.query(COLUMNS, name) if row[5] != PLAIN_HIDDEN]
    primary = sorted((row for row in rows if row[4]), key=lambda row: row[4])
    # It is another name for the row's own id, so it is never NULL.
    row_id_column = primary[0][0] if len(primary) == 1 and primary[0][1].upper() == "INTEGER" else None
    columns = tuple(column_of(row, model, is_row_id=row[0] == row_id_column) for row in rows)
    has_rowid = relation == "table" and WITHOUT_ROWID.search(sql or "") is None
    indexes = read_indexes(reading, name, tuple(row[0] for row in primary))
    if not has_rowid and relation == "table":
        columns = tuple(required(each) if each.name in {row[0] for row in primary} else each for each in columns)
    keys = foreign_keys(reading, name)
    return Shape(
        schema=None,
        name=name,
        title=name,
        kind=relation,
        is_framework=is_framework_table(name) or name in FRAMEWORK_TABLES,
        columns=columns,
        key=key_of(columns, indexes) if relation == "table" else (),
        row_id=row_id_of(columns) if has_rowid or relation == "virtual table" else None,
        indexes=indexes,
        foreign_keys=tuple(key for key in keys if key.table == name),
        referenced_by=tuple(key for key in keys if key.referred == name),
        constraints=tuple(unique_constraints(indexes)),
        definition=sql,
        model=model,
    )


def column_of(row: Sequence[Any], model: Table | None, *, is_row_id: bool) -> Column:
    name, declared, not_null, default, _, hidden = row
    column = Column(
        name=name,
        type=declared or "any",
        kind=kind_of_declared(declared),
        nullable=not not_null and not is_row_id,
        default=default,
        computed=bool(hidden),
    )
    return described(column, model, is_sqlite=True)


def required(column: Column) -> Column:
    """A column of the key of a table WITHOUT ROWID, which is never NULL."""
    return replace(column, nullable=False)


def row_id_of(columns: Sequence[Column]) -> Column | None:
    """The name of a row's own id, which a column may have taken. None: all names are taken."""
    taken = {column.name.lower() for column in columns}
    free = next((name for name in ROW_IDS if name not in taken), None)
    return Column(free, "INTEGER", "integer", nullable=False) if free is not None else None


def read_indexes(reading: Reading, table_name: str, primary: tuple[str, ...]) -> tuple[Index, ...]:
    """The indexes of a table. Its primary key is the first, also if the rows themselves are in that order."""
    found = [] if not primary else [Index("primary key", primary, True, True, "", True)]
    for name, unique, origin, partial, sql in reading.query(INDEXES, table_name):
        columns = tuple(row[0] for row in reading.query(INDEX_COLUMNS, name))
        if origin != "pk" or not primary:
            found.append(Index(name, columns, bool(unique), False, sql or "", not partial))
    return tuple(found)


def unique_constraints(indexes: Sequence[Index]) -> list[Constraint]:
    """Those that a table declares: their indexes have no SQL of their own."""
    return [
        Constraint(index.name, "unique", cast("tuple[str, ...]", index.columns), "")
        for index in indexes
        if index.unique and not index.primary and not index.definition
    ]


def foreign_keys(reading: Reading, name: str) -> list[ForeignKey]:
    """The foreign keys of a table, and those that refer to it."""
    rows: dict[tuple[str, int], list[Sequence[Any]]] = {}
    for row in reading.query(FOREIGN_KEYS, name):
        rows.setdefault((row[0], row[1]), []).append(row)
    found = []
    for (child, number), parts in rows.items():
        referred = parent_name(reading, parts[0][2])
        targets = tuple(part[4] for part in parts)
        if None in targets:  # the primary key
            primary = sorted((row for row in reading.query(COLUMNS, referred) if row[4]), key=lambda row: row[4])
            targets = tuple(row[0] for row in primary)
        columns = tuple(part[3] for part in parts)
        if len(targets) != len(columns):
            continue
        on_delete: Action = cast("Action", str(parts[0][5]).lower())
        on_update: Action = cast("Action", str(parts[0][6]).lower())
        label = f"{child}.{', '.join(columns)}" if number == 0 else f"{child}.{', '.join(columns)} ({number})"
        found.append(ForeignKey(label, child, columns, referred, targets, on_delete, on_update))
    return found


def parent_name(reading: Reading, name: str) -> str:
    """A table as it is written where it was made: references may write it otherwise."""
    with suppress(IndexError):
        return str(reading.query("SELECT name FROM sqlite_master WHERE lower(name) = lower(?)", name)[0][0])
    return name
