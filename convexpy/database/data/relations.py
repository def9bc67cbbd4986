"""Rows that refer to a row, and rows that it refers to: to follow, and to say what a change brings about."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import func, select, tuple_
from sqlalchemy.sql.elements import ColumnElement

from .cells import Cells, raw
from .reading import AnySelect, Reading
from .rows import FoundRow, has_key, key_of
from .shape import Action, ForeignKey, Shape

FindShape = Callable[[str], Shape]

MOST_RELATED: Final = 5
MOST_COUNTED: Final = 1000
DEEPEST: Final = 4
"""Of cascades that are followed."""


@dataclass(frozen=True, slots=True)
class Related:
    """The rows on the other side of a foreign key. ``outgoing``: the row refers to them."""

    foreign_key: ForeignKey
    outgoing: bool
    count: int
    more: bool
    rows: list[FoundRow]


@dataclass(frozen=True, slots=True)
class Effect:
    """What a change does to rows of a table that refer to the changed one, or through others."""

    table: str
    action: Action
    count: int
    more: bool
    foreign_key: ForeignKey = field(compare=False)

    @property
    def refuses(self) -> bool:
        """Whether the change is refused for them."""
        return self.action in ("no action", "restrict")


def related_rows(reading: Reading, shape: Shape, key: Sequence[str], find: FindShape) -> list[Related]:
    """What a row refers to, and what refers to it: of each foreign key a few rows, and how many there are."""
    found = []
    here = has_key(reading, shape, key)
    for foreign_key in shape.foreign_keys:
        parent = find(foreign_key.referred)
        where = belongs(parent, foreign_key.referred_columns, shape, foreign_key.columns, here)
        found.append(Related(foreign_key, True, *few_rows(reading, parent, where)))
    for foreign_key in shape.referenced_by:
        child = find(foreign_key.table)
        where = belongs(child, foreign_key.columns, shape, foreign_key.referred_columns, here)
        found.append(Related(foreign_key, False, *few_rows(reading, child, where)))
    return found


def few_rows(reading: Reading, shape: Shape, where: ColumnElement[bool]) -> tuple[int, bool, list[FoundRow]]:
    """How many rows fit, up to a limit, whether there are more, and the first few."""
    cells = Cells(reading, shape, most=60)
    keys = [raw(reading, shape, column) for column in shape.key_columns]
    statement = select(*cells.expressions(), *keys).select_from(shape.clause).where(where).limit(MOST_RELATED)
    width = 2 * len(shape.columns)
    rows = [FoundRow(key_of(shape, row[width:]), cells.read(row)) for row in reading.select(statement)]
    if len(rows) < MOST_RELATED:
        return len(rows), False, rows
    count = counted(reading, shape, where)
    return min(count, MOST_COUNTED), count > MOST_COUNTED, rows


def counted(reading: Reading, shape: Shape, where: ColumnElement[bool]) -> int:
    few = select(1).select_from(shape.clause).where(where).limit(MOST_COUNTED + 1).subquery()
    number: int = reading.select(select(func.count()).select_from(few))[0][0]
    return number


def belongs(
    shape: Shape, columns: Sequence[str], other: Shape, others: Sequence[str], where: ColumnElement[bool]
) -> ColumnElement[bool]:
    """Which rows of a table have the values, in some columns, that certain rows of another one have in others."""
    values = [other.clause.c[name] for name in others]
    # Both may be one table, and the inner SELECT is about other rows than the outer one.
    wanted: AnySelect = select(*values).select_from(other.clause).where(where).correlate(None)
    here = [shape.clause.c[name] for name in columns]
    return here[0].in_(wanted) if len(here) == 1 else tuple_(*here).in_(wanted)


def effects_of(
    reading: Reading,
    shape: Shape,
    where: ColumnElement[bool],
    find: FindShape,
    changed: frozenset[str] | None,
    depth: int = 0,
) -> Iterator[Effect]:
    """What a deletion of rows, or a change of some of their columns, does to the rows that refer to them."""
    for foreign_key in shape.referenced_by:
        if changed is not None and changed.isdisjoint(foreign_key.referred_columns):
            continue
        child = find(foreign_key.table)
        affected = belongs(child, foreign_key.columns, shape, foreign_key.referred_columns, where)
        count = counted(reading, child, affected)
        if not count:
            continue
        action = foreign_key.on_delete if changed is None else foreign_key.on_update
        yield Effect(child.title, action, min(count, MOST_COUNTED), count > MOST_COUNTED, foreign_key)
        if action == "cascade" and changed is None and depth < DEEPEST:
            yield from effects_of(reading, child, affected, find, None, depth + 1)
