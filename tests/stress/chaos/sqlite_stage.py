"""A run on a SQLite file, which all processes open themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .nemesis import Kind
from .orders import SETTINGS
from .place import Place
from .sqlite_faults import SQLITE_FAULTS

if TYPE_CHECKING:
    from .run import Wishes

Stage = tuple[Place, Callable[[str], str], list[Kind], dict[str, Any]]


@contextmanager
def sqlite_stage(wishes: Wishes) -> Iterator[Stage]:
    """The place, the URL for each process, the faults, and what else the scene has."""
    url = f"sqlite:///{wishes.folder.absolute() / 'chaos.db'}"
    yield Place(wishes.folder, url, SETTINGS), lambda name: url, SQLITE_FAULTS, {}
