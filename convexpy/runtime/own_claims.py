"""Claims of a transaction on what it schedules itself, for this process, so that it starts without being looked for.

Such a job is claimed from its birth: with the COMMIT it is there, claimed by a worker that has kept a place for it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from ..database.claim import Claim
from ..database.jobs import NewJob, new_token

logger = logging.getLogger("convexpy.run")


class Places(Protocol):
    """Where this process runs jobs, if it does."""

    @property
    def worker(self) -> str:
        """The id that claims are made under."""
        ...

    def keep(self, kind: str) -> bool:
        """Keep a place for one more job of a kind. False: there is none, or others have waited for longer."""
        ...

    def give_back(self, kinds: Sequence[str]) -> None:
        """These places are not needed."""
        ...

    def enter(self, claims: Sequence[Claim]) -> None:
        """Run claims that have been committed, each in the place that was kept for it."""
        ...

    def doubt(self, worker: str, token: str) -> None:
        """Nobody knows whether the claims under a token were committed: let others have them."""
        ...


class NoPlaces:
    """A process that runs no jobs."""

    worker = ""

    def keep(self, kind: str) -> bool:
        return False

    def give_back(self, kinds: Sequence[str]) -> None:
        """There is nothing to give back."""

    def enter(self, claims: Sequence[Claim]) -> None:
        """There is nothing to enter."""

    def doubt(self, worker: str, token: str) -> None:
        """There is nothing to doubt."""


class OwnClaims:
    """What one transaction claims for its own process."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._claims: list[Claim] = []
        self._worker = ""
        self._token = ""

    def claim(self, job: NewJob, now: datetime, position: int) -> tuple[str, str] | None:
        """The worker and the token that a new job is claimed with. None: it is to be found by whoever looks."""
        if job.canceled or job.scheduled_time > now or not self._places.keep(job.kind):
            return None
        if not self._token:
            self._worker, self._token = self._places.worker, new_token()
        when, due = job.scheduled_time, max(job.scheduled_time, now)
        claim = Claim(job.id, self._token, job.name, job.kind, job.args, 1, when, job.cron, position, due)
        self._claims.append(claim)
        return self._worker, self._token

    def tell(self, scheduled: int, announce: Callable[[], None]) -> None:
        """It was committed, and its connection is still held. Others are told if it scheduled more than it claimed."""
        if scheduled <= len(self._claims):
            return
        try:
            announce()
        except Exception:  # it has happened, whatever comes after: an error would make the caller do it again
            logger.exception("what was committed could not be announced, and is found later")

    def enter(self) -> None:
        """It was committed, and its connection is free again, which giving claims back may need."""
        if self._claims:
            self._places.enter(self._claims)

    def undone(self, *, maybe: bool) -> None:
        """It was not committed; ``maybe``: nobody knows."""
        if not self._claims:
            return
        self._places.give_back([claim.kind for claim in self._claims])
        if maybe:
            self._places.doubt(self._worker, self._token)
