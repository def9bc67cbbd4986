"""Defaults that only the app's models know: rows that are inserted by hand have them too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import literal
from sqlalchemy.sql.elements import ColumnElement

from .shape import Shape


def insert_defaults(shape: Shape) -> Iterator[tuple[str, ColumnElement[Any]]]:
    """The values of columns for which nothing is given."""
    yield from values_of(shape, "default")


def update_defaults(shape: Shape) -> Iterator[tuple[str, ColumnElement[Any]]]:
    """The values that columns take with every change of a row, such as the time of the last one."""
    yield from values_of(shape, "onupdate")


def values_of(shape: Shape, kind: str) -> Iterator[tuple[str, ColumnElement[Any]]]:
    if shape.model is None:
        return
    known = {column.name for column in shape.columns if not column.computed}
    for column in shape.model.columns:
        default: Any = getattr(column, kind)
        if default is None or column.name not in known:
            continue
        if default.is_scalar:
            yield column.name, literal(default.arg, column.type)
        elif default.is_callable:
            yield column.name, literal(default.arg(None), column.type)  # SQLAlchemy lets every one take a context
        elif default.is_clause_element:
            yield column.name, default.arg


def shown_default(shape: Shape, name: str) -> str | None:
    """What a column gets if nothing is given for it, as a person reads it. None: nothing."""
    column = shape.column(name)
    declared = shape.declared(name)
    default: Any = declared.default if declared is not None else None
    if default is None:
        return column.default
    if default.is_scalar:
        return repr(default.arg.name if hasattr(default.arg, "name") else default.arg)
    return f"{getattr(default.arg, '__name__', 'generated')}()" if default.is_callable else str(default.arg)
