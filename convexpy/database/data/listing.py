"""``Listed``: the tables and views of a database, and about how many rows each has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .shape import RelationKind

MOST_COUNTED: Final = 10_000
"""No table is counted further."""
COUNT_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Count:
    """How many rows there are."""

    count: int
    more: bool = False
    """There are more than that."""
    about: bool = False
    """The database estimates it."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A table or a view. ``title``: its name, with its schema unless that is the default one."""

    title: str
    schema: str | None
    name: str
    kind: RelationKind
    count: Count | None
    """None: it is not known, or not worth a look."""
