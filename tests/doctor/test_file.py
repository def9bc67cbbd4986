"""What the doctor says about a SQLite file."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from convexpy.database.tables import queue
from convexpy.doctor.file import drive_of, is_reachable, library
from convexpy.errors import DatabaseError
from convexpy.settings import Settings

from .conftest import Database


def test_a_file_in_order_has_no_risks_and_is_not_changed(file: Database) -> None:
    path = Path(str(file.url.database))
    before = path.read_bytes()
    found = file.findings()
    old = [("note", "version")] if sqlite3.sqlite_version_info < (3, 51, 3) else []
    assert [(finding.mark, finding.about) for finding in found if finding.mark != "ok"] == old
    assert path.read_bytes() == before


def test_the_log_of_a_killed_process_is_not_checkpointed(file: Database, tmp_path: Path) -> None:
    left = tmp_path / "left.db"
    with file.engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE more (id INTEGER PRIMARY KEY)")
        connection.commit()
        for ending in ("", "-wal"):
            shutil.copy(f"{file.url.database}{ending}", f"{left}{ending}")
    before = left.read_bytes()
    assert [finding.mark for finding in Database(f"sqlite:///{left}").findings("journal")] == ["ok"]
    assert left.read_bytes() == before


def test_the_library_with_the_bug_is_a_risk_only_where_no_lock_file_guards() -> None:
    assert library((3, 51, 3), has_file_locks=False).mark == "ok"
    assert library((3, 51, 2), has_file_locks=True).mark == "note"
    assert library((3, 40, 1), has_file_locks=False).mark == "risk"


def test_another_journal_mode_and_less_durability(file: Database) -> None:
    file.run("PRAGMA journal_mode = DELETE")
    assert [finding.mark for finding in file.findings("journal")] == ["note"]
    assert [finding.mark for finding in file.findings("durability", Settings(sqlite_synchronous="NORMAL"))] == ["note"]


def test_a_log_that_somebody_keeps_from_the_file(file: Database) -> None:
    assert [finding.mark for finding in file.findings("log")] == ["ok"]
    path = Path(f"{file.url.database}-wal")
    with closing(sqlite3.connect(str(file.url.database))) as somebody:
        somebody.execute("SELECT count(*) FROM sqlite_master").fetchone()  # as long as it is there, so is the log
        os.truncate(path, 3 << 30)  # a hole, which needs no room
        (finding,) = file.findings("log")
    assert (finding.mark, finding.seen) == ("note", f"{path} has 3 GiB")
    assert "fuser" in finding.todo


@pytest.mark.parametrize(("mode", "mark"), [(0o600, "ok"), (0o640, "ok"), (0o644, "note"), (0o646, "risk")])
def test_who_may_read_and_write_it(file: Database, mode: int, mark: str) -> None:
    path = Path(str(file.url.database))
    path.chmod(mode)
    opened = [folder for folder in path.parents if not is_reachable(folder / "x") and folder.owner() == path.owner()]
    before = {folder: folder.stat().st_mode for folder in opened}
    try:
        for folder in opened:
            folder.chmod(0o755)
        assert [finding.mark for finding in file.findings("permissions")] == [mark]
        path.parent.chmod(0o700)
        assert [finding.mark for finding in file.findings("permissions")] == ["ok"]
    finally:
        for folder, bits in before.items():
            folder.chmod(bits)


MOUNTS = """\
31 30 0:27 / /srv/team\\040files rw shared:3 - nfs4 server:/export rw,vers=4.2
30 22 0:26 / /srv rw shared:2 - btrfs /dev/sdb1 rw
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
"""


@pytest.mark.parametrize(
    ("path", "kind"), [("/a/app.db", "ext4"), ("/srv/app.db", "btrfs"), ("/srv/team files/app.db", "nfs4")]
)
def test_a_network_drive_is_told_by_what_is_mounted_there(path: str, kind: str) -> None:
    assert drive_of(Path(path), MOUNTS) == kind


def test_a_network_drive_is_a_risk(file: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from convexpy.doctor import file as checks

    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n31 22 0:27 / {tmp_path} rw - nfs4 server:/export rw\n")
    monkeypatch.setattr(checks, "MOUNTS", mounts)
    assert [finding.mark for finding in file.findings("drive")] == ["risk"]


def test_workers_on_two_machines(file: Database) -> None:
    file.add_worker(host="here boot another-container")
    assert [finding.mark for finding in file.findings("workers")] == ["ok"]
    file.add_worker(host="there boot")
    assert [finding.mark for finding in file.findings("workers")] == ["ok", "risk"]


def test_jobs_are_due_and_nobody_is_there(file: Database) -> None:
    file.run("DELETE FROM _convexpy_workers")
    assert [finding.mark for finding in file.findings("workers")] == ["note"]
    with file.engine.begin() as connection:
        due = {"kind": "mutation", "due_time": datetime.now(UTC) - timedelta(days=3), "position": 1, "job_id": "late"}
        connection.execute(queue.insert().values(due))
    assert [finding.mark for finding in file.findings("workers")] == ["risk"]


def test_a_file_that_is_corrupt(file: Database) -> None:
    file.run("PRAGMA wal_checkpoint(TRUNCATE)")
    file.engine.dispose()
    path = Path(str(file.url.database))
    pages = bytearray(path.read_bytes())
    pages[4096 : 2 * 4096] = b"\xff" * 4096
    path.write_bytes(pages)
    assert "risk" in [finding.mark for finding in file.findings("pages")]


def test_a_foreign_key_without_an_index(file: Database) -> None:
    file.run(
        "CREATE TABLE items (id INTEGER PRIMARY KEY)",
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, item_id INTEGER REFERENCES items (id))",
    )
    (missing,) = file.findings("indexes")
    assert (missing.mark, missing.seen) == ("note", "orders: the foreign key item_id has no index")
    file.run("CREATE INDEX by_item ON orders (item_id)")
    assert [finding.mark for finding in file.findings("indexes")] == ["ok"]


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("these are my notes\n" * 100)
    with pytest.raises(DatabaseError, match="not a database"):
        Database(f"sqlite:///{tmp_path / 'notes.db'}").findings()
