"""The catalog of PostgreSQL, of the schemas that are not the server's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import Table, func, literal, select, table, union_all
from sqlalchemy.sql.elements import quoted_name

from ...errors import ConvexError
from ..footprints import is_framework_table
from ..tables import FRAMEWORK_TABLES
from .kinds import described, kind_of_server
from .listing import MOST_COUNTED, Count, Listed
from .reading import Reading
from .shape import Action, Column, Constraint, ForeignKey, Index, RelationKind, Shape, key_of

FindModel = Callable[[str | None, str], Table | None]

KINDS: Final[dict[str, RelationKind]] = {
    "r": "table",
    "p": "table",
    "v": "view",
    "m": "materialized view",
    "f": "foreign table",
}
ACTIONS: Final[dict[str, Action]] = {
    "a": "no action",
    "r": "restrict",
    "c": "cascade",
    "n": "set null",
    "d": "set default",
}
CONSTRAINTS: Final = {"u": "unique", "c": "check", "x": "exclude"}
# Partitions are shown as the one table that they are parts of.
RELATIONS: Final = """
SELECT c.oid, n.nspname, c.relname, c.relkind::text, n.nspname = current_schema(),
       CASE WHEN c.relkind <> 'p' THEN c.reltuples ELSE
            (SELECT sum(greatest(p.reltuples, 0)) FROM pg_partition_tree(c.oid) t JOIN pg_class p ON p.oid = t.relid)
       END::float8,
       c.relhassubclass AND c.relkind = 'r'
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't' AND NOT c.relispartition
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND has_schema_privilege(n.oid, 'USAGE')
"""
LISTED: Final = f"{RELATIONS} AND has_table_privilege(c.oid, 'SELECT') ORDER BY n.nspname <> current_schema(), 2, 3"
NAMED: Final = f"""
{RELATIONS} AND (n.nspname = current_schema() AND c.relname = %s OR n.nspname || '.' || c.relname = %s)
ORDER BY n.nspname <> current_schema() LIMIT 1
"""
COLUMNS: Final = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), format_type(a.atttypid, -1), a.attnotnull,
       a.attgenerated <> '' OR a.attidentity = 'a', pg_get_expr(d.adbin, d.adrelid), a.attidentity <> '',
       b.typname, b.typtype::text, b.typcategory::text,
       b.typtype = 'e' OR EXISTS (SELECT FROM pg_opclass o JOIN pg_am m ON m.oid = o.opcmethod
                                  WHERE m.amname = 'btree' AND o.opcdefault AND o.opcintype = b.oid)
           OR b.typname = 'varchar',
       ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = b.oid ORDER BY e.enumsortorder)
FROM pg_attribute a
JOIN pg_type t ON t.oid = a.atttypid
JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
INDEXES: Final = """
SELECT c.relname, i.indisunique AND i.indimmediate, i.indisprimary, pg_get_indexdef(i.indexrelid),
       i.indisvalid AND i.indpred IS NULL,
       ARRAY(SELECT a.attname::text FROM unnest(i.indkey) WITH ORDINALITY k (number, place)
             LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number AND k.number > 0
             WHERE k.place <= i.indnkeyatts ORDER BY k.place)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = %s ORDER BY i.indisprimary DESC, c.relname
"""
TITLE: Final = "CASE WHEN {0}n.nspname = current_schema() THEN '' ELSE {0}n.nspname || '.' END || {0}c.relname"
NAMES: Final = """
ARRAY(SELECT a.attname::text FROM unnest(k.{1}) WITH ORDINALITY o (number, place)
      JOIN pg_attribute a ON a.attrelid = k.{0} AND a.attnum = o.number ORDER BY o.place)
"""
FOREIGN_KEYS: Final = f"""
SELECT k.conname, {TITLE.format("")}, {NAMES.format("conrelid", "conkey")},
       {TITLE.format("r")}, {NAMES.format("confrelid", "confkey")}, k.confdeltype::text, k.confupdtype::text,
       k.conrelid, k.confrelid
FROM pg_constraint k
JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class rc ON rc.oid = k.confrelid JOIN pg_namespace rn ON rn.oid = rc.relnamespace
WHERE k.contype = 'f' AND k.conparentid = 0 AND (k.conrelid = %s OR k.confrelid = %s) ORDER BY 2, 1
"""
OTHERS: Final = f"""
SELECT k.conname, k.contype::text, {NAMES.format("conrelid", "conkey")}, pg_get_constraintdef(k.oid)
FROM pg_constraint k WHERE k.conrelid = %s AND k.contype IN ('u', 'c', 'x') ORDER BY k.conname
"""
VIEW: Final = "SELECT pg_get_viewdef(%s::oid)"


def list_tables(reading: Reading) -> list[Listed]:
    """Every table and view that may be read, those of the default schema first."""
    rows = reading.query(LISTED)
    small = [row for row in rows if KINDS[row[3]] == "table" and (row[5] or 0) < MOST_COUNTED]
    counts = counted(reading, small)
    found = []
    for oid, schema, name, kind, is_default, estimate, _ in rows:
        count = counts.get(oid)
        if count is None and estimate is not None and estimate > 0 and kind != "v":
            count = Count(round(estimate), about=True)
        title = name if is_default else f"{schema}.{name}"
        found.append(Listed(title, None if is_default else schema, name, KINDS[kind], count))
    return found


def counted(reading: Reading, rows: Sequence[Sequence[Any]]) -> dict[int, Count]:
    """The number of rows of small tables. Empty: they could not be counted in time."""
    parts = []
    for oid, schema, name, *_ in rows:
        source = table(quoted_name(name, quote=True), schema=quoted_name(schema, quote=True))
        few = select(literal(1)).select_from(source).limit(MOST_COUNTED + 1).subquery()
        parts.append(select(literal(oid), func.count()).select_from(few))
    if not parts:
        return {}
    try:
        numbers = reading.select(union_all(*parts))
    except ConvexError:
        return {}
    return {oid: Count(min(number, MOST_COUNTED), more=number > MOST_COUNTED) for oid, number in numbers}


def read_shape(reading: Reading, title: str, find_model: FindModel) -> Shape | None:
    """A table or a view. None: there is none of this name."""
    found = reading.query(NAMED, title, title)
    if not found:
        return None
    ((oid, schema, name, kind, is_default, _, has_children),) = found
    model = find_model(None if is_default else schema, name)
    columns = tuple(column_of(row, model) for row in reading.query(COLUMNS, oid))
    indexes = tuple(
        Index(each, tuple(names), unique, primary, definition, whole)
        for each, unique, primary, definition, whole, names in reading.query(INDEXES, oid)
    )
    keys = [(foreign_key_of(row), row[7], row[8]) for row in reading.query(FOREIGN_KEYS, oid, oid)]
    # A row's place tells apart the rows of one table, not those of its parts or heirs.
    has_place = kind in ("r", "m") and not has_children
    return Shape(
        schema=None if is_default else schema,
        name=name,
        title=name if is_default else f"{schema}.{name}",
        kind=KINDS[kind],
        is_framework=is_default and (is_framework_table(name) or name in FRAMEWORK_TABLES),
        columns=columns,
        key=key_of(columns, indexes),
        row_id=Column("ctid", "tid", "other", nullable=False, cast="tid") if has_place else None,
        indexes=indexes,
        foreign_keys=tuple(key for key, child, _ in keys if child == oid),
        referenced_by=tuple(key for key, _, parent in keys if parent == oid),
        constraints=tuple(
            Constraint(each, CONSTRAINTS[kind], tuple(names), definition)  # type: ignore[arg-type]
            for each, kind, names, definition in reading.query(OTHERS, oid)
        ),
        definition=reading.query(VIEW, oid)[0][0] if kind in ("v", "m") else None,
        model=model,
    )


def column_of(row: Sequence[Any], model: Table | None) -> Column:
    name, declared, cast, not_null, computed, default, has_identity, type_name, kind, category, sortable, labels = row
    column = Column(
        name=name,
        type=declared,
        kind=kind_of_server(type_name, kind, category),
        nullable=not not_null,
        default="generated" if has_identity else default,
        computed=computed,
        sortable=sortable,
        cast=cast,
        choices=tuple(labels),
    )
    return column if labels else described(column, model, is_sqlite=False)


def foreign_key_of(row: Sequence[Any]) -> ForeignKey:
    name, child, columns, referred, targets, on_delete, on_update, *_ = row
    return ForeignKey(name, child, tuple(columns), referred, tuple(targets), ACTIONS[on_delete], ACTIONS[on_update])
