"""``ReadKeys``: which rows of its tables a SELECT depends on, for all values of its binds.

A row of a table can matter only where the table occurs in a FROM. If each occurrence is pinned, a row outside of the
pins matters nowhere: not to LIMIT, to an aggregate or to NOT EXISTS.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy.sql import selectable

from .key_columns import KeyColumn, TableName, key_columns
from .pins import Conditions, Pinned, name_in_scope, table_behind
from .statement_compiler import Rendered, SelectScope

# The columns to choose from, the best first.
Choice = tuple[Pinned, ...]


class ReadKeys:
    """For each table that is pinned wherever it occurs, what pins it at each of these places."""

    def __init__(self, rendered: Rendered, bind_name: Callable[[Any], str | None]) -> None:
        self._bind_name = bind_name
        self._found: dict[TableName, list[Choice]] = {}
        self._conditions: dict[SelectScope, Conditions] = {}
        for scope in rendered.scopes:
            self._add_scope(scope)
        occurrences = Counter({table: len(choices) for table, choices in self._found.items()})
        self.pins: dict[TableName, list[Choice]] = {
            table: choices
            for table, choices in self._found.items()
            # As often as the compiler has rendered it, so no place was overlooked.
            if all(choices) and occurrences[table] == rendered.tables[table]
        }

    def _add_scope(self, scope: SelectScope) -> None:
        around = self._conditions.get(scope.outer) if scope.outer is not None else None
        conditions = self._conditions[scope] = Conditions(around, self._bind_name)
        for clause in scope.select._where_criteria:
            conditions.add(clause)
        leaves: list[tuple[Any, Conditions]] = []
        for source in scope.froms:
            self._walk(source, conditions, leaves)
        names = [name for leaf, _ in leaves if (name := name_in_scope(leaf)) is not None]
        conditions.hide(names)
        for leaf, its_conditions in leaves:
            table = table_behind(leaf)
            name = name_in_scope(leaf)
            if table is not None and name is not None:
                is_ambiguous = names.count(name) > 1
                choice = () if is_ambiguous else ordered(its_conditions.pins_of(name), key_columns(table))
                self._found.setdefault(TableName.of(table), []).append(choice)

    def _walk(self, source: Any, conditions: Conditions, leaves: list[tuple[Any, Conditions]]) -> None:
        """Find what FROM consists of, and which conditions rows must satisfy there to matter."""
        if isinstance(source, selectable.FromGrouping):
            self._walk(source.element, conditions, leaves)
        elif not isinstance(source, selectable.Join):
            leaves.append((source, conditions))
        elif source.full:
            # Rows of both sides matter also if they have no partner, so ON says nothing of either.
            self._walk(source.left, Conditions(conditions, self._bind_name), leaves)
            self._walk(source.right, Conditions(conditions, self._bind_name), leaves)
        elif source.isouter:
            # A row on the left matters without a partner. One on the right matters only as a partner.
            self._walk(source.left, conditions, leaves)
            optional = Conditions(conditions, self._bind_name)
            optional.add(source.onclause)
            self._walk(source.right, optional, leaves)
        else:
            conditions.add(source.onclause)
            self._walk(source.left, conditions, leaves)
            self._walk(source.right, conditions, leaves)


def ordered(pins: Sequence[Pinned], columns: Sequence[KeyColumn]) -> Choice:
    """Pins of the columns that writers report; a unique column before others, one value before several."""
    known = {column.name: (column.rank, index) for index, column in enumerate(columns)}
    usable = {pin for pin in pins if pin.column in known}
    return tuple(sorted(usable, key=lambda pin: (pin.is_list, *known[pin.column], pin.bind)))
