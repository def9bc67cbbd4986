"""Claim what is due and fits, and give each claim to its room."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ..clock import Clock
from ..database import jobs
from ..database.claim import START, Claim, QueuePosition
from ..database.database import Database
from ..functions.declare import Kind
from ..settings import Settings
from .claim_cursor import ClaimCursor
from .heartbeat import Worker
from .pool import Pool

logger = logging.getLogger("convexpy.dispatch")

# Longer than any transaction of the framework's own may take.
DOUBT_SECONDS: Final = 60.0
LOOK_AGAIN_SECONDS: Final = 1.0
PAUSE_SECONDS: Final = 0.1
# What was just claimed starts first: to look for more at the same moment would hold it up.
HEAD_START_SECONDS: Final = 0.002


@dataclass(eq=False)
class Doubt:
    """What may have been claimed under a token, until when that may still happen, and when to look again."""

    worker: str
    token: str
    until: float
    next_look: float = 0.0


class Dispatcher:
    """Finds due jobs by looking at the queue; being woken only makes it look sooner."""

    def __init__(self, database: Database, clock: Clock, settings: Settings, worker: Worker) -> None:
        self._database = database
        self._clock = clock
        self._longest = settings.poll_interval.total_seconds()
        self._worker = worker
        self._doubts: list[Doubt] = []
        # Claims are made by the dispatcher's thread, and by the one that hears of other processes.
        self._claiming = threading.Lock()
        self.open(())

    def open(self, rooms: Sequence[Pool]) -> None:
        """Claim for these from now on."""
        self._has_news = False
        self._has_claimed_at_once = False
        # Rooms that the last claim has filled: there may be more for them, and nobody has to look first.
        self._filled: set[Pool] = set()
        self.frontier = ClaimCursor()
        self.rooms = rooms

    def news(self) -> None:
        """Something was committed. Where asking costs a journey, the next tick claims without having looked."""
        self._has_news = self._database.is_server

    def claim_at_once(self) -> None:
        """Another process has committed: claim from the thread that has heard of it. The next tick sees to the rest."""
        try:
            self._has_claimed_at_once = any(self._claim_for(room) for room in self.rooms)
        except Exception as error:
            logger.debug("what another process has committed is looked for again: %s", error)

    def close(self) -> Sequence[Pool]:
        """Claim nothing more. The rooms that were filled, with all that was claimed for them."""
        rooms, self.rooms = self.rooms, ()  # first: who claims for one of them at this moment does not for the next
        with self._claiming:
            return rooms

    def tick(self) -> float:
        """Fill every room with due jobs. How many seconds until the next one is due."""
        if self._has_claimed_at_once:
            self._has_claimed_at_once = False
            time.sleep(HEAD_START_SECONDS)
        self._settle_doubts()
        if has_news := self._has_news:
            self._has_news = False  # before the claim: what comes after this is news again
        for room in self.rooms:
            if has_news or room in self._filled:
                self._claim_for(room)
        # A room that is full says when there is space again.
        rooms = [room for room in self.rooms if room not in self._filled and room.free() > 0]
        dues = self._next_dues() if rooms else {}
        return min((self._fill(room, dues[room.kind]) for room in rooms), default=self._longest)

    def _fill(self, room: Pool, due: datetime | None) -> float:
        seconds = self._longest if due is None else (due - self._clock.now()).total_seconds()
        if seconds > 0:
            return min(seconds, self._longest)
        claims = self._claim_for(room)
        # What is due and cannot be claimed is just being claimed by another worker, which may be frozen in the act.
        return 0.0 if claims else PAUSE_SECONDS * random.uniform(0.5, 1.0)

    def _claim_for(self, room: Pool) -> list[Claim]:
        with self._claiming:
            free = room.free() if room in self.rooms else 0
            if free <= 0:
                return []
            claims = self.claim(room.kind, free, self.frontier.place(room.kind))
            self.frontier.claimed(room.kind, claims)
            for claim in claims:
                room.enter(claim)
            if len(claims) == free:
                self._filled.add(room)
            else:
                self._filled.discard(room)
        return claims

    def _next_dues(self) -> dict[str, datetime | None]:
        places, began = dict(self.frontier.places()), time.monotonic()
        try:
            with self._database.read_internal(generic_plan=True) as connection:
                dues = jobs.next_due(connection, places)
        except Exception:
            if not places and self.frontier.is_long(time.monotonic() - began):
                self.frontier.gave_up(self._clock.now())
            raise
        if not places:
            self.frontier.looked(dues, time.monotonic() - began, self._clock.now())
        return dues

    def claim(self, kind: Kind, room: int, after: QueuePosition = START) -> list[Claim]:
        """Claim due jobs for this worker; on a server, only those behind a place."""
        token, worker = jobs.new_token(), self._worker.id
        try:
            with self._database.write_internal(generic_plan=True) as connection:
                now = self._clock.now()
                claims = jobs.claim_jobs(connection, kind, worker, token, now, room, after)
                if not claims and (new := self._worker.be_known(connection)) != worker:
                    worker = new  # others had given this one up, and would not look for what it claims
                    claims = jobs.claim_jobs(connection, kind, worker, token, now, room, after)
                return claims
        except BaseException:
            self.doubt(worker, token)
            raise

    def doubt(self, worker: str, token: str) -> None:
        """Nobody knows whether the claims under a token were committed, and nobody runs them."""
        self._doubts.append(Doubt(worker, token, time.monotonic() + DOUBT_SECONDS))

    def _settle_doubts(self) -> None:
        """Give back what was claimed by a COMMIT whose answer never came: nobody else would, while this worker lives.

        It may still be on its way, so this is done again now and then until it no longer can be.
        """
        for doubt in [doubt for doubt in tuple(self._doubts) if time.monotonic() >= doubt.next_look]:
            with self._database.write_internal() as connection:
                jobs.unclaim_all(connection, doubt.worker, doubt.token)
            doubt.next_look = time.monotonic() + LOOK_AGAIN_SECONDS
            if time.monotonic() > doubt.until:
                self._doubts.remove(doubt)

    def unclaim(self, claims: Sequence[Claim]) -> None:
        """Give back what was claimed and never tried, so that it need not wait for this worker to count as dead."""
        if claims:
            with self._database.write_internal() as connection:
                jobs.unclaim(connection, claims)
