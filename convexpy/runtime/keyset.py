"""The order of a statement's rows, made total, and conditions for what comes before and after a position in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, NoReturn, TypeAlias

from sqlalchemy import ColumnElement, FromClause, Join, Label, Select, and_, false, literal, or_, true, tuple_
from sqlalchemy.sql.elements import UnaryExpression
from sqlalchemy.sql.operators import asc_op, desc_op, nulls_first_op, nulls_last_op

AnySelect: TypeAlias = Select[*tuple[Any, ...]]
MODIFIERS: Final = (asc_op, desc_op, nulls_first_op, nulls_last_op)


@dataclass(frozen=True, slots=True)
class OrderKey:
    """One column of an order."""

    expression: ColumnElement[Any]
    descending: bool = False
    has_nulls: bool = False
    nulls_first: bool = True
    """Where rows without a value stand. SQLite and PostgreSQL disagree unless a statement says it."""

    def order(self) -> ColumnElement[Any]:
        """What ORDER BY says of it."""
        ordered = self.expression.desc() if self.descending else self.expression.asc()
        if not self.has_nulls:
            return ordered
        return ordered.nulls_first() if self.nulls_first else ordered.nulls_last()

    def beyond(self, value: Any, *, after: bool) -> ColumnElement[bool]:
        """Which rows come after a value, or before it."""
        if value is None:
            return self.expression.is_not(None) if self.nulls_first is after else false()
        bound = literal(value, self.expression.type)
        greater = after is not self.descending
        found = self.expression > bound if greater else self.expression < bound
        nulls_are_beyond = self.has_nulls and self.nulls_first is not after
        return or_(found, self.expression.is_(None)) if nulls_are_beyond else found

    def same(self, value: Any) -> ColumnElement[bool]:
        """Which rows have a value."""
        if value is None:
            return self.expression.is_(None)
        return self.expression == literal(value, self.expression.type)

    def __str__(self) -> str:
        nulls = "" if not self.has_nulls else " nulls first" if self.nulls_first else " nulls last"
        kind = type(self.expression.type).__name__
        return f"{self.expression} {kind} {'desc' if self.descending else 'asc'}{nulls}"


class Keyset:
    """The total order of a statement's rows: what it says itself, and then what tells any two rows apart."""

    def __init__(self, statement: AnySelect) -> None:
        """Raises ValueError: The statement has no such order, and what to do about it."""
        check(statement)
        # Without its entities, so without the tables that eager loading joins.
        bare = statement.with_only_columns(literal(1), maintain_column_froms=True)
        tables = list(tables_of(bare.get_final_froms()))
        optional = {table for table, is_optional in tables if is_optional}
        self.keys = [key_of(clause, optional) for clause in statement._order_by_clauses]
        descending = self.keys[-1].descending if self.keys else False
        known = {key.expression for key in self.keys}
        for column in row_columns(statement, [table for table, _ in tables]):
            if column not in known:
                self.keys.append(OrderKey(column, descending, can_be_null(column, optional), not descending))

    def __str__(self) -> str:
        return ", ".join(map(str, self.keys))

    @property
    def enums(self) -> dict[int, type[Enum]]:
        """The columns, by their place, whose values are of an enum."""
        kinds = (getattr(key.expression.type, "enum_class", None) for key in self.keys)
        return {place: kind for place, kind in enumerate(kinds) if kind is not None}

    def between(
        self,
        statement: AnySelect,
        start: Sequence[Any],
        end: Sequence[Any],
    ) -> AnySelect:
        """The rows after ``start``, up to and with ``end``, in order, with the values of the keys behind their own.

        An empty position is no bound.
        """
        if start:
            statement = statement.where(self._beyond(start, after=True))
        if end:
            statement = statement.where(or_(self._beyond(end, after=False), self._same(end, len(self.keys))))
        ordered = statement.order_by(None).order_by(*(key.order() for key in self.keys))
        labels = (key.expression.label(f"convexpy_key_{place}") for place, key in enumerate(self.keys))
        return ordered.add_columns(*labels)

    def _beyond(self, position: Sequence[Any], *, after: bool) -> ColumnElement[bool]:
        first = self.keys[0]
        if len(self.keys) > 1 and not any(key.has_nulls or key.descending != first.descending for key in self.keys):
            # Databases find the first such row by one look into an index.
            found = tuple_(*(key.expression for key in self.keys))
            values = [literal(value, key.expression.type) for key, value in zip(self.keys, position, strict=True)]
            bound = tuple_(*values)
            return found > bound if after is not first.descending else found < bound
        return or_(
            *(
                and_(self._same(position, place), key.beyond(position[place], after=after))
                for place, key in enumerate(self.keys)
            )
        )

    def _same(self, position: Sequence[Any], places: int) -> ColumnElement[bool]:
        return and_(true(), *(key.same(position[place]) for place, key in enumerate(self.keys[:places])))


def check(statement: object) -> None:
    if not isinstance(statement, Select):
        refuse(f"takes a select(…), not {type(statement).__name__}. Select from a union by its subquery()")
    if (
        statement._limit_clause is not None
        or statement._offset_clause is not None
        or statement._fetch_clause is not None
    ):
        refuse("sets the limit itself: remove .limit(), .offset() and .fetch() from the statement")
    if statement._distinct:
        refuse("adds columns to the statement, which changes what DISTINCT gives. Write group_by(…) instead")


def key_of(clause: Any, optional: set[FromClause]) -> OrderKey:
    """The key of one part of ``order_by(…)``."""
    expression, descending, nulls_first = clause, False, None
    while True:
        modifier = getattr(expression, "modifier", None)
        if isinstance(expression, UnaryExpression) and modifier in MODIFIERS:
            descending = descending or modifier is desc_op
            nulls_first = modifier is nulls_first_op if modifier in (nulls_first_op, nulls_last_op) else nulls_first
        elif getattr(expression, "__visit_name__", None) != "label_reference":
            break
        expression = expression.element
    if isinstance(expression, Label):
        inner = expression.element
        return OrderKey(inner, descending, True, not descending if nulls_first is None else nulls_first)
    if not isinstance(expression, ColumnElement) or getattr(expression, "table", None) is None:
        text = str(getattr(expression, "element", expression))
        refuse(
            f"cannot order by {text!r}: a cursor holds the values of columns. Write the column itself, or for an "
            f"expression order_by(expression.label('name'))"
        )
    has_nulls = can_be_null(expression, optional)
    return OrderKey(expression, descending, has_nulls, not descending if nulls_first is None else nulls_first)


def can_be_null(column: Any, optional: set[FromClause]) -> bool:
    return getattr(column, "nullable", True) or getattr(column, "table", None) in optional


def tables_of(sources: Iterable[FromClause], is_optional: bool = False) -> Iterator[tuple[FromClause, bool]]:
    """What a statement selects from, through its joins, and whether an outer join may leave it without a row."""
    for source in sources:
        if isinstance(source, Join):
            yield from tables_of([source.left], is_optional or source.full)
            yield from tables_of([source.right], is_optional or source.isouter or source.full)
        else:
            yield source, is_optional


def row_columns(statement: AnySelect, tables: Sequence[FromClause]) -> Iterator[ColumnElement[Any]]:
    """The columns whose values tell any two rows apart."""
    if statement._group_by_clauses:
        yield from statement._group_by_clauses
        return
    for table in tables:
        columns = list(table.primary_key)
        if not columns:
            refuse(f"cannot tell the rows of {table} apart: it has no primary key. Select the key of its table as well")
        yield from columns


def refuse(text: str) -> NoReturn:
    raise ValueError(f"paginate {text}")
