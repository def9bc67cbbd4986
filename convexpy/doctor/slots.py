"""The slots of PostgreSQL's serializable transactions: does the server have enough of them?

PostgreSQL remembers finished serializable transactions one by one for as long as an older one is open, in a fixed
number of slots. When they run out it summarizes the oldest, and then misses some conflicts: write skew commits without
an error. The runtime counts the transactions that finish while a mutation is open, and runs the mutation again when
they may have been too many; on a server with too few slots a long mutation never commits. The transactions of other
programs are not counted.

What all of them have read takes predicate locks until then, of which there is a fixed number as well. When it runs out,
the transactions that read next fail.
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
LOCKS_PER_TRANSACTION: Final = 8
FINISHED: Final = "SELECT sum(xact_commit + xact_rollback) FROM pg_stat_database"
HOLE: Final = (
    "beyond that the server misses conflicts, so convexpy runs a long mutation again without end, and write skew "
    "between transactions of other programs commits"
)
# Open serializable transactions: they hold predicate locks under a virtual id that is still locked.
OPEN: Final = """
SELECT extract(epoch FROM clock_timestamp() - min(activity.xact_start))::float
FROM pg_locks AS reads
JOIN pg_locks AS own ON own.locktype = 'virtualxid' AND own.virtualtransaction = reads.virtualtransaction
JOIN pg_stat_activity AS activity ON activity.pid = own.pid
WHERE reads.mode = 'SIReadLock' AND activity.pid <> pg_backend_pid()
"""
FOLDED: Final = "SELECT blks_zeroed FROM pg_stat_slru WHERE lower(name) IN ('serial', 'serializable')"


def measure_rate(target: Target) -> float:
    """Transactions a second, of every kind, in all databases of the server: an upper bound of the serializable ones."""
    before, began = target.scalar(FINISHED), time.monotonic()
    time.sleep(target.seconds)
    return float(target.scalar(FINISHED) - before) / (time.monotonic() - began)


def check_slots(target: Target) -> Iterator[Finding]:
    """The slots must last for the longest mutation, and so must the predicate locks."""
    rate, limit = measure_rate(target), target.settings.mutation_time_limit.total_seconds()
    yield rate_slots(target.server, rate, limit)
    yield rate_locks(target.server, rate, limit)
    if target.scalar(FOLDED):
        since = target.scalar("SELECT stats_reset FROM pg_stat_slru WHERE lower(name) IN ('serial', 'serializable')")
        yield risk(
            "serializable",
            f"the slots have run out since {since:%Y-%m-%d %H:%M}",
            "while an old transaction was open, the server may have missed conflicts",
            "Raise max_connections as above, then SELECT pg_stat_reset_slru(name) FROM pg_stat_slru "
            "WHERE lower(name) LIKE 'serial%'",
        )


def rate_slots(server: Mapping[str, str], rate: float, limit: float) -> Finding:
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
        return note(
            "serializable",
            seen,
            f"less than {HEADROOM} times, which leaves no room for a busy minute",
            todo,
        )
    return risk("serializable", seen, HOLE, todo)


def rate_locks(server: Mapping[str, str], rate: float, limit: float) -> Finding:
    """Whether there are locks for all that transactions read while a mutation of ``limit`` seconds is open.

    Each row or page that any of them has read keeps one until then, also after the slots have run out.
    """
    name = "max_pred_locks_per_transaction"
    each, needed = int(server[name]), LOCKS_PER_TRANSACTION * rate * limit
    backends = count_slots(server) // SLOTS_PER_BACKEND
    locks = each * backends
    seen = (
        f"{name} = {each} makes {locks:,} locks; while a mutation is open for {about_time(limit)} at the measured "
        f"{rate:,.3g} transactions a second, {needed:,.3g} are needed if each reads {LOCKS_PER_TRANSACTION} rows"
    )
    if locks >= needed:
        return ok("predicate locks", seen)
    return risk(
        "predicate locks",
        seen,
        'then every mutation fails with "out of shared memory", and is tried again until that one has ended',
        f"Set {name} = {math.ceil(HEADROOM * needed / backends)} and restart the server",
    )


def check_open(target: Target) -> Iterator[Finding]:
    """An open serializable transaction of another program fills the slots, however short the mutations are."""
    age, limit = target.scalar(OPEN), target.settings.mutation_time_limit.total_seconds()
    if age is not None and age > limit:
        yield risk(
            "serializable",
            f"a serializable transaction is open for {about_time(age)}",
            f"mutations end within {about_time(limit)}, so it is another program's, and it fills the slots",
            "End it (pg_stat_activity lists it), or let that program use REPEATABLE READ",
        )
