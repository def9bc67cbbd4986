"""A run on a SQLite file, which all processes open themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .nemesis import FaultKind
from .process_config import SETTINGS
from .run_database import RunDatabase
from .sqlite_faults import SQLITE_FAULTS

if TYPE_CHECKING:
    from .run import RunOptions

RunSetup = tuple[RunDatabase, Callable[[str], str], list[FaultKind], dict[str, Any]]


@contextmanager
def sqlite_setup(options: RunOptions) -> Iterator[RunSetup]:
    """The database, the URL for each process, the faults, and what else they can strike."""
    url = f"sqlite:///{options.folder.absolute() / 'chaos.db'}"
    yield RunDatabase(options.folder, url, SETTINGS), lambda name: url, SQLITE_FAULTS, {}
