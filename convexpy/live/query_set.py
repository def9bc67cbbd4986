"""``QuerySet``: the queries of one client, which come and go, with results that are all of one snapshot."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Hashable, Mapping
from typing import Any, NamedTuple

from ..errors import SubscriptionClosed
from ..functions.load import App
from ..runtime.call import Call
from .live_call import LiveCall
from .outcome import Outcome
from .subscription import SnapshotTime, Subscriber

Bind = Callable[[], Call]


class SetVersion(NamedTuple):
    """How many changes a query set has had: of its queries, and of its user."""

    query_set: int = 0
    identity: int = 0


class Change(NamedTuple):
    """What a client asks for next."""

    version: SetVersion
    removed: Collection[int]
    calls: Mapping[int, LiveCall]
    """Those that are new, and those that are made on behalf of another user from now on."""


class Results(NamedTuple):
    """What is different from what was taken before. All of it is of one snapshot, and what is left out is as before."""

    version: SetVersion
    """What the query set is like."""
    time: SnapshotTime
    changed: Mapping[int, Outcome]
    removed: Collection[int]


class QuerySet(Subscriber):
    """Changed and read by a client, from any thread, and kept up to date by the group to which it belongs.

    It keeps the newest results only: a client that is slow gets what has changed since it took the last ones.
    """

    def __init__(self, app: Callable[[], App], wake: Callable[[], None]) -> None:
        """``wake``: called when there are results to take, on the thread of a group. It must return at once."""
        super().__init__({})
        self._app = app
        self._wake = wake
        # Of the client, on its way to the group.
        self._changes: deque[Change] = deque()
        # Of the group.
        self._version = SetVersion()
        self._gone: list[int] = []
        # Of both.
        self._mutex = threading.Lock()
        self._newest: tuple[SetVersion, SnapshotTime, dict[int, Outcome]] | None = None
        self._removed: list[int] = []
        self._taken: dict[int, bytes] = {}
        self._has_ended = False

    # The client.

    def change(self, version: SetVersion, removed: Collection[int], binds: Mapping[int, Bind]) -> None:
        """Remove queries, and then add others, or let known ones be made anew, as another user.

        Args:
            version: What the query set is from then on. Results say which version they are of.
            removed: Their ids.
            binds: Makes the calls, by their ids. One that raises a ConvexError is a query that fails.
        """
        app = self._app()
        calls = {number: LiveCall.of_client(bind, app) for number, bind in binds.items()}
        self._changes.append(Change(version, removed, calls))
        self.request_visit()

    def take(self, is_wanted: Callable[[SnapshotTime], bool]) -> Results | None:
        """What has changed since results were taken last. None: there is nothing new.

        Args:
            is_wanted: Whether results of a snapshot may be taken. If not, they wait for those of a later one.

        Raises:
            SubscriptionClosed: There will be none, for the app is closed.
        """
        with self._mutex:
            if self._has_ended:
                raise SubscriptionClosed
            if self._newest is None or not is_wanted(self._newest[1]):
                return None
            (version, time, outcomes), self._newest = self._newest, None
            removed, self._removed = self._removed, []
            for number in removed:
                self._taken.pop(number, None)
            taken = self._taken
            changed = {number: each for number, each in outcomes.items() if taken.get(number) != each.digest}
            taken.update({number: outcome.digest for number, outcome in changed.items()})
            return Results(version, time, changed, removed)

    def close(self) -> None:
        """End it. There are no more results."""
        self.leave()
        self.request_visit()

    # The group.

    def change_calls(self) -> Collection[Hashable]:
        changed: set[int] = set()
        while self._changes:
            change = self._changes.popleft()
            for number in change.removed:
                self.calls.pop(number, None)
                self._gone.append(number)
            self.calls.update(change.calls)
            changed.update(change.removed, change.calls)
            self._version = change.version
        return changed

    def offer(self, outcomes: dict[Any, Outcome], time: SnapshotTime) -> None:
        with self._mutex:
            self._newest = self._version, time, outcomes
            self._removed += self._gone
        self._gone = []
        self._wake()

    def end(self) -> None:
        with self._mutex:
            self._has_ended = True
        self._wake()

    def end_in_child(self) -> None:
        self._mutex = threading.Lock()
        self._has_ended = True
