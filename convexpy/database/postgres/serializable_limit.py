"""The limit up to which PostgreSQL notices every serialization conflict of an open transaction.

PostgreSQL keeps what finished serializable transactions have read, one by one, for a limited number of them (its
slots). When more than that finish while one transaction stays open, it forgets some, and a conflict of these with the
open one goes unnoticed: both commit, though no serial order explains the result. So a mutation that was open for long
counts, before its COMMIT, the transactions that finished meanwhile. If there were too many, it is run again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..commit_log import insert_statement
from ..errors import SerializableLimitExceeded
from ..write_set import WriteSet

SLOTS_PER_BACKEND: Final = 10
SELECT_SETTINGS: Final = "SELECT name, setting FROM pg_settings WHERE name ~ '^(max|autovacuum)_'"
# Four statements in one message, for one round trip. A savepoint that writes is given the next transaction id, and its
# row returns it. A second connection could read the id as well, but transactions that hold one connection and wait for
# another can exhaust the pool and deadlock.
CHECK: Final = (
    "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint; SAVEPOINT convexpy_limit; "
    "{insert} RETURNING xmin::text::bigint; RELEASE convexpy_limit"
)
# xmin wraps around.
XMIN_MODULUS: Final = 2**32
# No server finishes more. A transaction shorter than its slots last at this rate needs no count.
MAX_TRANSACTIONS_PER_SECOND: Final = 30_000
# The rest is for open transactions, and for those that finish between the count and the COMMIT.
USABLE_SHARE: Final = 0.8


class SerializableLimit:
    """How many transactions may finish while one stays open.

    ``slots``: how many finished transactions the server keeps. ``seconds``: for how long they last at the highest rate.
    """

    def __init__(self, driver: Any) -> None:
        self.slots = count_slots(dict(driver.execute(SELECT_SETTINGS).fetchall()))
        self.seconds = self.slots / MAX_TRANSACTIONS_PER_SECOND

    def check(self, driver: Any, commit_id: str) -> None:
        """Make sure that the transaction on this connection may still be committed.

        Args:
            driver: The connection.
            commit_id: The id of an empty commit that the check inserts.

        Raises:
            SerializableLimitExceeded: Too many transactions finished meanwhile. It is safe to run it again.
        """
        insert = insert_statement(WriteSet(), commit_id=commit_id)
        answers = driver.execute(CHECK.format(insert=insert), prepare=False)
        first = answers.fetchone()[0]
        answers.nextset()
        answers.nextset()
        now = answers.fetchone()[0]
        finished = (now - first) % XMIN_MODULUS
        if finished > self.slots * USABLE_SHARE:
            raise SerializableLimitExceeded(
                f"{finished} transactions finished while this one stayed open, and the server notices conflicts among "
                f"{self.slots} only. Make the function shorter, or raise max_connections on the server"
            )


def count_slots(server: Mapping[str, str]) -> int:
    """How many finished serializable transactions a server with these settings keeps."""
    return SLOTS_PER_BACKEND * (int(server["max_connections"]) + count_other_backends(server))


def count_other_backends(server: Mapping[str, str]) -> int:
    """Processes with slots besides connections. One is autovacuum's launcher; 18 adds one that syncs slots."""
    is_18 = "autovacuum_worker_slots" in server
    named = (
        "autovacuum_worker_slots" if is_18 else "autovacuum_max_workers",
        "max_worker_processes",
        "max_wal_senders",
        "max_prepared_transactions",
    )
    return sum(int(server[name]) for name in named) + (2 if is_18 else 1)
