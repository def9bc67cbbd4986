"""Keep mutations inside the window in which the server can tell what they conflict with.

A server remembers what finished serializable transactions have read for only so many of them (its slots). When more
than that finish while one stays open, it forgets, and then a conflict with the open one goes unnoticed: both commit,
though no order of the two explains the result. So a mutation that was open for long counts, before its COMMIT, how
many transactions there were meanwhile, and is run again if they may have been too many.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..errors import SerializableLimitExceeded
from ..tables import commits

SLOTS_A_BACKEND: Final = 10
SETTINGS: Final = "SELECT name, setting FROM pg_settings WHERE name ~ '^(max|autovacuum)_'"
BEGUN: Final = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
# A savepoint that writes is given the next number of all, and a row tells it. Another connection could be asked as
# well, but who holds one and waits for another waits for ever if everybody does.
MARK: Final = "SAVEPOINT convexpy_window"
NUMBER: Final = f"INSERT INTO {commits.name} (id) VALUES (%s) RETURNING xmin::text::bigint"
RELEASE: Final = "RELEASE convexpy_window"
# The numbers that rows carry begin anew after so many.
AROUND: Final = 2**32
# No server finishes more in a second, so what is shorter than the slots last at this rate needs no counting.
FASTEST_PER_SECOND: Final = 30_000
# Some slots serve transactions that are open, and some finish between the count and the COMMIT.
SHARE: Final = 0.8


class Window:
    """How many transactions may pass while one stays open."""

    def __init__(self, driver: Any) -> None:
        self.slots = count_slots(dict(driver.execute(SETTINGS).fetchall()))
        self.seconds = self.slots / FASTEST_PER_SECOND

    def check(self, driver: Any, receipt: str) -> None:
        """Look whether the transaction on this connection may still be committed.

        Args:
            driver: The connection.
            receipt: The id of a row that the look leaves behind.

        Raises:
            SerializableLimitExceeded: Too many others passed meanwhile. It is safe to run it again.
        """
        begun = driver.execute(BEGUN, prepare=False).fetchone()[0]
        driver.execute(MARK, prepare=False)
        now = driver.execute(NUMBER, (receipt,), prepare=False).fetchone()[0]
        driver.execute(RELEASE, prepare=False)
        passed = (now - begun) % AROUND
        if passed > self.slots * SHARE:
            raise SerializableLimitExceeded(
                f"{passed} transactions passed while this one stayed open, and the server can tell conflicts among "
                f"{self.slots} only. Make the function shorter, or raise max_connections on the server"
            )


def count_slots(server: Mapping[str, str]) -> int:
    """How many serializable transactions a server with these settings remembers one by one."""
    return SLOTS_A_BACKEND * (int(server["max_connections"]) + backends_besides(server))


def backends_besides(server: Mapping[str, str]) -> int:
    """What has slots besides connections. The launcher of autovacuum is one; 18 adds one that syncs slots."""
    is_18 = "autovacuum_worker_slots" in server
    named = (
        "autovacuum_worker_slots" if is_18 else "autovacuum_max_workers",
        "max_worker_processes",
        "max_wal_senders",
        "max_prepared_transactions",
    )
    return sum(int(server[name]) for name in named) + (2 if is_18 else 1)
