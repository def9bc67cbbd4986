"""``FlushedObjects``: which keys the rows of an ORM flush had before, by what its objects remember.

A flush's statements name their rows by primary key and set only what has changed. The objects know the other keys. An
object is believed if this transaction has loaded it: what was changed since then was changed by statements that are
recorded as well.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import Table
from sqlalchemy.orm import Mapper
from sqlalchemy.orm.base import LoaderCallableStatus

from ..database.key_columns import UNKNOWN, TableName, key_value, key_values
from ..database.pins import Parameters, rows_of
from ..database.write_keys import WriteKeys
from ..database.write_set import MOST_VALUES, Keys, Value

# The mapped attributes of a table's columns, by the columns' names.
Attributes = Mapping[str, str]
# What an object's attributes were before they were changed, what they are, and which are those of one table.
Row = tuple[Mapping[str, Any], Mapping[str, Any], Attributes]
NO_VALUES: Final[frozenset[Value | None]] = frozenset()
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
                before, now = state.committed_state, state.dict
                for table, attributes in attributes_of(state.mapper):
                    into.setdefault(table, []).append((before, now, attributes))
        self._by_key: dict[TableName, dict[tuple[Any, ...], Row]] = {}
        self._inserted: dict[TableName, int] = {}

    def count(self, writes: WriteKeys, context: Any) -> None:
        """One of the flush's statements. All are counted before the keys of any are asked for."""
        if writes.kind == "insert":
            self._inserted[writes.table] = self._inserted.get(writes.table, 0) + len(rows_of(context))

    def keys(self, writes: WriteKeys, context: Any) -> Keys:
        """The keys of the rows that one of the flush's statements writes."""
        if writes.kind == "insert":
            return self._keys_of_inserted(writes, context)
        rows = rows_of(context)
        found = self._rows_of(writes, rows)
        known: Keys = {}
        for column in writes.columns:
            name = column.name
            pin = writes.single_pins.get(name)
            if pin is not None:
                old = key_values([parameters.get(pin.bind, UNKNOWN) for parameters in rows], column.family)
            elif found is not None:
                old = key_values([old_value(row, name) for row in found], column.family)
            else:
                continue
            new = writes.new_values(name, rows) if name in writes.after else NO_VALUES
            if old is not None and new is not None:
                values = old | new
                values.discard(None)
                if len(values) <= MOST_VALUES:
                    known[name] = values  # type: ignore[assignment]
        return known

    def _keys_of_inserted(self, writes: WriteKeys, context: Any) -> Keys:
        """A key that the database has generated is known by the object, if there is one for each row."""
        known = writes.keys(context)
        new = self._new.get(writes.table, ())
        if len(writes.primary_key) == 1 and len(new) == self._inserted[writes.table] <= MOST_VALUES:
            for column in writes.columns:
                if column.is_primary and column.name not in known:
                    values = [
                        key_value(now.get(attributes.get(column.name, ""), UNKNOWN), column.family)
                        for _, now, attributes in new
                    ]
                    if UNKNOWN not in values and None not in values:
                        known[column.name] = set(values)  # type: ignore[arg-type]
        return known

    def _rows_of(self, writes: WriteKeys, rows: Sequence[Parameters]) -> list[Row] | None:
        """The objects whose rows have the primary keys that a statement names. None: there is not one for each."""
        pins = writes.primary_key_pins
        if pins is None:
            return None
        by_key = self._by_key.get(writes.table)
        if by_key is None:
            by_key = self._by_key[writes.table] = {
                tuple([key_value(old_value(row, pin.column), pin.family) for pin in pins]): row
                for row in self._old.get(writes.table, ())
            }
        found = []
        for parameters in rows:
            key = tuple([key_value(parameters.get(pin.bind, UNKNOWN), pin.family) for pin in pins])
            row = by_key.get(key)
            if row is None or UNKNOWN in key:
                return None
            found.append(row)
        return found


def old_value(row: Row, column: str) -> Any:
    """What a column was before the flush. ``UNKNOWN``: it was not loaded."""
    before, now, attributes = row
    name = attributes.get(column, "")
    if name in before:
        value = before[name]
        return UNKNOWN if isinstance(value, LoaderCallableStatus) else value
    return now.get(name, UNKNOWN)


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
                    if column in mapper._columntoproperty
                },
            )
            for table in mapper.tables
            if isinstance(table, Table)
        )
    return known
