"""``WriteKeys``: which keys the rows that an INSERT, UPDATE or DELETE writes had before and have afterwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Table
from sqlalchemy.sql import elements

from .key_columns import UNKNOWN, Family, KeyColumn, TableName, family_of, key_columns, key_values
from .pins import Conditions, Parameters, Pinned, name_in_scope, pinned_values, rows_of, table_behind
from .write_set import MOST_VALUES, Keys, Value


class WriteKeys:
    """The keys of one statement's rows, for all values of its binds. A column that is in neither is not known."""

    def __init__(self, table: Table, kind: str) -> None:
        self.table = TableName.of(table)
        self.kind = kind
        self.columns = key_columns(table)
        self.before: dict[str, tuple[Pinned, ...]] = {}
        """The columns of which WHERE says what the rows had before."""
        self.after: dict[str, tuple[str, Family] | None] = {}
        """The columns that are set, and the binds of their new values. None: to what is not known."""
        self.primary_key = tuple(str(column.name) for column in table.primary_key.columns)
        self.single_pins: dict[str, Pinned] = {}
        """Those of ``before`` that are one value for each execution."""
        self.primary_key_pins: tuple[Pinned, ...] | None = None
        """Those of the primary key. None: WHERE does not name its row."""
        self.is_upsert = False
        self.set_columns: frozenset[str] = frozenset()
        """The columns that an UPDATE sets, key columns or not."""

    def keys(self, context: Any) -> Keys:
        """The keys of the rows that one execution writes. A column that is not there: they may have any value."""
        rows, known = rows_of(context), {}
        for column in self.columns:
            values = self._values(column, rows, context)
            if values is not None and len(values) <= MOST_VALUES:
                values.discard(None)
                known[column.name] = values
        return known  # type: ignore[return-value]

    def _values(self, column: KeyColumn, rows: Sequence[Parameters], context: Any) -> set[Value | None] | None:
        name = column.name
        if self.kind == "insert":
            found = self.new_values(name, rows)
            # NULL makes a database generate the key.
            return None if found is not None and column.is_primary and None in found else found
        pins = self.before.get(name)
        if pins is None:
            return None
        old = pinned_values(pins[0], rows, context)
        if old is None or name not in self.after:
            return old
        new = self.new_values(name, rows)
        return None if new is None else old | new

    def new_values(self, name: str, rows: Sequence[Parameters]) -> set[Value | None] | None:
        """What a column is set to. None: that is not known."""
        bind = self.after.get(name)
        return None if bind is None else key_values([row.get(bind[0], UNKNOWN) for row in rows], bind[1])


def write_keys(kind: str, compiled: Any, bind_name: Callable[[Any], str | None]) -> WriteKeys | None:
    """The keys of a compiled statement. None: rows of any keys are written."""
    state = compiled.compile_state
    statement = state.statement
    table = table_behind(statement.table)
    if table is None:
        return None
    keys = WriteKeys(table, kind)
    if kind == "insert":
        if statement.select is not None or state._has_multi_parameters or statement._select_names:
            return None
        find_new_values(keys, compiled, bind_name)
        return keys if fits_conflict_clause(keys, statement) else None
    name = name_in_scope(statement.table)
    conditions = Conditions(None, bind_name)
    for clause in statement._where_criteria:
        conditions.add(clause)
    if name is not None:
        for pin in conditions.pins_of(name):
            # One value says more than several.
            known = keys.before.get(pin.column, ())
            keys.before[pin.column] = (pin, *known) if not pin.is_list else (*known, pin)
    keys.single_pins = {column: pins[0] for column, pins in keys.before.items() if not pins[0].is_list}
    if keys.primary_key and all(column in keys.single_pins for column in keys.primary_key):
        keys.primary_key_pins = tuple(keys.single_pins[column] for column in keys.primary_key)
    if kind == "update":
        find_new_values(keys, compiled, bind_name)
    return keys


def find_new_values(keys: WriteKeys, compiled: Any, bind_name: Callable[[Any], str | None]) -> None:
    """Find which columns are set, and by which binds."""
    state = compiled.compile_state
    table = table_behind(state.statement.table)
    assert table is not None
    by_key = {getattr(column, "key", column): value for column, value in (state._dict_parameters or {}).items()}
    sets_all = not by_key and not compiled.column_keys
    given = {key for key in compiled.column_keys or () if getattr(compiled.binds.get(key), "_is_crud", True)}
    given.update(by_key)
    is_update = keys.kind == "update"
    keys.set_columns = frozenset(
        str(column.name)
        for column in table.columns
        if sets_all
        or column.key in given
        or (is_update and (column.onupdate is not None or column.server_onupdate is not None or column.computed))
    )
    for column in keys.columns:
        if is_update and column.name not in keys.set_columns:
            continue
        value = by_key.get(column.key)
        bind = compiled.binds.get(column.key)
        if isinstance(value, elements.BindParameter):
            name = bind_name(value)
            if name is None and bind is not None and bind.key == value.key:
                name = column.key
        elif value is None and bind is not None and getattr(bind, "_is_crud", False):
            name = column.key
        else:
            name = None  # an expression
        usable = name is not None and family_of(compiled.binds[name].type) == column.family
        keys.after[column.name] = (name, column.family) if usable and name is not None else None


def fits_conflict_clause(keys: WriteKeys, statement: Any) -> bool:
    """Whether the keys are still known with the statement's ON CONFLICT. Only those of a conflict's own columns are."""
    clause = statement._post_values_clause
    if clause is None:
        return True
    name = type(clause).__name__
    if name == "OnConflictDoNothing":
        return True
    if name != "OnConflictDoUpdate":
        return False
    keys.is_upsert = True
    targets = clause.inferred_target_elements
    if getattr(clause, "constraint_target", None) is not None or not targets:
        return False
    # A text is left out: its index may have a collation of its own, by which other texts are equal to it.
    shared = {
        str(target.name) if isinstance(target, elements.ColumnClause) else target
        for target in targets
        if isinstance(target, str | elements.ColumnClause)
    }
    updated = {getattr(column, "name", column) for column in dict(clause.update_values_to_set)}
    for column in keys.columns:
        if column.name not in shared or column.family == "text" or {column.name, column.key} & updated:
            keys.after[column.name] = None
    return True
