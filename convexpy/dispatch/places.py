"""The places of this process's rooms, kept for jobs that are claimed from their birth."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

from ..database.claim import Claim
from .heartbeat import Worker, try_to
from .pool import Pool


class KeptPlaces:
    """Open as long as the rooms are."""

    def __init__(
        self,
        worker: Worker,
        rooms: Mapping[str, Pool],
        unclaim: Callable[[Sequence[Claim]], None],
        doubt: Callable[[str, str], None],
    ) -> None:
        self._worker = worker
        self._rooms = rooms
        self._unclaim = unclaim
        self._doubt = doubt
        self._mutex = threading.Lock()
        self._closed = False

    @property
    def worker(self) -> str:
        return self._worker.id

    def keep(self, kind: str) -> bool:
        return not self._closed and self._rooms[kind].keep_place()

    def give_back(self, kinds: Sequence[str]) -> None:
        for kind in kinds:
            self._rooms[kind].give_back_place()

    def doubt(self, worker: str, token: str) -> None:
        self._doubt(worker, token)

    def enter(self, claims: Sequence[Claim]) -> None:
        with self._mutex:
            if not self._closed:
                for claim in claims:
                    room = self._rooms[claim.kind]
                    room.enter(claim)  # first in, then the place given back: it is always counted
                    room.give_back_place()
                return
        try_to(lambda: self._unclaim(claims))

    def close(self) -> None:
        """Let nobody in any more. What is committed from now on goes to others."""
        with self._mutex:
            self._closed = True
