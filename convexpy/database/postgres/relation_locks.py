"""Relation locks: which tables a transaction has read and written, by the locks that its own backend holds.

A statement locks what it uses, also through a view, a trigger, a function or a cached plan. The locks stay until the
transaction ends, and go with a savepoint that is rolled back.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from .catalog import FIRST_USER_OID

ROUND: Final = "convexpy_round"
"""The savepoint at the beginning of a live reader's transaction. To go back to it lets go of all locks since."""
QUESTION: Final = f"""
SELECT relation, mode FROM pg_locks
WHERE locktype = 'relation' AND pid = pg_backend_pid() AND granted AND relation >= {FIRST_USER_OID}
"""
WRITING: Final = "RowExclusiveLock"
STRONGER: Final = frozenset(
    ("ShareUpdateExclusiveLock", "ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock")
)
"""TRUNCATE, LOCK, and every change of a table's definition take one of these."""


class RelationLocks(NamedTuple):
    """Of one transaction, as oids."""

    used: frozenset[int]
    written: frozenset[int]
    changed: frozenset[int]
    """Whose definition may have changed."""


def relation_locks(driver: Any) -> RelationLocks:
    """The locks that a connection holds on relations of the user's, indexes and sequences among them."""
    rows = driver.execute(QUESTION).fetchall()
    return RelationLocks(
        used=frozenset(oid for oid, mode in rows if mode != "SIReadLock"),
        written=frozenset(oid for oid, mode in rows if mode == WRITING or mode in STRONGER),
        changed=frozenset(oid for oid, mode in rows if mode in STRONGER),
    )
