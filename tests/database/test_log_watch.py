"""The watch on the write-ahead log of a file leaves SQLite's own locks alone."""

from __future__ import annotations

import os
import sqlite3
import sys
from contextlib import closing, nullcontext
from pathlib import Path

import pytest

from convexpy.database.sqlite.log_watch import LogWatch

LOCKS = Path("/proc/locks")


def locks_on(path: Path) -> list[str]:
    """The locks that this process has on a file."""
    inode, process = f":{path.stat().st_ino} ", f" {os.getpid()} "
    lines = [line.partition(": ")[2] for line in LOCKS.read_text().splitlines()]
    return sorted(line for line in lines if inode in line and process in line)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux says which process has a lock")
def test_to_count_commits_releases_no_lock_of_a_reader(tmp_path: Path) -> None:
    file = tmp_path / "test.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as reader:
        reader.execute("PRAGMA journal_mode = WAL")
        reader.execute("CREATE TABLE notes (n)")
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM notes").fetchall()
        held = locks_on(file.with_name("test.db-shm"))
        assert held != []
        watch = LogWatch(file, lambda: nullcontext(reader))
        assert watch._count_in_file() is not None
        assert locks_on(file.with_name("test.db-shm")) == held
