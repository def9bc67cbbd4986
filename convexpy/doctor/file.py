"""A SQLite file: its library, its mode, where it lies, who may read it, and whether it is whole."""

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
# Once nobody reads what is old, it is cut to 64 MiB.
MUCH_LOG_BYTES: Final = 1 << 30


def check_library(patient: Target) -> Iterator[Finding]:
    """SQLite before 3.51.3 can corrupt a WAL database when two connections write and checkpoint at one moment."""
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


def check_modes(patient: Target) -> Iterator[Finding]:
    mode = patient.ask("PRAGMA journal_mode")
    if mode == "wal":
        yield ok("journal", "WAL mode")
    else:
        yield note(
            "journal",
            f"the journal mode is {mode}",
            "queries and mutations would wait for each other",
            "Nothing: convexpy turns WAL mode on when it starts",
        )
    if (level := patient.settings.sqlite_synchronous) == "FULL":
        yield ok("durability", "sqlite_synchronous is FULL: every commit survives a power cut")
    else:
        yield note(
            "durability",
            f"sqlite_synchronous is {level}",
            "a power cut can undo the last commits",
            "Set sqlite_synchronous to FULL unless that is acceptable",
        )


def check_log(patient: Target) -> Iterator[Finding]:
    """What was committed moves from the log into the file once nobody's snapshot is older."""
    path = file_of(patient)
    log = path.with_name(f"{path.name}-wal")
    size = log.stat().st_size if log.exists() else 0
    if size <= MUCH_LOG_BYTES:
        yield ok("log", f"{size >> 20} MiB")
    else:
        why = "somebody's transaction is open for long: until it ends, every commit adds to it and fills the disk"
        yield note("log", f"{log} has {size >> 30} GiB", why, f"End it; `fuser {path}` names who has the file open")


def check_drive(patient: Target) -> Iterator[Finding]:
    """SQLite's locks and shared memory work on the machine's own drives only."""
    if not MOUNTS.exists():
        return  # only Linux says how
    path = file_of(patient)
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
    """The kind of file system a path lies on, by what Linux says is mounted where."""
    found: tuple[int, str] = (-1, "unknown")
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        point = Path(before.split()[4].replace("\\040", " "))
        if path.is_relative_to(point) and len(point.parts) >= found[0]:  # a later mount hides an earlier one
            found = len(point.parts), after.split()[0]
    return found[1]


def check_permissions(patient: Target) -> Iterator[Finding]:
    """Everything that the app knows is in this file."""
    path = file_of(patient)
    if sys.platform == "win32":
        return
    mode = path.stat().st_mode
    if not is_reachable(path):
        yield ok("permissions", "nobody else can reach the file's folder")
    elif mode & stat.S_IWOTH:
        why = "any user of this machine can change or destroy the data"
        yield risk("permissions", f"{path} can be written by everybody", why, f"chmod 600 {path}*")
    elif mode & stat.S_IROTH:
        why = "any user of this machine can read all data, arguments of jobs included"
        yield note("permissions", f"{path} can be read by everybody", why, f"chmod 600 {path}*")
    else:
        yield ok("permissions", f"others cannot read it ({stat.filemode(mode)})")


def is_reachable(path: Path) -> bool:
    """Whether others may go through every folder on the way."""
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in path.resolve().parents)


def check_pages(patient: Target) -> Iterator[Finding]:
    """Whether the file is whole. A large one would take minutes."""
    size = file_of(patient).stat().st_size
    if size > QUICK_CHECK_BYTES:
        yield note("pages", f"the file has {size >> 30} GiB", "checking it takes long", "PRAGMA quick_check does it")
    elif (said := patient.ask("PRAGMA quick_check(1)")) == "ok":
        yield ok("pages", "quick_check found nothing wrong")
    else:
        why = "the file is corrupt: the disk, a copy made while it was open, or another program"
        yield risk("pages", str(said).replace("\n", " "), why, "Stop the app, and go back to a backup")


def file_of(patient: Target) -> Path:
    return Path(str(patient.connection.engine.url.database))
