"""``RefreshGroup``: subscriptions whose queries run in the same snapshots, one round after the other.

The values of a subscription are of one snapshot: a query counts in the snapshot of a round if it ran in it, or if no
commit since its last run touched what it read. A subscription gets its values in a round where all its queries count.

A round runs what the new commits touched, and after that what is left from earlier rounds, each for a bounded time. So
neither ten thousand first runs nor a hot key delay the others for longer than that.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import Final

from ..clock import Clock
from ..database.commit_log import CommitRecord
from ..database.live_reader import LiveReader
from ..database.transaction import OpenTransaction
from ..runtime.transaction import TransactionFailed
from .index import SubscriptionIndex
from .live_call import LiveCall, QueryKey
from .query import LiveQuery
from .runner import QueryRunner
from .subscription import SnapshotTime, Subscriber
from .version_clock import VersionClock

ROUND_SECONDS: Final = 0.1
"""For how long a round runs queries: one half for what it found, one for what is left from earlier rounds."""
SCAN_SECONDS: Final = 1.0
"""How often it looks for subscriptions that were dropped without being closed."""

TIME: Final = "(time)"
START: Final = "(start)"
UNNAMED: Final = "(no function)"


class RefreshGroup:
    """Owned by one thread. What other threads may call says so."""

    def __init__(
        self,
        open_reader: Callable[[], LiveReader],
        runner: QueryRunner,
        clock: Clock,
        *,
        round_seconds: float = ROUND_SECONDS,
        versions: VersionClock | None = None,
        wake: Callable[[], None] | None = None,
        is_misplaced: Callable[[Subscriber], bool] | None = None,
        place: Callable[[Subscriber], None] | None = None,
    ) -> None:
        """Make an empty group.

        Args:
            open_reader: Opens the reader whose snapshots the rounds use.
            runner: Runs queries within a round.
            clock: By which queries with ``refresh`` run again.
            round_seconds: For how long a round runs queries, about.
            versions: Numbers the snapshots.
            wake: Called when something may have been committed, from any thread.
            is_misplaced: Whether a subscription belongs to another group.
            place: Takes it there.
        """
        self._open_reader = open_reader
        self._reader: LiveReader | None = None
        self._runner = runner
        self._clock = clock
        self._round_seconds = round_seconds
        self._versions = versions or VersionClock()
        self._wake = wake
        self._is_misplaced = is_misplaced
        self._place = place
        self.subscriptions: dict[Subscriber, None] = {}
        self.queries: dict[QueryKey, LiveQuery] = {}
        self._subscribers: dict[LiveQuery, dict[Subscriber, None]] = {}
        self._index: SubscriptionIndex[LiveQuery] = SubscriptionIndex()
        self._arrivals: deque[Subscriber] = deque()
        self._requests: deque[Subscriber] = deque()
        self._resets: deque[str] = deque()
        self._someone_left = False
        self._scanned = 0.0
        # Queries that run first in the next round; subscriptions that have queries to run when there is time; and those
        # that may be given new values at the end of the round.
        self._urgent: dict[LiveQuery, None] = {}
        self._backlog: dict[Subscriber, None] = {}
        self._visits: dict[Subscriber, None] = {}
        self._timed: dict[LiveQuery, None] = {}
        self._deferred: dict[LiveQuery, None] = {}
        self.rounds = 0

    # Any thread.

    def add(self, subscription: Subscriber) -> None:
        """It takes part from the next round on."""
        self._arrivals.append(subscription)

    def visit(self, subscription: Subscriber) -> None:
        """It has changed, or is closed, or wants its values again: the next round looks at it."""
        self._requests.append(subscription)

    def remove_closed(self) -> None:
        """A subscription was closed; it is forgotten before the next round."""
        self._someone_left = True

    def reset(self, reason: str) -> None:
        """Everything runs again in the next rounds."""
        self._resets.append(reason)

    def subscribers(self, query: LiveQuery) -> int:
        """How many subscriptions a query has."""
        return len(self._subscribers.get(query, ()))

    @property
    def arrivals(self) -> tuple[Subscriber, ...]:
        """Those that take part from the next round on."""
        return tuple(self._arrivals)

    @property
    def is_empty(self) -> bool:
        """Whether there is no subscription, here or on its way."""
        return not self.subscriptions and not self._arrivals

    # Its own thread.

    def round(self) -> bool:
        """One round. Whether another one has work to do at once."""
        self._forget_closed()
        self._admit()
        if not self.subscriptions:
            return False
        before = self._versions.next()
        with self._opened().snapshot() as snapshot:
            time = SnapshotTime(before, self._versions.next())
            transaction = snapshot.transaction
            self._mark(snapshot.commits)
            self._runner.begin_round(snapshot.commits)
            self._run_urgent(transaction)
            self._run_backlog(transaction)
            if self._runner.checks:
                untouched = [query for query in self.queries.values() if not query.is_stale]
                self._runner.check(untouched, transaction, self._changed)
        self.rounds += 1
        self._deliver(time)
        self._runner.raise_difference()
        return bool(self._backlog or self._urgent or self._arrivals or self._requests)

    def start_over(self) -> None:
        """A round has failed: the next one has a new reader, and everything runs again."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()

    def _opened(self) -> LiveReader:
        if self._reader is None:
            reader = self._open_reader()
            try:
                if self._wake is not None:
                    reader.listen(self._wake)
            except BaseException:
                reader.close()
                raise
            self._reader = reader
        return self._reader

    def seconds_to_wait(self) -> float:
        """Until a query runs again without a commit."""
        now, monotonic = self._clock.now(), time.monotonic()
        refreshs = [(query.refresh_at - now).total_seconds() for query in self._timed if query.refresh_at is not None]
        retries = [query.retry_at - monotonic for query in self._deferred if query.retry_at is not None]
        return max(0.0, min((*refreshs, *retries), default=float("inf")))

    def close(self) -> None:
        """End every subscription, and close the reader."""
        for subscription in (*self.subscriptions, *self._arrivals):
            subscription.end()
        self.subscriptions.clear()
        self._arrivals.clear()
        self.start_over()

    def _admit(self) -> None:
        """Take in what has arrived, and what has changed."""
        while self._arrivals:
            subscription = self._arrivals.popleft()
            if subscription.is_closed:
                continue
            self.subscriptions[subscription] = None
            subscription.change_calls()
            for name, call in subscription.calls.items():
                self._attach(subscription, name, call)
            self._visits[subscription] = None
        for _ in range(len(self._requests)):
            subscription = self._requests.popleft()
            if subscription not in self.subscriptions:
                continue  # it is on its way to another group, which looks at all that arrives
            if subscription.is_closed:
                self._release(subscription)
            else:
                self._change(subscription)
                if subscription in self.subscriptions:
                    self._visits[subscription] = None

    def _change(self, subscription: Subscriber) -> None:
        """Let a subscription have the queries that it wants now."""
        changed = subscription.change_calls()
        if not changed:
            return
        former = [(name, subscription.queries.pop(name)) for name in changed if name in subscription.queries]
        known = dict(former)
        for name in changed:
            if name in subscription.calls:
                self._attach(subscription, name, subscription.calls[name], known.get(name))
        kept = set(subscription.queries.values())
        for _, query in former:
            if query not in kept:
                self._detach(subscription, query)
        self._move(subscription)

    def _attach(
        self, subscription: Subscriber, name: Hashable, call: LiveCall, former: LiveQuery | None = None
    ) -> None:
        """Give a subscription a query; ``former`` had its name before, for another user perhaps."""
        query = self.queries.get(call.key)
        if query is None:
            query = self.queries[call.key] = LiveQuery(call)
            self._subscribers[query] = {}
            if former is not None and former.counts_for(query):
                query.adopt(former)
                self._noted(query)
        self._subscribers[query][subscription] = None
        subscription.queries[name] = query
        if query.is_stale:
            self._urgent[query] = None

    def _forget_closed(self) -> None:
        now = time.monotonic()
        if not self._someone_left and now - self._scanned < SCAN_SECONDS:
            return
        self._someone_left, self._scanned = False, now
        for subscription in [each for each in self.subscriptions if each.is_closed]:
            self._release(subscription)

    def _release(self, subscription: Subscriber) -> None:
        """A subscription has no part in this group any more."""
        del self.subscriptions[subscription]
        self._backlog.pop(subscription, None)
        self._visits.pop(subscription, None)
        for name, query in subscription.queries.items():
            query.call.seconds = query.seconds
            subscription.calls[name] = query.call  # which knows where its page ends
            self._detach(subscription, query)
        subscription.queries = {}

    def _detach(self, subscription: Subscriber, query: LiveQuery) -> None:
        """A subscription has not this query any more. If no other has it, there is none."""
        subscribers = self._subscribers.get(query)
        if subscribers is None:
            return
        subscribers.pop(subscription, None)
        if not subscribers:
            del self._subscribers[query]
            self.queries.pop(query.call.key, None)
            self._index.remove(query)
            for place in (self._urgent, self._timed, self._deferred):
                place.pop(query, None)

    def _mark(self, commits: Sequence[CommitRecord] | None) -> None:
        """Find out which queries have to run."""
        resets = [self._resets.popleft() for _ in range(len(self._resets))]
        if commits is None or resets:
            for query in self.queries.values():
                query.is_stale = True
                query.touched_by.update(resets or [START])
            for subscription in self.subscriptions:
                self._backlog.setdefault(subscription)
        for commit in commits or ():
            for query in self._index.find(commit.writes):
                self._touch(query, commit.function or UNNAMED)
        now, monotonic = self._clock.now(), time.monotonic()
        for query in self._timed:
            if query.refresh_at is not None and query.refresh_at <= now:
                self._touch(query, TIME)
        for query in [each for each in self._deferred if each.retry_at is None or each.retry_at <= monotonic]:
            del self._deferred[query]
            query.retry_at = None
            if query.is_stale:
                self._urgent[query] = None

    def _touch(self, query: LiveQuery, reason: str) -> None:
        query.touched_by.add(reason)
        query.is_stale = True
        self._urgent[query] = None

    def _run_urgent(self, transaction: OpenTransaction) -> None:
        """Run what the new commits touched, and what is new. What there is no time for waits with the rest."""
        until = time.perf_counter() + self._round_seconds / 2
        while self._urgent and not transaction.is_spoiled:
            query = next(iter(self._urgent))
            if query.is_stale:
                self._run(query, transaction)
            del self._urgent[query]  # only now: if the database fails, it runs in the next round
            if time.perf_counter() > until:
                break
        for query in self._urgent:
            for subscription in self._subscribers[query]:
                self._backlog.setdefault(subscription)
        self._urgent.clear()

    def _run_backlog(self, transaction: OpenTransaction) -> None:
        """Run what is left of earlier rounds, always all queries of a subscription, those that waited longest first."""
        until = time.perf_counter() + self._round_seconds / 2
        while self._backlog and not transaction.is_spoiled:
            subscription = next(iter(self._backlog))
            if not self._move(subscription):
                for query in subscription.queries.values():
                    if query.is_stale and not transaction.is_spoiled:
                        self._run(query, transaction)
                if not subscription.is_complete():
                    return  # the snapshot is spoiled: this one comes first in the next
                del self._backlog[subscription]
                self._visits[subscription] = None
            if time.perf_counter() > until:
                break

    def _run(self, query: LiveQuery, transaction: OpenTransaction) -> None:
        if query.retry_at is not None:
            self._deferred[query] = None
            return
        try:
            has_changed = self._runner.run(query, transaction)
        except TransactionFailed:
            if query.retry_at is not None:  # once too often: its subscribers are told
                self._changed(query)
            raise
        if has_changed:
            self._changed(query)
        else:
            self._noted(query)

    def _changed(self, query: LiveQuery) -> None:
        """A query has another outcome."""
        self._noted(query)
        self._visits.update(self._subscribers[query])

    def _noted(self, query: LiveQuery) -> None:
        self._pin(query)
        self._index.replace(query, query.reads)
        for place, belongs in ((self._timed, query.refresh_at), (self._deferred, query.retry_at)):
            if belongs is not None:
                place[query] = None
            else:
                place.pop(query, None)

    def _pin(self, query: LiveQuery) -> None:
        """From now on its page ends where it does now. Who asks for the page without that gets a query of its own."""
        journal = query.outcome.journal if query.outcome is not None else None
        if journal is None or journal == query.call.key.journal:
            return
        del self.queries[query.call.key]
        query.call = query.call.with_journal(journal)
        if query.call.key in self.queries:
            query.call.set_apart()
        self.queries[query.call.key] = query

    def _deliver(self, time: SnapshotTime) -> None:
        """Give every subscription its values for which all its queries count in this snapshot."""
        visits, self._visits = self._visits, {}
        for subscription in visits:
            if subscription.is_closed:
                continue
            if subscription.deliver(time):
                self._move(subscription)
            else:
                self._backlog.setdefault(subscription)

    def _move(self, subscription: Subscriber) -> bool:
        """Give a subscription to another group, if it belongs there."""
        if self._is_misplaced is None or self._place is None or not self._is_misplaced(subscription):
            return False
        self._release(subscription)  # before: from then on it belongs to another thread
        self._place(subscription)
        return True
