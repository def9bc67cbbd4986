"""Faults that strike the database file, from another program or from the disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Final

from .nemesis import FaultKind, PlannedFault
from .process_faults import PROCESS_FAULTS, fill_disk
from .targets import Targets

PATIENCE_SECONDS: Final = 20.0


@contextmanager
def foreign(targets: Targets) -> Iterator[sqlite3.Connection]:
    """A connection of another program, which knows nothing of the framework."""
    connection = sqlite3.connect(targets.sqlite_file, timeout=PATIENCE_SECONDS, isolation_level=None)
    with closing(connection):
        yield connection


def hold_write_lock(targets: Targets, fault: PlannedFault) -> bool:
    with foreign(targets) as connection:
        connection.execute("BEGIN IMMEDIATE")
        targets.wait(fault.seconds)
        connection.execute("ROLLBACK")
    return True


def read_for_long(targets: Targets, fault: PlannedFault) -> bool:
    """A snapshot that is kept open, so that the write-ahead log cannot be reset."""
    with foreign(targets) as connection:
        connection.execute("BEGIN")
        before = connection.execute("SELECT count(*) FROM effects").fetchone()
        targets.wait(fault.seconds)
        after = connection.execute("SELECT count(*) FROM effects").fetchone()
        connection.execute("ROLLBACK")
        if before != after:
            targets.problems.append(f"a foreign reader's snapshot changed from {before} to {after}")
    return True


def write_without_lock_file(targets: Targets, fault: PlannedFault) -> bool:
    """A burst of small transactions of another program, which does not queue for the write lock as workers do."""
    commits = 0
    with foreign(targets) as connection:
        for _ in range(30):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE accounts SET balance = balance WHERE account = ?", (fault.target,))
            connection.execute("COMMIT")
            commits += 1
            targets.wait(0.002)
    return commits == 30


SQLITE_FAULTS: Final = [
    *PROCESS_FAULTS,
    FaultKind("full disk under a worker", "disk", fill_disk, weight=2, seconds=(0.2, 1.0)),
    FaultKind("write lock held by another program", "disk", hold_write_lock, weight=3, seconds=(0.05, 0.6)),
    FaultKind("write lock held for too long", "disk", hold_write_lock, weight=1, seconds=(2.2, 3.0)),
    FaultKind("long reader of another program", "reader", read_for_long, weight=1, seconds=(1.0, 4.0)),
    FaultKind("writes of another program", "reader", write_without_lock_file, weight=2),
]
