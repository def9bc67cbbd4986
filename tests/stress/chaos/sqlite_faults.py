"""Faults that strike the database file, from another program or from the disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Final

from .nemesis import Blow, Kind
from .process_faults import PROCESS_FAULTS, fill_disk
from .scene import Scene

PATIENCE_SECONDS: Final = 20.0


@contextmanager
def foreign(scene: Scene) -> Iterator[sqlite3.Connection]:
    """A connection of somebody who knows nothing of the framework."""
    connection = sqlite3.connect(scene.sqlite_file, timeout=PATIENCE_SECONDS, isolation_level=None)
    with closing(connection):
        yield connection


def hold_write_lock(scene: Scene, blow: Blow) -> bool:
    with foreign(scene) as connection:
        connection.execute("BEGIN IMMEDIATE")
        scene.wait(blow.seconds)
        connection.execute("ROLLBACK")
    return True


def read_for_long(scene: Scene, blow: Blow) -> bool:
    """A snapshot that is kept open, so that the write-ahead log cannot begin anew."""
    with foreign(scene) as connection:
        connection.execute("BEGIN")
        before = connection.execute("SELECT count(*) FROM effects").fetchone()
        scene.wait(blow.seconds)
        after = connection.execute("SELECT count(*) FROM effects").fetchone()
        connection.execute("ROLLBACK")
        if before != after:
            scene.complaints.append(f"a foreign reader's snapshot changed from {before} to {after}")
    return True


def write_without_turn(scene: Scene, blow: Blow) -> bool:
    """A burst of small transactions of another program that takes no turns."""
    commits = 0
    with foreign(scene) as connection:
        for _ in range(30):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE accounts SET balance = balance WHERE account = ?", (blow.target,))
            connection.execute("COMMIT")
            commits += 1
            scene.wait(0.002)
    return commits == 30


SQLITE_FAULTS: Final = [
    *PROCESS_FAULTS,
    Kind("full disk under a worker", "disk", fill_disk, weight=2, seconds=(0.2, 1.0)),
    Kind("write lock held by another program", "disk", hold_write_lock, weight=3, seconds=(0.05, 0.6)),
    Kind("write lock held for too long", "disk", hold_write_lock, weight=1, seconds=(2.2, 3.0)),
    Kind("long reader of another program", "reader", read_for_long, weight=1, seconds=(1.0, 4.0)),
    Kind("writes of another program", "reader", write_without_turn, weight=2),
]
