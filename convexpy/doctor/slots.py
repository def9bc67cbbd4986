"""The known hole of PostgreSQL's serializable transactions: is the server large enough to stay out of it?

PostgreSQL remembers finished serializable transactions one by one for as long as an older one is open, in a fixed
number of slots. When they run out it folds the oldest together, and then no longer sees some conflicts: two
transactions that each undo what the other relied on both commit, with no error. The runtime counts what passes while
a mutation is open and runs it again when that may have been too many; on a server that is too small for the traffic,
a long mutation then never gets through. What other programs do, nobody counts.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from typing import Final

from ..database.postgres.serializable_limit import SLOTS_PER_BACKEND, count_other_backends, count_slots
from .finding import Finding, about_time, note, ok, risk
from .target import Target

HEADROOM: Final = 2
FINISHED: Final = "SELECT sum(xact_commit + xact_rollback) FROM pg_stat_database"
HOLE: Final = (
    "beyond that the server misses conflicts, so convexpy runs a long mutation again, for ever; two transactions of "
    "other programs can both commit what excludes each other"
)
# A serializable transaction that is open: it holds predicate locks under a virtual id that is still its own.
OPEN: Final = """
SELECT extract(epoch FROM clock_timestamp() - min(activity.xact_start))::float
FROM pg_locks AS reads
JOIN pg_locks AS own ON own.locktype = 'virtualxid' AND own.virtualtransaction = reads.virtualtransaction
JOIN pg_stat_activity AS activity ON activity.pid = own.pid
WHERE reads.mode = 'SIReadLock' AND activity.pid <> pg_backend_pid()
"""
FOLDED: Final = "SELECT blks_zeroed FROM pg_stat_slru WHERE lower(name) IN ('serial', 'serializable')"


def measure_rate(patient: Target) -> float:
    """Transactions a second, of every kind and in all databases of the server: more than the serializable ones."""
    before, began = patient.ask(FINISHED), time.monotonic()
    time.sleep(patient.seconds)
    return float(patient.ask(FINISHED) - before) / (time.monotonic() - began)


def check_slots(patient: Target) -> Iterator[Finding]:
    """Nothing may finish so often that the slots run out within the longest mutation."""
    yield weigh(patient.server, measure_rate(patient), patient.settings.mutation_time_limit.total_seconds())
    if patient.ask(FOLDED):
        since = patient.ask("SELECT stats_reset FROM pg_stat_slru WHERE lower(name) IN ('serial', 'serializable')")
        yield risk(
            "serializable",
            f"the slots have run out since {since:%Y-%m-%d %H:%M}",
            "while an old transaction was open, conflicts may have gone unnoticed",
            "Raise max_connections as above, then SELECT pg_stat_reset_slru(name) FROM pg_stat_slru "
            "WHERE lower(name) LIKE 'serial%'",
        )


def weigh(server: Mapping[str, str], rate: float, limit: float) -> Finding:
    """Whether the slots last for a mutation of ``limit`` seconds at ``rate`` transactions a second."""
    slots, needed = count_slots(server), rate * limit
    seen = (
        f"{slots:,} slots and mutations of up to {about_time(limit)} are safe up to {slots / limit:,.3g} transactions "
        f"a second; measured {rate:,.3g}"
    )
    if slots >= HEADROOM * needed:
        return ok("serializable", seen)
    connections = math.ceil(HEADROOM * needed / SLOTS_PER_BACKEND) - count_other_backends(server)
    todo = (
        f"Set max_connections = {connections} and restart the server, or mutation_time_limit to "
        f"{slots / HEADROOM / rate:.2g} s"
    )
    if slots >= needed:
        return note("serializable", seen, f"less than the {HEADROOM} times that leave room for a busy minute", todo)
    return risk("serializable", seen, HOLE, todo)


def check_open(patient: Target) -> Iterator[Finding]:
    """A serializable transaction that others keep open fills the slots however short the mutations are."""
    age, limit = patient.ask(OPEN), patient.settings.mutation_time_limit.total_seconds()
    if age is not None and age > limit:
        yield risk(
            "serializable",
            f"a serializable transaction is open for {about_time(age)}",
            f"mutations end within {about_time(limit)}, so it is another program's, and it fills the slots meanwhile",
            "End it, or let that program read with REPEATABLE READ. SELECT * FROM pg_stat_activity shows it",
        )
