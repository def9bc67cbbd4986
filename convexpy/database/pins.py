"""Which columns the conditions of a statement pin to values: ``T.c = :value`` and ``T.c IN (:values)``.

A condition counts if a row must satisfy it to matter, and an equality between two columns carries a pin from one to the
other. Columns are named as SQL names them, by the table or alias in scope.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Table
from sqlalchemy.sql import elements, operators, selectable

from .key_columns import UNKNOWN, Family, family_of, key_values
from .write_set import Value

# The name of a table or alias in scope, and a column of it.
ColumnName = tuple[str, str]
Parameters = Mapping[str, Any]


class Pinned(NamedTuple):
    """A column that is equal to a bind of the statement, or to one of its values."""

    column: str
    family: Family
    bind: str
    is_list: bool


def pinned_values(pin: Pinned, rows: Sequence[Parameters], context: Any) -> set[Value | None] | None:
    """The values that a column is pinned to in one execution. None: they are not known."""
    if not pin.is_list:
        return key_values([row.get(pin.bind, UNKNOWN) for row in rows], pin.family)
    names = context._expanded_parameters.get(pin.bind)
    if names is None:
        return None
    return key_values([row.get(name, UNKNOWN) for row in rows for name in names], pin.family)


def rows_of(context: Any) -> Sequence[Parameters]:
    """The values of a statement, by the names of its binds; several if it is executed many times at once."""
    return context.compiled_parameters  # type: ignore[no-any-return]


class Conditions:
    """Conditions that hold for each row that matters at one place of a statement, and those of the places around it."""

    def __init__(self, around: Conditions | None, bind_name: Callable[[Any], str | None]) -> None:
        """``bind_name`` gives the name of a bind parameter in the compiled statement."""
        self._around = around
        self._bind_name = bind_name
        self._hidden: frozenset[str] = frozenset()
        self._equal: list[tuple[ColumnName, ColumnName]] = []
        self._bound: list[tuple[ColumnName, Pinned]] = []

    def hide(self, names: Iterable[str]) -> None:
        """Conditions from around about these names are about other tables: they have a new meaning here."""
        self._hidden = frozenset(names)

    def add(self, clause: Any) -> None:
        """Add a clause, and what it is the conjunction of."""
        for part in conjuncts(clause):
            if not isinstance(part, elements.BinaryExpression):
                continue
            if part.operator is operators.eq:
                self._add_equality(part.left, part.right)
            elif part.operator is operators.in_op:
                self._add_bound(part.left, part.right, is_list=True)

    def pins_of(self, name: str) -> list[Pinned]:
        """The columns of the table of this name that are pinned."""
        parents: dict[ColumnName, ColumnName] = {}

        def root(column: ColumnName) -> ColumnName:
            while (parent := parents.setdefault(column, column)) != column:
                column = parent
            return column

        equal, bound = self._all()
        for left, right in equal:
            parents[root(left)] = root(right)
        values: dict[ColumnName, list[Pinned]] = {}
        for column, pinned in bound:
            values.setdefault(root(column), []).append(pinned)
        return [
            pinned._replace(column=column[1])
            for column in tuple(parents)
            if column[0] == name
            for pinned in values.get(root(column), ())
        ]

    def _all(self) -> tuple[list[tuple[ColumnName, ColumnName]], list[tuple[ColumnName, Pinned]]]:
        if self._around is None:
            return self._equal, self._bound
        equal, bound = self._around._all()
        hidden = self._hidden
        equal = [pair for pair in equal if pair[0][0] not in hidden and pair[1][0] not in hidden]
        return [*equal, *self._equal], [*(each for each in bound if each[0][0] not in hidden), *self._bound]

    def _add_equality(self, left: Any, right: Any) -> None:
        first, second = column_name(left), column_name(right)
        if first is not None and second is not None:
            if (family := family_of(left.type)) is not None and family == family_of(right.type):
                self._equal.append((first, second))
        elif first is not None:
            self._add_bound(left, right, is_list=False)
        elif second is not None:
            self._add_bound(right, left, is_list=False)

    def _add_bound(self, column: Any, value: Any, *, is_list: bool) -> None:
        name = column_name(column)
        if name is None or not isinstance(value, elements.BindParameter) or bool(value.expanding) != is_list:
            return
        family, bind = family_of(column.type), self._bind_name(value)
        if family is not None and bind is not None and family_of(value.type) == family:
            self._bound.append((name, Pinned(name[1], family, bind, is_list)))


def conjuncts(clause: Any) -> Iterator[Any]:
    """The parts that must all be true for a clause to be true."""
    if isinstance(clause, elements.BooleanClauseList) and clause.operator is operators.and_:
        for each in clause.clauses:
            yield from conjuncts(each)
    elif isinstance(clause, elements.Grouping):
        yield from conjuncts(clause.element)
    elif clause is not None:
        yield clause


def column_name(element: Any) -> ColumnName | None:
    """The name of a plain column of something in scope."""
    if not isinstance(element, elements.ColumnClause) or element.is_literal or element.table is None:
        return None
    name = name_in_scope(element.table)
    return None if name is None else (name, str(element.name))


def name_in_scope(source: Any) -> str | None:
    """By which name columns of something in FROM are named."""
    if isinstance(source, Table):
        return str(source.name) if source.schema is None else f"{source.schema}.{source.name}"
    if isinstance(source, selectable.AliasedReturnsRows | selectable.TableClause):
        return str(source.name)
    return None


def table_behind(source: Any) -> Table | None:
    """The table that a plain member of FROM is, by itself or under an alias."""
    if isinstance(source, Table):
        return source
    if type(source).__name__.removeprefix("Annotated") == "Alias" and isinstance(source, selectable.Alias):
        element = source.element
        return element if isinstance(element, Table) else None
    return None
