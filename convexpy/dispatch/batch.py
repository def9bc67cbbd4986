"""A batch: the claims that one thread has, those that it has begun in one transaction and those that follow."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..database.claim import Claim


@dataclass(eq=False, slots=True)
class BatchItem:
    """A claim, and what is known of it from earlier attempts."""

    claim: Claim
    alone: bool = False
    """It must not share a transaction again."""
    met_conflicts: bool = False
    """Attempts in a batch met conflicts again and again."""
    maybe_done: bool = False
    """The answer to a COMMIT that it was part of was lost."""
    shares: bool = False
    """The transaction that it began may be shared."""
    began: float = 0.0
    """When the attempt that is under way began, by ``time.perf_counter``."""


class Batch:
    """Owned by one thread. Other threads take away what has not begun if a handler takes long."""

    def __init__(
        self, claims: Iterable[Claim], on_expire: Callable[[Batch], None] | None = None, *, alone: bool = False
    ) -> None:
        """``on_expire`` is called, from another thread, when a handler has run past its time limit."""
        self._on_expire = on_expire
        self._rest = deque(BatchItem(claim, alone) for claim in claims)
        self._begun: list[BatchItem] = []
        self._late_since: float | None = None
        self._mutex = threading.Lock()
        self.is_abandoned = False
        """Its thread was given up: what it still does counts for nothing."""
        self.conflicts = 0
        """How many attempts in a row met a conflict."""

    def __len__(self) -> int:
        return len(self._rest) + len(self._begun)

    def first(self) -> BatchItem | None:
        """The item that begins next."""
        with self._mutex:  # what has not begun may be taken away at any moment
            return self._rest[0] if self._rest else None

    def begin(self) -> BatchItem | None:
        """Begin the next item. None: there is none left."""
        with self._mutex:
            if self.is_abandoned or not self._rest:
                return None
            item = self._rest.popleft()
            item.began = time.perf_counter()
            self._begun.append(item)
            return item

    def end(self) -> list[BatchItem]:
        """The transaction is over: the items that had begun."""
        with self._mutex:
            begun, self._begun = self._begun, []
            self._late_since = None
            return begun

    def again(self, items: list[BatchItem]) -> None:
        """These come next, once more."""
        with self._mutex:
            self._rest.extendleft(reversed(items))

    def later(self, item: BatchItem) -> None:
        """This one comes last, once more."""
        with self._mutex:
            self._rest.append(item)

    def expire(self) -> None:
        """The time of the handler that runs is up: its transaction is rolled back, and it is interrupted."""
        self._late_since = time.monotonic()
        if self._on_expire is not None:
            self._on_expire(self)

    def take_rest(self) -> list[Claim]:
        """Take away what has not begun."""
        with self._mutex:
            rest = [item.claim for item in self._rest]
            self._rest.clear()
            return rest

    def abandon_if_late(self, seconds: float) -> tuple[Claim, list[Claim]] | None:
        """Give up the thread if its handler was interrupted so long ago and has not come back.

        Returns the claim whose handler hangs, and those that other threads have to run.
        """
        with self._mutex:
            late = self._late_since
            if not self._begun or late is None or time.monotonic() - late < seconds:
                return None
            hanging = self._begun.pop()
            return hanging.claim, self._abandon()

    def abandon(self) -> list[Claim]:
        """Give up the thread, and all that it has."""
        with self._mutex:
            return self._abandon()

    def _abandon(self) -> list[Claim]:
        self.is_abandoned = True
        left = [item.claim for item in (*self._begun, *self._rest)]
        self._begun.clear()
        self._rest.clear()
        return left
