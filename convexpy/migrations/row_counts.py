"""What the rows of a table hold, as far as a change of that table depends on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, FromClause, Table, and_, column, func, select, table


def bare(of: Table) -> FromClause:
    """The table by its name alone: what it holds in the database may differ from what the models say."""
    return table(of.name, schema=of.schema)


def count_rows(connection: Connection, of: Table) -> int:
    return connection.execute(select(func.count()).select_from(bare(of))).scalar_one()


def count_values(connection: Connection, of: Table, name: str) -> int:
    """How many rows have a value in this column."""
    count = select(func.count()).select_from(bare(of)).where(column(name).is_not(None))
    return connection.execute(count).scalar_one()


def count_nulls(connection: Connection, of: Table, name: str) -> int:
    """How many rows have none."""
    count = select(func.count()).select_from(bare(of)).where(column(name).is_(None))
    return connection.execute(count).scalar_one()


def find_duplicate(connection: Connection, of: Table, names: Sequence[str]) -> tuple[dict[str, Any], int] | None:
    """Values that more than one row has in these columns together, and how many rows have them."""
    columns: list[Any] = [column(name) for name in names]
    repeated = (
        select(*columns, func.count())
        .select_from(bare(of))
        .where(and_(*(each.is_not(None) for each in columns)))
        .group_by(*columns)
        .having(func.count() > 1)
        .limit(1)
    )
    row = connection.execute(repeated).first()
    return None if row is None else (dict(zip(names, row[:-1], strict=True)), row[-1])


def counted(number: int, noun: str) -> str:
    """A number with its noun: ``1 row``, ``12 rows``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def rows_have(number: int) -> str:
    return f"{counted(number, 'row')} {'has' if number == 1 else 'have'}"
