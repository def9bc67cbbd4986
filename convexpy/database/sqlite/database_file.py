"""Whether the files of a database are still those that were opened: a deleted or replaced one accepts commits too."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, Final, NamedTuple

from ...errors import DatabaseError
from ..errors import DatabaseGone


class FileId(NamedTuple):
    """What tells a file from every other file of this machine, whatever its name is."""

    device: int
    inode: int


INHERITED_LOCKS: Final[set[FileId]] = set()
"""The files that were in use when this process was forked. SQLite keeps their locks once for a whole process."""
COMPANIONS: Final = "convexpy_companions"
COMPANIONS_EVERY_SECONDS: Final = 1.0


class DatabaseFile:
    """The file that is open, and the two that SQLite keeps beside it. An open file outlives its name."""

    def __init__(self, path: Path) -> None:
        self._path: Final = str(path)
        self._companions: Final = (f"{path}-wal", f"{path}-shm")
        self._opened: FileId | None = None
        self._lost_companion: str | None = None
        self._companions_checked_at = float("-inf")

    def opened(self) -> None:
        """The file that has the name now is the one that every connection opens."""
        self._opened = file_id(self._path)

    def check(self) -> None:
        """Make sure that the name still stands for the file that was opened. One system call.

        Raises:
            DatabaseGone: It was deleted, moved or replaced.
        """
        found = file_id(self._path)
        self.check_locks()
        if found == self._opened and self._lost_companion is None:
            return
        if self._lost_companion is not None:
            raise DatabaseGone(
                f"{self._lost_companion} was deleted or replaced while the database was in use. It belongs to the "
                "database and holds its latest commits. Stop every process that uses it, then start them again"
            )
        if found is None:
            raise DatabaseGone(
                f"{self._path} is gone: it was deleted, moved or renamed while this process used it, so nothing that "
                "is committed would be found again. Put the same file back, or restart this process"
            )
        raise DatabaseGone(
            f"{self._path} is another file than the one that this process opened: it was replaced, so nothing that is "
            "committed would be found in it. Restart this process; stop it before a backup is restored"
        )

    def check_locks(self) -> None:
        """Make sure, before anything waits for the file, that SQLite knows the truth about its locks on the file.

        Raises:
            DatabaseError: This is a child that was forked within a transaction.
        """
        if INHERITED_LOCKS and file_id(self._path) in INHERITED_LOCKS:
            raise DatabaseError(
                f"{self._path} cannot be used by this process: it was forked while its parent was in a transaction, "
                "and SQLite cannot tell whose locks those are. Fork outside of queries and mutations, or start the "
                'process with multiprocessing.get_context("spawn")'
            )

    def inherit_locks(self) -> None:
        """In a child: what SQLite remembers about the file are locks of the parent."""
        if self._opened is not None:
            INHERITED_LOCKS.add(self._opened)

    def note_companions(self, info: dict[Any, Any]) -> None:
        """The connection whose info this is has begun to write, so the files beside the database exist."""
        if COMPANIONS not in info:
            info[COMPANIONS] = [file_id(path) for path in self._companions]

    def check_companions(self, info: dict[Any, Any]) -> None:
        """Make sure, about once a second, that they are still those of the connection.

        The connection stays open: it can still write what a deleted log holds back into the database.

        Raises:
            DatabaseGone: One was deleted or replaced. It is raised from now on: SQLite would mix the new with the old.
        """
        now = time.monotonic()
        if now < self._companions_checked_at + COMPANIONS_EVERY_SECONDS:
            return
        for path, opened in zip(self._companions, info[COMPANIONS], strict=True):
            if file_id(path) != opened:
                self._lost_companion = path
                self.check()
        self._companions_checked_at = now


def file_id(path: str) -> FileId | None:
    """None if no file has this name."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return FileId(found.st_dev, found.st_ino)
