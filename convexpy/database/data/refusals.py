"""``Refused``: why a change of a row cannot be made, in words for the person who makes it."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy.exc import DBAPIError

from ..errors import driver_error, is_internal
from .relations import Effect
from .shape import Shape

NOT_NULL: Final = re.compile(r"NOT NULL constraint failed: (?:.*\.)?(.*)")
UNIQUE: Final = re.compile(r"UNIQUE constraint failed: (.*)")
CHECK: Final = re.compile(r"CHECK constraint failed: (.*)")


class Refused(Exception):
    """A change cannot be made.

    Attributes:
        message: Why.
        column: The column that it is about. None: the row.
        differences: Where the row is another one than was seen: what was seen, and what it is now.
    """

    def __init__(self, message: str, column: str | None = None, differences: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.column = column
        self.differences = list(differences)


def refusal(error: DBAPIError, shape: Shape, kind: str, effects: Sequence[Effect]) -> Exception:
    """What an error of the database says of a change. One that is not due to the change stays what it is."""
    if is_internal(error):
        return error
    driver: Any = driver_error(error)
    refusing = next((effect for effect in effects if effect.refuses), None)
    if isinstance(driver, sqlite3.Error):
        return by_text(str(driver), shape, refusing)
    return by_state(driver, shape, kind, refusing)


def by_text(text: str, shape: Shape, refusing: Effect | None) -> Refused:
    """What SQLite says."""
    if found := UNIQUE.match(text):
        columns = [part.rpartition(".")[2] for part in found[1].split(", ")]
        return taken(columns)
    if found := NOT_NULL.match(text):
        return Refused("cannot be null", found[1])
    if found := CHECK.match(text):
        return Refused(f"does not pass the check {found[1]}", about(found[1], shape))
    if text.startswith("FOREIGN KEY constraint failed"):
        if refusing is not None:
            return referred(refusing)
        columns = [name for key in shape.foreign_keys for name in key.columns]
        only = columns[0] if len(columns) == 1 else None
        targets = ", ".join(dict.fromkeys(key.referred for key in shape.foreign_keys))
        return Refused(f"refers to a row of {targets} that is not there" if targets else text, only)
    return Refused(text)


def by_state(driver: Any, shape: Shape, kind: str, refusing: Effect | None) -> Refused:
    """What PostgreSQL says: by its code, and the names that it gives besides."""
    state, diagnosis = str(driver.sqlstate or ""), driver.diag
    message, name, column = str(diagnosis.message_primary), diagnosis.constraint_name, diagnosis.column_name
    if state == "23505":
        index = next((each for each in shape.indexes if each.name == name), None)
        columns = [each for each in index.columns if each is not None] if index is not None else []
        return taken(columns) if columns else Refused(message)
    if state == "23502":
        return Refused("cannot be null", column)
    if state == "23503":
        if refusing is not None and message.startswith("update or delete"):
            return referred(refusing)
        key = next((each for each in shape.foreign_keys if each.name == name), None)
        if key is not None and not message.startswith("update or delete"):
            return Refused(f"refers to a row of {key.referred} that is not there", key.columns[0])
    if state == "23514" and name:
        constraint = next((each for each in shape.constraints if each.name == name), None)
        columns = list(constraint.columns) if constraint is not None else []
        shown = f" {constraint.definition}" if constraint is not None else ""
        return Refused(f"does not pass the check {name}{shown}", columns[0] if len(columns) == 1 else None)
    return Refused(message, column)


def taken(columns: Sequence[str]) -> Refused:
    """Another row has the values of a unique key."""
    names = ", ".join(columns)
    return Refused(f"another row has the same {names}", columns[0] if len(columns) == 1 else None)


def referred(effect: Effect) -> Refused:
    """Rows refer to one that is to go."""
    number = f"{effect.count}{'+' if effect.more else ''}"
    rows = "1 row" if number == "1" else f"{number} rows"
    refer = "refers" if number == "1" else "refer"
    return Refused(f"{rows} of {effect.table} {refer} to it by {', '.join(effect.foreign_key.columns)}")


def about(name: str, shape: Shape) -> str | None:
    """The only column that a check of SQLite is about: it gives the check's name, or its text if it has none."""
    _, found, rest = (shape.definition or "").partition(name)
    text = rest.partition("\n")[0] if found and re.fullmatch(r"\w+", name) else name
    names = [column.name for column in shape.columns if re.search(rf"\b{re.escape(column.name)}\b", text)]
    return names[0] if len(names) == 1 else None
