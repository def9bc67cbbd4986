"""``Catalog``: what the schema adds to a statement: cascades, triggers, rules, views, partitions, functions.

It is loaded once a process, again after each minute, and after this process has changed the schema. A table that it
does not know makes it load at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from ..key_columns import Family, TableName

MAX_AGE_SECONDS: Final = 60.0
FIRST_USER_OID: Final = 16384
"""Objects below it belong to the server."""

TABLE, PARTITIONED, VIEW, MATERIALIZED, FOREIGN, SEQUENCE = "r", "p", "v", "m", "f", "S"
RELATIONS: Final = f"""
SELECT c.oid, n.nspname, c.relname, c.relkind::text, c.relpersistence = 't',
       c.relrowsecurity OR c.relhasrules AND c.relkind IN ('r', 'p'),
       n.nspname = current_schema(), coalesce(array_position(current_schemas(true), n.nspname), 0)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid >= {FIRST_USER_OID}
"""
COLUMNS: Final = f"""
SELECT a.attrelid, a.attname,
       CASE WHEN a.atttypid IN (20, 21, 23) THEN 'int' WHEN a.atttypid = 16 THEN 'bool'
            WHEN a.atttypid = 2950 THEN 'uuid' ELSE 'text' END
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid LEFT JOIN pg_collation l ON l.oid = a.attcollation
WHERE a.attrelid >= {FIRST_USER_OID} AND c.relkind IN ('r', 'p', 'm') AND a.attnum > 0 AND NOT a.attisdropped
  AND a.attgenerated = ''
  AND (a.atttypid IN (20, 21, 23, 16, 2950) OR a.atttypid IN (25, 1043) AND l.collisdeterministic)
"""
PARENTS: Final = f"SELECT inhrelid, inhparent FROM pg_inherits WHERE inhrelid >= {FIRST_USER_OID}"
FOREIGN_KEYS: Final = """
SELECT k.conrelid, k.confrelid, k.confdeltype::text, k.confupdtype::text,
       ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = k.conrelid AND a.attnum = ANY(k.conkey)),
       ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = k.confrelid AND a.attnum = ANY(k.confkey))
FROM pg_constraint k WHERE k.contype = 'f' AND (k.confdeltype NOT IN ('a', 'r') OR k.confupdtype NOT IN ('a', 'r'))
"""
# The trigger for other programs does nothing in convexpy's own sessions.
TRIGGERS: Final = """
SELECT tgrelid, bool_or(tgtype & 4 > 0), bool_or(tgtype & 8 > 0), bool_or(tgtype & 16 > 0), bool_or(tgdeferrable)
FROM pg_trigger WHERE NOT tgisinternal AND tgname <> '_convexpy_live' GROUP BY tgrelid
"""
# Functions of the server that may do anything are those of pg_catalog that are volatile, and those that run a query.
FUNCTIONS: Final = f"""
SELECT proname, bool_or(oid >= {FIRST_USER_OID} OR provolatile = 'v' AND prokind NOT IN ('a', 'w')
                        OR position('_to_xml' IN proname) > 0)
FROM pg_proc GROUP BY proname
"""
OPERATORS: Final = f"SELECT DISTINCT oprname FROM pg_operator WHERE oid >= {FIRST_USER_OID}"
# Defaults, checks, policies and indexes that call functions of the user's.
CALLERS: Final = f"""
SELECT DISTINCT coalesce(d.adrelid, k.conrelid, p.polrelid, i.indrelid)
FROM pg_depend e
LEFT JOIN pg_attrdef d ON e.classid = 'pg_attrdef'::regclass AND d.oid = e.objid
LEFT JOIN pg_constraint k ON e.classid = 'pg_constraint'::regclass AND k.oid = e.objid
LEFT JOIN pg_policy p ON e.classid = 'pg_policy'::regclass AND p.oid = e.objid
LEFT JOIN pg_index i ON e.classid = 'pg_class'::regclass AND i.indexrelid = e.objid
WHERE e.refclassid = 'pg_proc'::regclass AND e.refobjid >= {FIRST_USER_OID}
"""

# Volatile functions that touch no table.
HARMLESS: Final = frozenset(
    [
        "random",
        "gen_random_uuid",
        "uuidv4",
        "uuidv7",
        "clock_timestamp",
        "timeofday",
        "nextval",
        "setseed",
        "pg_sleep",
        "pg_advisory_xact_lock",
        "pg_try_advisory_xact_lock",
    ]
)
# Syntax that SQLAlchemy calls a function.
SYNTAX: Final = frozenset(
    [
        "coalesce",
        "greatest",
        "least",
        "nullif",
        "grouping",
        "cube",
        "rollup",
        "grouping_sets",
        "cast",
        "extract",
        "current_timestamp",
        "current_date",
        "current_time",
        "localtime",
        "localtimestamp",
        "current_user",
        "session_user",
        "user",
        "aggregate_strings",
        "char_length",
    ]
)


class Relation(NamedTuple):
    """A table, a view, an index, or what else is in ``pg_class``."""

    name: str
    """As it is in the sets."""
    kind: str
    is_temporary: bool
    has_rules: bool
    """Rules or row security."""


class ForeignKey(NamedTuple):
    """One whose actions change rows of the table that it belongs to."""

    table: int
    on_delete: str
    on_update: str
    columns: frozenset[str]
    referenced: frozenset[str]


class Triggers(NamedTuple):
    """On which changes of a table the user's triggers run."""

    insert: bool
    delete: bool
    update: bool


@dataclass
class Closure:
    """What else a change of a table changes."""

    tables: set[int] = field(default_factory=set)
    is_known: bool = True
    """No trigger, rule or function of the user's takes part."""


class Schema:
    """The catalog at one time."""

    def __init__(self, query: Callable[[str], Iterable[Any]]) -> None:
        """``query`` executes a query and gives its rows."""
        self.relations: dict[int, Relation] = {}
        self._by_name: dict[TableName, int] = {}
        places: dict[str, int] = {}
        for oid, schema, name, kind, is_temporary, has_rules, is_default, place in query(RELATIONS):
            self.relations[oid] = Relation(name if is_default else f"{schema}.{name}", kind, is_temporary, has_rules)
            self._by_name[TableName(schema, name)] = oid
            if place and place < places.get(name, place + 1):  # the first schema of the search path
                places[name], self._by_name[TableName(None, name)] = place, oid
        self._columns: dict[int, dict[str, Family]] = {}
        for table, name, family in query(COLUMNS):
            self._columns.setdefault(table, {})[name] = family
        self._neighbours: dict[int, set[int]] = {}
        for child, parent in query(PARENTS):
            self._neighbours.setdefault(child, set()).add(parent)
            self._neighbours.setdefault(parent, set()).add(child)
        self._foreign_keys: dict[int, list[ForeignKey]] = {}
        for table, referenced_table, on_delete, on_update, columns, referenced in query(FOREIGN_KEYS):
            foreign_key = ForeignKey(table, on_delete, on_update, frozenset(columns), frozenset(referenced))
            self._foreign_keys.setdefault(referenced_table, []).append(foreign_key)
        self._triggers: dict[int, Triggers] = {}
        self.has_deferred_triggers = False
        for table, insert, delete, update, is_deferrable in query(TRIGGERS):
            self._triggers[table] = Triggers(insert, delete, update)
            self.has_deferred_triggers |= is_deferrable
        self._functions: dict[str, bool] = dict(query(FUNCTIONS))
        self._operators = frozenset(row[0] for row in query(OPERATORS))
        self._callers = frozenset(row[0] for row in query(CALLERS))

    def find(self, table: TableName) -> int | None:
        """The table that a statement names so."""
        return self._by_name.get(table)

    def can_pin(self, table: int, column: str, family: Family) -> bool:
        """Whether equal values of a column are equal in Python."""
        return self._columns.get(table, {}).get(column) == family

    def family(self, table: int) -> set[int]:
        """A table with its partitions and parents: a row of one is a row of others."""
        found, left = {table}, [table]
        while left:
            new = self._neighbours.get(left.pop(), set()) - found
            found |= new
            left.extend(new)
        return found

    def knows(self, function: str) -> bool:
        """Whether there is a function of this name."""
        return function in self._functions or function in SYNTAX

    def calls_nothing_of_the_user(self, functions: Iterable[str], operators: Iterable[str]) -> bool:
        """Whether these functions and operators are the server's own, and only compute."""
        return all(
            name in SYNTAX or name in HARMLESS or self._functions.get(name) is False
            for name in (each.removeprefix("pg_catalog.") for each in functions)
        ) and self._operators.isdisjoint(operators)

    def reads_only_itself(self, table: int) -> bool:
        """Whether a SELECT from it reads its rows and those of its partitions, and nothing else."""
        relation = self.relations[table]
        return relation.kind in (TABLE, PARTITIONED, MATERIALIZED) and not relation.has_rules

    def closure(self, table: int, kind: str, columns: frozenset[str] | None) -> Closure:
        """What else is changed by an ``insert``, ``update``, ``delete`` or ``upsert`` of rows of a table.

        Args:
            columns: What an UPDATE sets. None: any.
        """
        closure = Closure()
        left: list[tuple[int, str, frozenset[str] | None]] = [(table, kind, columns)]
        if kind == "upsert":
            left = [(table, "insert", None), (table, "update", None)]
        done: set[tuple[int, str]] = set()
        while left:
            changed, event, set_columns = left.pop()
            family = self.family(changed)
            for each in family:
                self._add_effects(each, event, closure)
                for foreign_key in self._foreign_keys.get(each, ()):
                    action = action_of(foreign_key, event, set_columns, is_partitioned=len(family) > 1)
                    if action is not None:
                        closure.tables |= self.family(foreign_key.table)
                        if (foreign_key.table, action) not in done:
                            done.add((foreign_key.table, action))
                            left.append((foreign_key.table, action, None))
        return closure

    def _add_effects(self, table: int, event: str, closure: Closure) -> None:
        relation = self.relations.get(table)
        triggers = self._triggers.get(table)
        # A row that moves to another partition is deleted and inserted.
        has_trigger = triggers is not None and (getattr(triggers, event) or (event == "update" and any(triggers)))
        is_plain = relation is not None and relation.kind in (TABLE, PARTITIONED) and not relation.has_rules
        if has_trigger or not is_plain or table in self._callers:
            closure.is_known = False


def action_of(
    foreign_key: ForeignKey, event: str, set_columns: frozenset[str] | None, *, is_partitioned: bool
) -> str | None:
    """What a foreign key does to the rows that refer to changed ones: ``delete`` or ``update``. None: nothing."""
    is_delete = event == "delete" or (event == "update" and is_partitioned)
    if is_delete and foreign_key.on_delete == "c":
        return "delete"
    if is_delete and foreign_key.on_delete in "nd":
        return "update"
    if event != "update" or (set_columns is not None and not set_columns & foreign_key.referenced):
        return None
    return "update" if foreign_key.on_update in "cnd" else None


class Catalog:
    """The schema, as new as it has to be."""

    def __init__(self, load: Callable[[], Schema]) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._schema: Schema | None = None
        self._expires = 0.0
        self._changes = 0
        # Names that are not there, so that nothing is loaded for them again and again.
        self._missing: set[object] = set()
        self._missing_until = 0.0

    def prepare(self) -> None:
        """Before a transaction: load the schema if it may get too old within it, which would make it longer."""
        if self._schema is None or time.monotonic() > self._expires - MAX_AGE_SECONDS / 2:
            self.load()

    def schema(self) -> Schema:
        """The schema, at most a minute old."""
        schema = self._schema
        return schema if schema is not None and time.monotonic() < self._expires else self.load()

    def schema_with(self, names: frozenset[object]) -> Schema:
        """The schema, loaded anew if one of these names may be new in it."""
        if time.monotonic() > self._missing_until:
            self._missing, self._missing_until = set(), time.monotonic() + MAX_AGE_SECONDS
        if names <= self._missing:
            return self.schema()
        schema = self.load()
        self._missing |= names  # if they are there now, nobody asks for them again
        return schema

    def load(self) -> Schema:
        """The schema of this moment."""
        asked = time.monotonic()
        with self._lock:
            if self._schema is not None and self._expires - MAX_AGE_SECONDS >= asked:
                return self._schema  # loaded while this thread waited
            while True:
                changes, began = self._changes, time.monotonic()
                schema = self._load()
                if changes == self._changes:  # otherwise it may be from before the change
                    self._schema, self._expires = schema, began + MAX_AGE_SECONDS
                    return schema

    def forget(self) -> None:
        """This process has changed the schema."""
        self._changes += 1
        self._schema = None


def names_of(schema: Schema, tables: Iterable[int]) -> frozenset[str]:
    """The names of tables, without temporary ones, which no other transaction sees."""
    found: Mapping[int, Relation] = schema.relations
    return frozenset(found[each].name for each in tables if each in found and not found[each].is_temporary)
