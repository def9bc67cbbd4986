"""The write lock of a SQLite file excludes other processes, also after its file was deleted."""

from __future__ import annotations

from pathlib import Path

from support.waiting import wait_until

from convexpy.database.sqlite.write_lock import WriteLock


def test_a_deleted_lock_file_is_noticed_and_excludes_again(tmp_path: Path) -> None:
    ours, theirs = WriteLock(tmp_path / "shop.db"), WriteLock(tmp_path / "shop.db")
    assert ours.acquire(1)
    ours.release()
    (tmp_path / "shop.db.lock").unlink()

    def excludes() -> bool:
        assert ours.acquire(1)
        acquired = theirs.acquire(0)
        if acquired:
            theirs.release()
        ours.release()
        return not acquired

    wait_until(excludes, "the two lock the same file")
    ours.close()
    theirs.close()
