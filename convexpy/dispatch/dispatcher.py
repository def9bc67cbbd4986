"""Claim what is due and fits, and submit each claim to its pool."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
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
from .unknown_functions import UnknownFunctions

# What is due and cannot be claimed is just being claimed by another worker, which may be frozen in the act.
PAUSE: Final = timedelta(seconds=0.1)
NEVER: Final = datetime.max.replace(tzinfo=UTC)


class Dispatcher:
    """Knows when the next job of each kind is due: by looking at the queue now and then, and from commits meanwhile."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        settings: Settings,
        heartbeat: Heartbeat,
        unknown: UnknownFunctions,
    ) -> None:
        self._database = database
        self._clock = clock
        self._poll_seconds = settings.poll_interval.total_seconds()
        self._heartbeat = heartbeat
        self._unknown = unknown
        self._mutex = threading.Lock()
        self.open((), lambda: None)

    def open(self, pools: Sequence[Pool], wake: Callable[[], None]) -> None:
        """Claim for these pools from now on. ``wake`` makes the next tick come now."""
        self.pools = pools
        self._wake = wake
        # On PostgreSQL a scan of the queue may become slow; see there.
        self.cursor = (
            ClaimCursor(self._database, self._clock, lambda: self._unknown.names) if self._database.is_server else None
        )
        self._due: dict[str, datetime] = {pool.kind: NEVER for pool in pools}
        self._next_look = 0.0
        # Kinds whose pool had no capacity: it wakes the dispatcher when it has.
        self._starved: set[str] = set()

    def close(self) -> Sequence[Pool]:
        """Claim nothing more. The pools that were filled, with all that was claimed for them."""
        pools, self.pools = self.pools, ()
        return pools

    # What makes the next tick come sooner. All of it is a hint: the queue is looked at now and then anyway.

    def on_commit(self, commit: Commit) -> None:
        """A commit of this process has made jobs claimable."""
        soonest: dict[str, datetime] = {}
        for job in commit.scheduled:
            soonest[job.kind] = min(job.due_time, soonest.get(job.kind, NEVER))
        if sum(self._expect(kind, due) for kind, due in soonest.items()):
            self._wake()

    def on_remote_commit(self) -> None:
        """Another process may have. Where a look is a round trip, claim without it."""
        if self._database.is_server:
            for pool in self.pools:
                self._expect(pool.kind, self._clock.now())
        self._next_look = 0.0
        self._wake()

    def on_capacity(self, kind: Kind) -> None:
        """A pool has capacity again."""
        if kind in self._starved:
            self._wake()

    def tick(self) -> float:
        """Claim what is due. How many seconds until the next job is due, or the queue is looked at again."""
        now, empty = self._clock.now(), set[str]()
        looks = time.monotonic() >= self._next_look
        for pool in self.pools:
            self.unclaim(pool.overdue())
            if self._due[pool.kind] <= now:
                claims = self._claim_for(pool)
                if claims is not None:
                    looks = True
                if claims == 0:
                    empty.add(pool.kind)
        if looks and self.pools:
            self._look(empty)
        return self._seconds()

    def claim(self, kind: Kind, limit: int) -> list[Claim]:
        """Claim up to so many due jobs for this worker.

        If the answer to the COMMIT is lost, the claims are found by the recovery: this worker holds them by the
        database's account and not by its own.
        """
        after = self.cursor.start(kind) if self.cursor is not None else START
        with self._database.write_internal(generic_plan=True) as connection:
            now, worker, left_out = self._clock.now(), self._heartbeat.worker, self._unknown.names
            claims = jobs.claim(connection, kind, worker, now, limit, after, left_out)
            if not claims and (registered := self._heartbeat.ensure_registered(connection)) != worker:
                claims = jobs.claim(connection, kind, registered, now, limit, after, left_out)
        if self.cursor is not None:
            self.cursor.claimed(kind, claims)
        return claims

    def unclaim(self, claims: Sequence[Claim]) -> None:
        """Give back what was claimed and never tried, so that it need not wait for this worker to count as dead."""
        if claims:
            with self._database.write_internal() as connection:
                jobs.unclaim(connection, claims)

    def _claim_for(self, pool: Pool) -> int | None:
        """Claim for a pool. How many, if that was all; None if there is no capacity, or may be more that is due."""
        self._starved.add(pool.kind)  # before it is asked: capacity from here on wakes
        capacity = pool.capacity()
        if capacity <= 0:
            return None
        self._starved.discard(pool.kind)
        self._due[pool.kind] = NEVER  # before the claim: a commit from here on sets it again
        try:
            claims = self.claim(pool.kind, capacity)
        except BaseException:
            self._expect(pool.kind, self._clock.now())
            raise
        for claim in claims:
            pool.submit(claim)
        time.sleep(0)  # the pool's threads begin before this one goes on
        if len(claims) < capacity:
            return len(claims)
        self._expect(pool.kind, self._clock.now())
        return None

    def _look(self, empty: set[str]) -> None:
        """Look when the next job of each kind is due. Of the ``empty`` kinds nothing could be claimed just now."""
        self._next_look = time.monotonic() + self._poll_seconds
        now = self._clock.now()
        for kind, due in self.next_dues().items():
            if due is not None:
                is_locked = kind in empty and due <= now
                self._expect(kind, now + PAUSE * random.uniform(0.5, 1.0) if is_locked else due)

    def next_dues(self) -> dict[str, datetime | None]:
        """When the next job of each kind is due that this worker may claim."""
        if self.cursor is not None:
            return self.cursor.next_dues()
        with self._database.read_internal(generic_plan=True) as connection:
            return jobs.next_due(connection, left_out=self._unknown.names)

    def _expect(self, kind: str, due: datetime) -> bool:
        """Know of a job of this kind that is due then. Whether that is sooner than what was known."""
        with self._mutex:
            if kind not in self._due or due >= self._due[kind]:
                return False
            self._due[kind] = due
            return True

    def _seconds(self) -> float:
        dues = [due for kind, due in self._due.items() if kind not in self._starved]
        until_due = min(dues, default=NEVER) - self._clock.now()
        return min(self._next_look - time.monotonic(), until_due.total_seconds())
