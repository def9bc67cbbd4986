"""``Refresh``: all subscriptions of an app in this process, in groups by the speed of their queries."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from ..clock import Clock
from ..database.database import Database
from ..database.outage import Outage
from ..fork import in_child
from ..runtime.call import Call
from ..runtime.call_executor import CallExecutor
from ..settings import Settings
from .group import RefreshGroup
from .group_thread import GroupThread
from .live_call import LiveCall
from .query_set import QuerySet
from .runner import QueryRunner
from .speeds import FunctionSpeeds, Speed
from .subscription import SINGLE, Subscriber, Subscription
from .summary import SummaryThread
from .updates import Updates
from .version_clock import VersionClock

RELOAD: Final = "(reload)"
MOST_TRIALS: Final = 4


class Refresh:
    """Groups start with their first subscription and end with their last. A slow query delays only those of its group.

    A group has a thread, a connection to the database, and a position in the commit log of its own. A function whose
    speed is not known runs first in a trial: in one of some groups, one that is free if there is any.
    """

    def __init__(
        self, calls: CallExecutor, database: Database, settings: Settings, clock: Clock, *, is_dashboard: bool = False
    ) -> None:
        """``is_dashboard``: its queries only watch. They rest between rounds, and are no live queries of the app."""
        self._calls = calls
        self._is_dashboard = is_dashboard
        self._database = database
        self._settings = settings
        self._clock = clock
        self.versions = VersionClock()
        """Numbers the snapshots of all groups."""
        self._outage = Outage()
        self._speeds = FunctionSpeeds()
        self._mutex = threading.Lock()
        self._threads: dict[Speed | int, GroupThread] = {}
        """By the speed of their subscriptions, or by the number of a trial."""
        self._trials: dict[str, int] = {}
        """In which trial a function is, or was."""
        self._summary: SummaryThread | None = None
        self._ended: list[SummaryThread] = []
        self._is_closed = False
        in_child.add(self._begin_in_child)

    def subscribe_to(self, call: Call) -> Updates[Any]:
        """Subscribe to one query.

        Raises:
            CallNotAllowed: The function is no query.
        """
        return self._subscribe({SINGLE: call}, is_single=True)

    def subscribe_to_all(self, calls: Mapping[str, Call]) -> Updates[dict[str, Any]]:
        """Subscribe to several queries, whose values are always of one snapshot.

        Raises:
            CallNotAllowed: A function is no query.
        """
        return self._subscribe(calls, is_single=False)

    def new_query_set(self, wake: Callable[[], None]) -> QuerySet:
        """Open a query set, whose queries may change.

        Args:
            wake: Called when there are results to take, from any thread. It must return at once.
        """
        query_set = QuerySet(lambda: self._calls.app, wake)
        self._place(query_set)
        return query_set

    def reset(self, reason: str) -> None:
        """Run everything again: the app was reloaded, or something was written past the commit log."""
        for thread in self._all_threads():
            thread.group.reset(reason)
            thread.wake()

    def groups(self) -> list[RefreshGroup]:
        """The groups that have subscriptions."""
        return [thread.group for thread in self._all_threads()]

    @property
    def is_stuck(self) -> bool:
        """Whether a round does not end, so that its subscriptions get nothing new."""
        return any(thread.is_stuck for thread in self._all_threads())

    def close(self) -> None:
        """End every subscription, and every thread."""
        with self._mutex:
            self._is_closed = True
            threads = list(self._threads.values())
            summaries = [*self._ended, *([self._summary] if self._summary is not None else [])]
            self._summary, self._ended = None, []
        for thread in threads:
            for subscription in list(thread.group.subscriptions):
                subscription.end()
            thread.stop()
        for thread in threads:
            thread.join()
        for summary in summaries:
            summary.stop()
        for summary in summaries:
            summary.join()

    def _subscribe(self, calls: Mapping[str, Call], *, is_single: bool) -> Updates[Any]:
        app = self._calls.app
        live = {name: LiveCall(call, app) for name, call in calls.items()}
        subscription = Subscription(live, is_single=is_single)
        self._place(subscription)

        def leave() -> None:
            subscription.leave()
            for thread in self._all_threads():
                thread.group.remove_closed()
                thread.wake()

        return Updates(subscription.latest, leave, subscription.leave)

    def _place(self, subscription: Subscriber) -> None:
        """Let a subscription take part in the rounds of its group."""
        with self._mutex:
            if self._is_closed:
                subscription.end()
                return
            speed = self._speeds.group_of(subscription)
            place = self._trial_of(subscription) if speed is Speed.UNKNOWN else speed
            thread = self._threads.get(place)
            if thread is None:
                thread = self._threads[place] = self._start(speed, place)
            # Before it arrives. A change in between asks the group that it leaves, or this one, which looks anyway.
            subscription.visit = partial(visit, thread, subscription)
            thread.group.add(subscription)
            thread.wake()

    def _trial_of(self, subscription: Subscriber) -> int:
        """Where a subscription is tried: all of one function in the same trial, so that a slow one is in one only."""
        name = self._speeds.unknown(subscription)
        if name not in self._trials:
            free = (number for number in range(MOST_TRIALS) if number not in self._threads)
            self._trials[name] = next(free, len(self._trials) % MOST_TRIALS)
        return self._trials[name]

    def _all_threads(self) -> list[GroupThread]:
        with self._mutex:
            return list(self._threads.values())

    def _start(self, speed: Speed, place: Speed | int) -> GroupThread:
        thread = GroupThread(
            speed.value,
            self._settings,
            self._outage,
            lambda thread: self._may_end(place, thread),
            rests=self._is_dashboard,
        )
        group = RefreshGroup(
            self._database.live_reader,
            QueryRunner(self._calls, self._clock, self._speeds, checks=self._settings.live_check),
            self._clock,
            versions=self.versions,
            wake=thread.wake,
            is_misplaced=lambda subscription: self._speeds.group_of(subscription, speed) is not speed,
            place=self._place,
        )
        thread.start(group)
        if self._summary is None and not self._is_dashboard:
            self._summary = SummaryThread(self._database, self._clock, self.groups)
            self._summary.start()
        return thread

    def _may_end(self, place: Speed | int, thread: GroupThread) -> bool:
        with self._mutex:
            if not thread.group.is_empty:
                return False
            if self._threads.get(place) is thread:
                del self._threads[place]
            if self._summary is not None and not self._threads:
                self._summary.stop()
                self._ended = [each for each in (*self._ended, self._summary) if each.is_alive]
                self._summary = None
            return True

    def _begin_in_child(self) -> None:
        """In a child: what was subscribed to is the parent's. Its iterations end here."""
        left: list[Subscriber] = []
        for thread in self._threads.values():
            left += [*thread.group.subscriptions, *thread.group.arrivals]
        self._threads, self._summary, self._ended = {}, None, []
        self._mutex = threading.Lock()
        self.versions.begin_in_child()
        for subscription in left:
            subscription.end_in_child()


def visit(thread: GroupThread, subscriber: Subscriber) -> None:
    """Let a group look at a subscriber."""
    thread.group.visit(subscriber)
    thread.wake()
