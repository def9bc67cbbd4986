"""The statements that begin transactions: isolation, time limits and planner settings in one message.

The settings belong to the transaction, not to the session, so that they hold behind a pooler as well. A call's
transaction first resets those of the session: an earlier call may have changed them, even by a function on the server.
The server's time limits only matter if this process is frozen or the network is gone: the process's own are shorter.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from ...settings import Settings
from ..transaction import Sync

MS: Final = timedelta(milliseconds=1)
GRACE: Final = timedelta(seconds=1)
"""How much later the next line of time limits strikes."""
INTERNAL_LIMIT: Final = timedelta(seconds=15)
LIVE_LIMIT: Final = timedelta(minutes=5)
"""For a snapshot of live queries as a whole. Each query in it has its own limit."""
TRANSACTION_TIMEOUT_SINCE: Final = 17
# Settings of the session and its role, in the same message. Where nothing has changed, the server does nothing.
RESET: Final = "; RESET ALL; RESET ROLE"
NO_SCANS: Final = "; SET LOCAL enable_seqscan = off"
# Planning a claim takes longer than executing it, so its plan is generic. PostgreSQL assumes a large LIMIT for it, and
# would sort or hash.
GENERIC_PLAN: Final = "".join(
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


class BeginStatements:
    """One for each kind of transaction."""

    def __init__(self, settings: Settings, version: int, *, waits_for_disk: bool) -> None:
        """``waits_for_disk``: whether COMMIT waits for the disk by the server's own setting."""
        self._version = version
        self._lock = settings.lock_timeout
        mutation, query = settings.mutation_time_limit, settings.query_time_limit
        # A sequential scan reads every row, and so conflicts with every transaction that writes to the table.
        self._write = self._begin("SERIALIZABLE READ WRITE" + RESET, mutation + GRACE) + NO_SCANS
        self.read = self._begin("REPEATABLE READ READ ONLY" + RESET, query + GRACE)
        # Many queries share a snapshot. Its first statement is the framework's own.
        self.live = self._begin("REPEATABLE READ READ ONLY" + RESET, query + GRACE, LIVE_LIMIT) + NO_SCANS
        self._read_internal = self._begin("READ COMMITTED READ ONLY", INTERNAL_LIMIT)
        # To purge a thousand jobs of a hundred thousand, PostgreSQL 15 would scan all of them.
        self._write_internal = self._begin("READ COMMITTED READ WRITE", INTERNAL_LIMIT) + NO_SCANS
        self.catalog = self._begin("REPEATABLE READ, READ ONLY", INTERNAL_LIMIT)
        self.ddl = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
        self._sync = {
            "as set": "",
            "always": "" if waits_for_disk else "; SET LOCAL synchronous_commit = on",
            "later": "; SET LOCAL synchronous_commit = off",
        }

    def write(self, sync: Sync) -> str:
        return self._write + self._sync[sync]

    def write_internal(self, sync: Sync, *, generic_plan: bool = False) -> str:
        return self._write_internal + self._sync[sync] + (GENERIC_PLAN if generic_plan else "")

    def read_internal(self, *, generic_plan: bool = False) -> str:
        return self._read_internal + (NO_SCANS + GENERIC_PLAN if generic_plan else "")

    def _begin(self, mode: str, limit: timedelta, whole: timedelta | None = None) -> str:
        limits = {
            "statement_timeout": limit,
            "idle_in_transaction_session_timeout": limit,
            "lock_timeout": self._lock,
        }
        if self._version >= TRANSACTION_TIMEOUT_SINCE:
            limits["transaction_timeout"] = (whole or limit) + GRACE
        settings = "".join(f"; SET LOCAL {name} = {max(1, round(value / MS))}" for name, value in limits.items())
        return f"BEGIN ISOLATION LEVEL {mode}{settings}"
