"""How many threads of this process may do the same at the same time.

Transactions that change the same rows can only commit one after the other: run side by side, each commit costs the
others their work. So when conflicts of a function are frequent, its calls run one at a time for a while. Batches of
mutations have a limit of their own: Python runs one thread at a time, so a second batch helps only as far as the first
one waits for the database, which is little on SQLite and much where every statement is a round trip.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ..fork import in_child

BATCH: Final = "<batch>"
"""The key of all batches; the other keys are names of functions."""

# When conflicts are frequent, one at a time for so long.
NARROW_SECONDS: Final = 1.0
# They are, if more than this share of the recent tries met one: a rare one costs less than to run one at a time.
FREQUENT_SHARE: Final = 0.25
# What the newest try weighs among them. Three conflicts in a row are frequent.
NEWEST_WEIGHT: Final = 0.125
# A batch waits for no longer than this for another one, which may hang or have a slow handler.
BATCH_PATIENCE_SECONDS: Final = 1.0
# How often the limit for batches is adapted.
WINDOW_SECONDS: Final = 0.5
# The share of a window in which the batches' threads computed: below it one more may run, above it one less.
IDLE_SHARE: Final = 0.4
BUSY_SHARE: Final = 0.8
# After a conflict the limit for batches does not grow for so long.
CALM_SECONDS: Final = 10.0


class Slots:
    """The threads that hold one key, each since when."""

    def __init__(self, patience_seconds: float) -> None:
        self.narrow_until = 0.0
        self.holders: dict[int, float] = {}
        self._conflict_share = 0.0
        self._patience = patience_seconds

    def limit(self) -> float:
        """How many threads may hold the key now."""
        return 1 if self.is_narrow() else math.inf

    def is_narrow(self) -> bool:
        return time.monotonic() < self.narrow_until

    def begin_try(self) -> None:
        """A thread tries. Called without a lock: a lost one matters little."""
        self._conflict_share *= 1 - NEWEST_WEIGHT

    def met_conflict(self) -> None:
        """Its try met a conflict."""
        self._conflict_share += NEWEST_WEIGHT
        if self._conflict_share > FREQUENT_SHARE:
            self.narrow()

    def narrow(self) -> None:
        """One thread at a time for a while."""
        self.narrow_until = time.monotonic() + NARROW_SECONDS

    def wait_seconds(self) -> float:
        """How long to wait at most before trying again. 0: one more thread may hold the key."""
        now = time.monotonic()
        # A holder that takes longer than the patience counts no more: it may never end.
        counted = [since for since in self.holders.values() if since > now - self._patience]
        if len(counted) < self.limit():
            return 0.0
        return min(counted) + self._patience - now

    def ended(self, busy_seconds: float) -> None:
        """A holder has ended, after computing for so long."""


class BatchSlots(Slots):
    """Slots whose limit adapts to how busy the batches' threads are."""

    def __init__(self, most: int) -> None:
        super().__init__(BATCH_PATIENCE_SECONDS)
        self.wide = 1
        self._most = most
        self._has_waited = False
        self._calm_until = 0.0
        self._busy_seconds = 0.0
        self._window_began = time.monotonic()

    def limit(self) -> float:
        return 1 if self.is_narrow() else self.wide

    def met_conflict(self) -> None:
        self.narrow()  # a conflict costs the work of all its calls

    def narrow(self) -> None:
        super().narrow()
        self.wide = max(1, self.wide - 1)
        self._calm_until = time.monotonic() + CALM_SECONDS

    def wait_seconds(self) -> float:
        seconds = super().wait_seconds()
        self._has_waited = self._has_waited or seconds > 0
        return seconds

    def ended(self, busy_seconds: float) -> None:
        self._busy_seconds += busy_seconds
        now = time.monotonic()
        if now - self._window_began < WINDOW_SECONDS:
            return
        share = self._busy_seconds / (now - self._window_began)
        if share > BUSY_SHARE:
            self.wide = max(1, self.wide - 1)
        elif share < IDLE_SHARE and self._has_waited and now > self._calm_until:
            self.wide = min(self._most, self.wide + 1)
        self._busy_seconds, self._has_waited, self._window_began = 0.0, False, now


class ConcurrencyLimiter:
    """Slots by key, re-entrant by thread. Past its patience a waiter goes on: a thread that hangs blocks no other."""

    def __init__(self, patience_seconds: float, most_batches: int) -> None:
        self._patience = patience_seconds
        self._most_batches = most_batches
        self._begin()
        in_child.add(self._begin)

    def _begin(self) -> None:
        self._changed = threading.Condition()
        self.batches = BatchSlots(self._most_batches)
        self._slots: dict[str, Slots] = {BATCH: self.batches}

    @contextmanager
    def hold(self, key: str) -> Iterator[None]:
        """Hold a slot of a key for the block, after waiting for it if need be."""
        slots, thread = self._slots.get(key), threading.get_ident()
        if slots is not None:  # most functions have never met a conflict
            slots.begin_try()
        # A thread that holds the key already calls itself.
        if slots is None or thread in slots.holders or slots.limit() == math.inf:
            yield
            return
        self._acquire(slots, thread)
        began = time.thread_time()
        try:
            yield
        finally:
            with self._changed:
                del slots.holders[thread]
                slots.ended(time.thread_time() - began)
                self._changed.notify_all()

    def met_conflict(self, key: str) -> None:
        """A conflict. If they are frequent, let one thread at a time hold this key for a while."""
        with self._changed:
            self._slots.setdefault(key, Slots(self._patience)).met_conflict()

    def _acquire(self, slots: Slots, thread: int) -> None:
        deadline = time.monotonic() + self._patience
        with self._changed:
            while (seconds := min(slots.wait_seconds(), deadline - time.monotonic())) > 0:
                # Narrowing ends by itself, without a notification.
                until_wide = max(0.001, slots.narrow_until - time.monotonic()) if slots.is_narrow() else seconds
                self._changed.wait(min(seconds, until_wide))
            slots.holders[thread] = time.monotonic()
