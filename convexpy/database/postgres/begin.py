"""How each kind of transaction begins: its isolation and its time limits, in one message to the server.

The limits go with the transaction, not with the session, so that they hold behind a pooler as well. The server's own
limits are the second line, for when this process is frozen or the network is gone: our own strike a moment earlier.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from ...settings import Settings
from ..transaction import Sync

LATER: Final = timedelta(seconds=1)
INTERNAL_LIMIT: Final = timedelta(seconds=15)
TRANSACTION_TIMEOUT_SINCE: Final = 17
NO_SCANS: Final = "; SET LOCAL enable_seqscan = off"
# To plan a claim takes longer than to make it. Planned for any numbers, it must not be taken for a large one.
HOT: Final = "".join(
    f"; SET LOCAL {setting}"
    for setting in (
        "plan_cache_mode = force_generic_plan",
        "enable_bitmapscan = off",
        "enable_sort = off",
        "enable_hashjoin = off",
        "enable_mergejoin = off",
        "jit = off",
    )
)


class Begin:
    """The statements, made once."""

    def __init__(self, settings: Settings, version: int, *, waits_for_disk: bool) -> None:
        """``waits_for_disk``: whether the server's COMMIT waits for the disk unless it is told otherwise."""
        self._version = version
        self._lock = settings.lock_timeout
        mutation, query = settings.mutation_time_limit, settings.query_time_limit
        # A sequential scan would read every row, and so conflict with every transaction that changes any.
        self._write = self._begin("SERIALIZABLE READ WRITE", mutation + LATER) + NO_SCANS
        self.read = self._begin("REPEATABLE READ READ ONLY", query + LATER)
        self._look = self._begin("READ COMMITTED READ ONLY", INTERNAL_LIMIT)
        # To forget a thousand jobs of a hundred thousand, PostgreSQL 15 would read all of them.
        self._internal = self._begin("READ COMMITTED READ WRITE", INTERNAL_LIMIT) + NO_SCANS
        self.alter = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
        self._sync = {
            "as set": "",
            "always": "" if waits_for_disk else "; SET LOCAL synchronous_commit = on",
            "later": "; SET LOCAL synchronous_commit = off",
        }

    def write(self, sync: Sync) -> str:
        return self._write + self._sync[sync]

    def internal(self, sync: Sync, *, generic_plan: bool = False) -> str:
        return self._internal + self._sync[sync] + (HOT if generic_plan else "")

    def read_internal(self, *, generic_plan: bool = False) -> str:
        return self._look + (NO_SCANS + HOT if generic_plan else "")

    def _begin(self, mode: str, limit: timedelta) -> str:
        limits = {
            "statement_timeout": limit,
            "idle_in_transaction_session_timeout": limit,
            "lock_timeout": self._lock,
        }
        if self._version >= TRANSACTION_TIMEOUT_SINCE:
            limits["transaction_timeout"] = limit + LATER
        settings = "".join(f"; SET LOCAL {name} = {max(1, round(value / MS))}" for name, value in limits.items())
        return f"BEGIN ISOLATION LEVEL {mode}{settings}"


MS: Final = timedelta(milliseconds=1)
