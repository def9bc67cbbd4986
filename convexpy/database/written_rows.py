"""Which rows an INSERT, UPDATE or DELETE of SQLAlchemy's is about to write, as a SELECT and as keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Select, Table, bindparam, select
from sqlalchemy.sql import elements, visitors

from .pins import rows_of

MOST_EXECUTIONS: Final = 100
"""Of one statement that is executed with many values."""

Key = tuple[Any, ...]


def key_values_of(table: Table, context: Any) -> list[Key]:
    """The primary keys that an INSERT gives its rows itself. Those that the database makes are not among them."""
    names = [column.key for column in table.primary_key.columns]
    rows = [[row.get(name) for name in names] for row in rows_of(context)[:MOST_EXECUTIONS]]
    return [tuple(values) for values in rows if values and None not in values]


def rows_to_write(table: Table, compiled: Any, context: Any) -> Iterator[Select[Any]]:
    """For each execution of an UPDATE or a DELETE, what selects the rows that it will write."""
    criteria = compiled.compile_state.statement._where_criteria
    names = compiled.bind_names
    for values in rows_of(context)[:MOST_EXECUTIONS]:

        def with_value(element: Any, values: Any = values, **_: Any) -> Any:
            if not isinstance(element, elements.BindParameter) or element not in names:
                return None
            name = names[element]
            each = context._expanded_parameters.get(name)  # of a list, each value has a name of its own
            value = values[name] if each is None else [values[one] for one in each]
            return bindparam(None, value, type_=element.type, expanding=element.expanding, unique=True)

        where = [visitors.replacement_traverse(clause, {}, with_value) for clause in criteria]
        yield select(*table.columns).select_from(table).where(*where)
