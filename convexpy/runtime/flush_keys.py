"""``FlushedObjects``: which keys the rows of an ORM flush had before, by what its objects remember.

A flush's statements name their rows by primary key and set only what has changed. The objects know the other keys. An
object is believed if this transaction has loaded it: what was changed since then was changed by statements that are
recorded as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Table
from sqlalchemy.orm import Mapper
from sqlalchemy.orm.base import LoaderCallableStatus

from ..database.key_columns import UNKNOWN, Family, TableName, key_value
from ..database.statement_keys import keys_with_values, rows_of
from ..database.write_keys import Parameters, WriteKeys, without_null
from ..database.write_set import MOST_VALUES, Keys, Value

# The mapped attributes of a table's columns, by the columns' names.
Attributes = Mapping[str, str]
# An object's state, and where it keeps what the row of one table has.
Row = tuple[Any, Attributes]
_attributes: WeakKeyDictionary[Mapper[Any], tuple[tuple[TableName, Attributes], ...]] = WeakKeyDictionary()


class FlushedObjects:
    """The objects of one flush, until it forgets what they were before."""

    def __init__(self, states: Iterable[Any], new: Collection[Any], foreign: Collection[Any]) -> None:
        """
        Args:
            states: Of all objects of the flush.
            new: Those that have no row yet.
            foreign: Those that another session has loaded, whose rows may be different now.
        """
        self._old: dict[TableName, list[Row]] = {}
        self._new: dict[TableName, list[Row]] = {}
        for state in states:
            into = self._new if state in new else self._old
            if state not in foreign:
                for table, attributes in attributes_of(state.mapper):
                    into.setdefault(table, []).append((state, attributes))
        self._by_key: dict[TableName, dict[tuple[Any, ...], Row]] = {}
        self._inserted: Counter[TableName] = Counter()

    def count(self, statements: Sequence[tuple[WriteKeys, Any]]) -> None:
        """The statements of the flush whose keys are asked for next."""
        for writes, context in statements:
            if writes.kind == "insert":
                self._inserted[writes.table] += len(rows_of(context))

    def keys(self, writes: WriteKeys, context: Any) -> Keys:
        """The keys of the rows that one of the flush's statements writes."""
        if writes.kind == "insert":
            return self._keys_of_inserted(writes, context)
        rows = rows_of(context)
        found = [self._row_of(writes, row) for row in rows]
        known: Keys = {}
        for column in writes.columns:
            values: set[Value | None] = set()
            pin = next(iter(writes.before.get(column.name, ())), None)
            for parameters, row in zip(rows, found, strict=True):
                old: Any = UNKNOWN
                if pin is not None and not pin.is_list:
                    old = key_value(parameters.get(pin.bind, UNKNOWN), column.family)
                elif row is not None:
                    old = key_value(old_value(row, column.name), column.family)
                new = writes.new_value(column, parameters) if column.name in writes.after else None
                if old is UNKNOWN or new is UNKNOWN or len(values) > MOST_VALUES:
                    break
                values.add(old)
                values.add(new)
            else:
                known[column.name] = without_null(values)
        return known

    def _keys_of_inserted(self, writes: WriteKeys, context: Any) -> Keys:
        """A key that the database has generated is known by the object, if there is one for each row."""
        known = keys_with_values(writes, context)
        new = self._new.get(writes.table, ())
        if len(writes.primary_key) == 1 and len(new) == self._inserted[writes.table] <= MOST_VALUES:
            for column in writes.columns:
                if column.is_primary and column.name not in known:
                    values = [
                        key_value(state.dict.get(attributes.get(column.name), UNKNOWN), column.family)
                        for state, attributes in new
                    ]
                    if UNKNOWN not in values and None not in values:
                        known[column.name] = set(values)  # type: ignore[arg-type]
        return known

    def _row_of(self, writes: WriteKeys, parameters: Parameters) -> Row | None:
        """The object whose row has the primary key that a statement names."""
        key = []
        for name in writes.primary_key:
            pin = next(iter(writes.before.get(name, ())), None)
            if pin is None or pin.is_list:
                return None
            key.append(key_value(parameters.get(pin.bind, UNKNOWN), pin.family))
        by_key = self._by_key.get(writes.table)
        if by_key is None:
            by_key = self._by_key[writes.table] = self._index(writes)
        return by_key.get(tuple(key))

    def _index(self, writes: WriteKeys) -> dict[tuple[Any, ...], Row]:
        families: dict[str, Family] = {column.name: column.family for column in writes.columns}
        columns = [(name, families[name]) for name in writes.primary_key]
        return {
            tuple(key_value(old_value(row, name), family) for name, family in columns): row
            for row in self._old.get(writes.table, ())
        }


def old_value(row: Row, column: str) -> Any:
    """What a column was before the flush. ``UNKNOWN``: it was not loaded."""
    state, attributes = row
    name = attributes.get(column)
    if name in state.committed_state:
        value = state.committed_state[name]
        return UNKNOWN if isinstance(value, LoaderCallableStatus) else value
    return state.dict.get(name, UNKNOWN)


def attributes_of(mapper: Mapper[Any]) -> tuple[tuple[TableName, Attributes], ...]:
    """The tables of a class, and the attributes that keep their columns."""
    known = _attributes.get(mapper)
    if known is None:
        known = _attributes[mapper] = tuple(
            (
                TableName.of(table),
                {
                    str(column.name): str(mapper.get_property_by_column(column).key)
                    for column in table.columns
                    if column in mapper.columns.values() or mapper._columntoproperty.get(column) is not None
                },
            )
            for table in mapper.tables
            if isinstance(table, Table)
        )
    return known
