"""Claim what is due and fits, and submit each claim to its pool."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from ..clock import Clock
from ..database import jobs
from ..database.claim import START, Claim
from ..database.commits import Commit
from ..database.database import Database
from ..functions.declare import Kind
from ..settings import Settings
from .claim_cursor import ClaimCursor
from .heartbeat import Heartbeat
from .pool import Pool

# What is due and cannot be claimed is just being claimed by another worker, which may be frozen in the act.
PAUSE_SECONDS: Final = 0.1
AWAKE: Final = datetime.max.replace(tzinfo=UTC)


class Dispatcher:
    """Finds due jobs by looking at the queue; a commit only makes it look sooner."""

    def __init__(self, database: Database, clock: Clock, settings: Settings, heartbeat: Heartbeat) -> None:
        self._database = database
        self._clock = clock
        self._longest = settings.poll_interval.total_seconds()
        self._heartbeat = heartbeat
        self.open(())

    def open(self, pools: Sequence[Pool]) -> None:
        """Claim for these pools from now on."""
        self.pools = pools
        # On PostgreSQL a scan of the queue may become slow; see there.
        self.cursor = ClaimCursor(self._database, self._clock) if self._database.is_server else None
        # Something is due for certain, or the last claim has filled a pool: claim without looking first.
        self._claims_first = False
        self._filled: set[Pool] = set()
        self._sleeps_until = AWAKE

    def close(self) -> Sequence[Pool]:
        """Claim nothing more. The pools that were filled, with all that was claimed for them."""
        pools, self.pools = self.pools, ()
        return pools

    def must_wake(self, commit: Commit) -> bool:
        """Whether a commit of this process makes something due before the next look."""
        if not commit.scheduled:
            return False
        due = min(commit.scheduled.values())
        if due <= self._clock.now():
            # On SQLite a look is cheap, and a claim that finds nothing waits for the write lock.
            self._claims_first = self._database.is_server
        return due < self._sleeps_until

    def remote_commit(self) -> None:
        """Another process may have committed something that is due. Where a look is a round trip, claim without it."""
        self._claims_first = self._database.is_server

    def tick(self) -> float:
        """Fill every pool with due jobs. How many seconds until the next one is due."""
        self._sleeps_until = AWAKE  # before anything is looked at: a commit from here on wakes
        if claims_first := self._claims_first:
            self._claims_first = False
        for pool in self.pools:
            if claims_first or pool in self._filled:
                self._claim_for(pool)
        # A full pool wakes the dispatcher when it has capacity again.
        pools = [pool for pool in self.pools if pool not in self._filled and pool.capacity() > 0]
        dues = self._next_dues() if pools else {}
        seconds = min((self._fill(pool, dues[pool.kind]) for pool in pools), default=self._longest)
        self._sleeps_until = self._clock.now() + timedelta(seconds=seconds)
        return seconds

    def claim(self, kind: Kind, limit: int) -> list[Claim]:
        """Claim up to so many due jobs for this worker.

        If the answer to the COMMIT is lost, the claims are found by the recovery: this worker holds them by the
        database's account and not by its own.
        """
        after = self.cursor.start(kind) if self.cursor is not None else START
        with self._database.write_internal(generic_plan=True) as connection:
            now, worker = self._clock.now(), self._heartbeat.worker
            claims = jobs.claim(connection, kind, worker, now, limit, after)
            if not claims and (registered := self._heartbeat.ensure_registered(connection)) != worker:
                claims = jobs.claim(connection, kind, registered, now, limit, after)
        if self.cursor is not None:
            self.cursor.claimed(kind, claims)
        return claims

    def unclaim(self, claims: Sequence[Claim]) -> None:
        """Give back what was claimed and never tried, so that it need not wait for this worker to count as dead."""
        if claims:
            with self._database.write_internal() as connection:
                jobs.unclaim(connection, claims)

    def _fill(self, pool: Pool, due: datetime | None) -> float:
        seconds = self._longest if due is None else (due - self._clock.now()).total_seconds()
        if seconds > 0:
            return min(seconds, self._longest)
        return 0.0 if self._claim_for(pool) else PAUSE_SECONDS * random.uniform(0.5, 1.0)

    def _claim_for(self, pool: Pool) -> list[Claim]:
        capacity = pool.capacity()
        if capacity <= 0:
            return []
        claims = self.claim(pool.kind, capacity)
        for claim in claims:
            pool.submit(claim)
        if len(claims) == capacity:
            self._filled.add(pool)  # there may be more for it
        else:
            self._filled.discard(pool)
        return claims

    def _next_dues(self) -> dict[str, datetime | None]:
        if self.cursor is not None:
            return self.cursor.next_dues()
        with self._database.read_internal(generic_plan=True) as connection:
            return jobs.next_due(connection)
