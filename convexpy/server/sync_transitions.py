"""``Transitions``: takes a client's view from one snapshot to the next, without a gap, and in step with its mutations.

A client shows what a mutation is expected to do before it has happened. It takes that back when a Transition arrives
whose time is the mutation's or a later one. So no Transition may arrive whose results have the mutation while its time
does not, or the mutation would be shown twice; and none that has it may arrive before the mutation's response.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from ..live.query_set import QuerySet, Results, SetVersion
from ..live.subscription import SnapshotTime
from ..live.version_clock import VersionClock
from .sync_frames import LARGEST_FRAME, StateVersion, pieces_of, query_removed, transition

OVERDUE_SECONDS: Final = 0.2
"""After so long without a Transition that has its last mutation, a socket's next mutation waits, as long as that."""


class OwnCommit:
    """When a mutation of a socket is committed: between two numbers of the ``VersionClock``."""

    def __init__(self, clock: VersionClock, then: Callable[[], None]) -> None:
        """``then`` is called once it is committed, on the mutation's thread."""
        self._clock = clock
        self._then = then
        self.before: int | None = None
        self.after: int | None = None

    def begins(self) -> None:
        if self.before is None:  # a COMMIT that failed may be known to have failed only later
            self.before = self._clock.next()

    def committed(self) -> None:
        self.after = self._clock.next()
        self._then()


class Transitions:
    """Of one socket, on its event loop."""

    def __init__(
        self, query_set: QuerySet, clock: VersionClock, encode: Callable[[Results], list[bytes]], *, may_split: bool
    ) -> None:
        """Begin without queries.

        Args:
            query_set: What the client has subscribed to.
            clock: Numbers commits.
            encode: Makes the modifications of results.
            may_split: Whether the client takes a long Transition in pieces.
        """
        self._query_set = query_set
        self._clock = clock
        self._encode = encode
        self._may_split = may_split
        self.sent = StateVersion(SetVersion(), 0)
        self.skew: int | None = None
        """How far the client's clock is ahead, in milliseconds."""
        self._own: OwnCommit | None = None
        self._needed = 0
        self._overdue_since: float | None = None
        self._is_asked_for = False
        self._has_caught_up = asyncio.Event()

    def frames(self) -> list[str]:
        """The next Transition, as one frame or as several. None: there is nothing to say.

        Raises:
            SubscriptionClosed: The app is closed.
        """
        results = self._query_set.take(self._may_be_sent)
        if results is None:
            return []
        modifications = [query_removed(number) for number in results.removed] + self._encode(results)
        if not modifications and not self._is_asked_for and results.version == self.sent.set:
            return []
        end = StateVersion(results.version, results.time.before)
        frame = transition(self.sent, end, modifications, self.skew, time.time_ns())
        self.sent, self._is_asked_for, self._overdue_since = end, False, None
        self._has_caught_up.set()
        return list(pieces_of(frame)) if self._may_split and len(frame) > LARGEST_FRAME else [frame]

    def _may_be_sent(self, snapshot: SnapshotTime) -> bool:
        """Whether a snapshot has all mutations that were answered, and is surely before the one that runs."""
        own = self._own
        is_before = own is None or own.before is None or snapshot.after < own.before
        return is_before and snapshot.before >= self._needed

    def begin_mutation(self) -> OwnCommit:
        """A mutation of this client runs from now on."""
        self._own = OwnCommit(self._clock, self._query_set.request_visit)
        return self._own

    def end_mutation(self) -> int:
        """It has ended, and its response is the next frame. The time from which on snapshots have it."""
        own, self._own = self._own, None
        is_known = own is not None and own.after is not None
        ended = own.after if own is not None and own.after is not None else self._clock.next()
        self._needed = max(self._needed, ended)
        self.ask(is_on_its_way=is_known)
        return ended

    def ask(self, *, is_on_its_way: bool = False) -> None:
        """A Transition has to follow, also if nothing has changed: clients wait for one after every response."""
        self._is_asked_for = True
        self._has_caught_up.clear()
        if self._overdue_since is None:
            self._overdue_since = time.monotonic()
        if not is_on_its_way:
            self._query_set.request_visit()

    async def catch_up(self) -> None:
        """Let a Transition have the last mutation, if it is overdue. One mutation after the other would prevent it."""
        if self._overdue_since is None or time.monotonic() - self._overdue_since < OVERDUE_SECONDS:
            return
        try:
            async with asyncio.timeout(OVERDUE_SECONDS):
                await self._has_caught_up.wait()
        except TimeoutError:  # its queries take long
            self._overdue_since = time.monotonic()
