"""Another program on the same database file that knows nothing of ours: it holds the lock, or writes without pause."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from .child_process import forks

FunctionStats = Literal["hold", "write"]


class OtherProgram:
    """A process that holds the write lock, or writes in a loop, until the block ends."""

    def __init__(self, database: Path, habit: FunctionStats) -> None:
        self._pipe, theirs = forks().Pipe()
        target: Any = {"hold": hold, "write": write}[habit]
        self._process = forks().Process(target=target, args=(database, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self.commits = 0

    def __enter__(self) -> Self:
        self._pipe.recv()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pipe.send("end")
        with suppress(EOFError):
            self.commits = self._pipe.recv()
        self._process.join(10)
        self._process.close()
        self._pipe.close()


def hold(database: Path, pipe: Connection) -> None:
    with closing(sqlite3.connect(database, timeout=30, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        pipe.send("held")
        with suppress(EOFError):
            pipe.recv()
        connection.execute("ROLLBACK")
    pipe.send(0)


def write(database: Path, pipe: Connection) -> None:
    commits = 0
    with closing(sqlite3.connect(database, timeout=30, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS foreign_rows (n INTEGER)")
        pipe.send("begun")
        while not pipe.poll():
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO foreign_rows VALUES (1)")
            connection.execute("COMMIT")
            commits += 1
    pipe.send(commits)
