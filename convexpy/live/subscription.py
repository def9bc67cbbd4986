"""``Subscription``: the queries of one subscriber, whose values are always of one snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .live_call import LiveCall
from .outcome import digest_of
from .query import LiveQuery
from .updates import Latest, Update

SINGLE: Final = ""
"""The name of the query of a subscription that has only one, and delivers its value as it is."""


class Subscription:
    """What one subscriber wants. It belongs to one group at a time, on whose thread its queries are."""

    def __init__(self, calls: Mapping[str, LiveCall], *, is_single: bool) -> None:
        """``calls``: by the names under which their values are delivered."""
        self.calls = calls
        self.is_single = is_single
        self.queries: dict[str, LiveQuery] = {}
        self.latest = Latest()
        self.is_closed = False
        self.seconds: float | None = None
        """How long the slowest of its queries takes. None: that is not known of each."""

    def deliver(self) -> bool:
        """Offer the outcomes of its queries, unless one of them has to run before. Whether that was possible."""
        outcomes = {}
        for name, query in self.queries.items():
            if not query.is_current or query.outcome is None:
                return False
            outcomes[name] = query.outcome
        if self.is_single:
            self.latest.offer(Update(*next(iter(outcomes.values()))))
            return True
        failed = next((outcome for outcome in outcomes.values() if outcome.error is not None), None)
        digest = digest_of(b"".join(outcome.digest for outcome in outcomes.values()))
        if failed is not None:
            self.latest.offer(Update(None, failed.error, failed.trace, digest))
        else:
            values = {name: outcome.value for name, outcome in outcomes.items()}
            self.latest.offer(Update(values, None, None, digest))
        return True

    def is_complete(self) -> bool:
        """Whether none of its queries has to run."""
        return all(query.is_current for query in self.queries.values())

    def leave(self) -> None:
        """From now on it takes no part in rounds. It takes no lock: garbage collection calls it, on any thread."""
        self.is_closed = True
