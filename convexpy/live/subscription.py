"""``Subscriber``: what takes part in rounds. ``Subscription``: the queries of an iteration, always of one snapshot."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Hashable, Mapping
from typing import Any, Final, NamedTuple

from .live_call import LiveCall
from .outcome import Outcome, digest_of
from .query import LiveQuery
from .updates import Latest, Update

SINGLE: Final = ""
"""The name of the query of a subscription that has only one, and delivers its value as it is."""


class SnapshotTime(NamedTuple):
    """When the snapshot of a round was opened, in numbers of the ``VersionClock``."""

    before: int
    after: int


def nothing() -> None:
    """There is no group yet."""


class Subscriber(ABC):
    """Calls whose values are wanted together. It belongs to one group at a time, on whose thread its queries are."""

    def __init__(self, calls: Mapping[Any, LiveCall]) -> None:
        """``calls``: by the names under which their values are delivered."""
        self.calls: dict[Any, LiveCall] = dict(calls)
        self.queries: dict[Any, LiveQuery] = {}
        self.is_closed = False
        self.visit: Callable[[], None] = nothing
        """Lets the group to which it belongs look at it. Another one after a move, so it is not to be kept."""

    def request_visit(self) -> None:
        """Let its group look at it in the next round: it has changed, or wants its values. From any thread."""
        self.visit()

    def change_calls(self) -> Collection[Hashable]:
        """Change ``calls`` as it was asked for, on the thread of its group. The names that now stand for others."""
        return ()

    def deliver(self, time: SnapshotTime) -> bool:
        """Offer the outcomes of its queries, unless one of them has to run before. Whether that was possible."""
        outcomes = {}
        for name, query in self.queries.items():
            if not query.is_current or query.outcome is None:
                return False
            outcomes[name] = query.outcome
        self.offer(outcomes, time)
        return True

    @abstractmethod
    def offer(self, outcomes: dict[Any, Outcome], time: SnapshotTime) -> None:
        """Give the subscriber the outcomes of all its queries in one snapshot."""

    @abstractmethod
    def end(self) -> None:
        """There will be no more values: the app is closed."""

    @abstractmethod
    def end_in_child(self) -> None:
        """The same in a child, where nobody else may hold a lock."""

    def is_complete(self) -> bool:
        """Whether none of its queries has to run."""
        return all(query.is_current for query in self.queries.values())

    def leave(self) -> None:
        """From now on it takes no part in rounds. It takes no lock: garbage collection calls it, on any thread."""
        self.is_closed = True


class Subscription(Subscriber):
    """What is iterated: one value, or several by their names."""

    def __init__(self, calls: Mapping[str, LiveCall], *, is_single: bool) -> None:
        """``calls``: by the names under which their values are delivered."""
        super().__init__(calls)
        self.is_single = is_single
        self.latest = Latest()

    def offer(self, outcomes: dict[Any, Outcome], time: SnapshotTime) -> None:
        if self.is_single:
            (outcome,) = outcomes.values()
            self.latest.offer(Update(outcome.value, outcome.error, outcome.trace, outcome.digest))
            return
        failed = next((outcome for outcome in outcomes.values() if outcome.error is not None), None)
        digest = digest_of(b"".join(outcome.digest for outcome in outcomes.values()))
        if failed is not None:
            self.latest.offer(Update(None, failed.error, failed.trace, digest))
        else:
            values = {name: outcome.value for name, outcome in outcomes.items()}
            self.latest.offer(Update(values, None, None, digest))

    def end(self) -> None:
        self.latest.close()

    def end_in_child(self) -> None:
        self.latest.close_in_child()
