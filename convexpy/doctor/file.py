"""A SQLite file: the library, the journal, the drive, the permissions and the pages."""

from __future__ import annotations

import os
import sqlite3
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from .finding import Finding, note, ok, risk
from .target import Target

FIXED: Final = (3, 51, 3)
NETWORK_DRIVES: Final = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "fuse.sshfs", "fuse.glusterfs")
)
MOUNTS: Final = Path("/proc/self/mountinfo")
QUICK_CHECK_BYTES: Final = 1 << 30
# When no reader holds an old snapshot, the log is cut to 64 MiB.
MUCH_LOG_BYTES: Final = 1 << 30


def check_library(target: Target) -> Iterator[Finding]:
    """SQLite before 3.51.3 can corrupt a WAL database when two connections write and checkpoint at once."""
    yield library(sqlite3.sqlite_version_info, has_file_locks=os.name == "posix")


def library(version: tuple[int, ...], *, has_file_locks: bool) -> Finding:
    seen = f"SQLite {'.'.join(map(str, version))}"
    if version >= FIXED:
        return ok("version", seen)
    why = "before 3.51.3, two connections that write and checkpoint at the same moment can corrupt a database"
    if has_file_locks:
        return note(
            "version",
            seen,
            f"{why}. convexpy's lock file keeps its own processes from that, not other programs",
            "Let no other program write to the file while the app runs, or use a Python with a newer SQLite",
        )
    return risk("version", seen, why, "Run one process only, or use a Python with a newer SQLite")


def check_modes(target: Target) -> Iterator[Finding]:
    mode = target.scalar("PRAGMA journal_mode")
    if mode == "wal":
        yield ok("journal", "WAL mode")
    else:
        yield note(
            "journal",
            f"the journal mode is {mode}",
            "queries and mutations would wait for each other",
            "Nothing: convexpy turns WAL mode on when it starts",
        )
    if (level := target.settings.sqlite_synchronous) == "FULL":
        yield ok("durability", "sqlite_synchronous is FULL: every commit survives a power cut")
    else:
        yield note(
            "durability",
            f"sqlite_synchronous is {level}",
            "a power cut can undo the last commits",
            "Set sqlite_synchronous to FULL unless that is acceptable",
        )


def check_log(target: Target) -> Iterator[Finding]:
    """Commits move from the log into the file once no open snapshot is older."""
    path = file_of(target)
    log = path.with_name(f"{path.name}-wal")
    size = log.stat().st_size if log.exists() else 0
    if size <= MUCH_LOG_BYTES:
        yield ok("log", f"{size >> 20} MiB")
    else:
        why = "a transaction is open for long: until it ends, every commit makes the log larger and fills the disk"
        yield note(
            "log",
            f"{log} has {size >> 30} GiB",
            why,
            f"End it; `fuser {path}` lists the processes that have the file open",
        )


def check_drive(target: Target) -> Iterator[Finding]:
    """SQLite's locks and shared memory work on the machine's own drives only."""
    if not MOUNTS.exists():
        return  # only Linux lists its mounts there
    path = file_of(target)
    kind = drive_of(path.resolve(), MOUNTS.read_text("utf-8", errors="replace"))
    if kind in NETWORK_DRIVES:
        yield risk(
            "drive",
            f"{path} lies on a network drive ({kind})",
            "locks and WAL do not work there, and the database will be corrupted",
            "Move the file to a drive of this machine, or use PostgreSQL",
        )
    else:
        yield ok("drive", f"a drive of this machine ({kind})")


def drive_of(path: Path, mounts: str) -> str:
    """The type of the file system that holds a path, by the mounts that Linux lists."""
    found: tuple[int, str] = (-1, "unknown")
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        point = Path(before.split()[4].replace("\\040", " "))
        if path.is_relative_to(point) and len(point.parts) >= found[0]:  # a later mount hides an earlier one
            found = len(point.parts), after.split()[0]
    return found[1]


def check_permissions(target: Target) -> Iterator[Finding]:
    """The file holds all data of the app."""
    path = file_of(target)
    if sys.platform == "win32":
        return
    mode = path.stat().st_mode
    if not is_reachable(path):
        yield ok("permissions", "other users cannot reach the file's folder")
    elif mode & stat.S_IWOTH:
        why = "any user of this machine can change or destroy the data"
        yield risk("permissions", f"{path} is writable by all users", why, f"chmod 600 {path}*")
    elif mode & stat.S_IROTH:
        why = "any user of this machine can read all data, arguments of jobs included"
        yield note("permissions", f"{path} is readable by all users", why, f"chmod 600 {path}*")
    else:
        yield ok("permissions", f"other users cannot read it ({stat.filemode(mode)})")


def is_reachable(path: Path) -> bool:
    """Whether other users may enter every folder of the path."""
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in path.resolve().parents)


def check_pages(target: Target) -> Iterator[Finding]:
    """Whether the pages are intact. To check a large file takes minutes."""
    size = file_of(target).stat().st_size
    if size > QUICK_CHECK_BYTES:
        yield note("pages", f"the file has {size >> 30} GiB", "checking it takes long", "PRAGMA quick_check does it")
    elif (result := target.scalar("PRAGMA quick_check(1)")) == "ok":
        yield ok("pages", "quick_check found nothing wrong")
    else:
        why = "the file is corrupt: the disk, a copy made while it was open, or another program"
        yield risk("pages", str(result).replace("\n", " "), why, "Stop the app and restore a backup")


def file_of(target: Target) -> Path:
    return Path(str(target.connection.engine.url.database))
