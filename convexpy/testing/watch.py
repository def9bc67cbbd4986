"""``convex.watch(…)``: a live query in a test, run in the thread and the time of the test."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar, cast

from ..app import Convex
from ..errors import LiveCheckError
from ..live.group import RefreshGroup
from ..live.live_call import LiveCall
from ..live.runner import QueryRunner
from ..live.speeds import FunctionSpeeds
from ..live.subscription import SINGLE, Subscription
from ..live.updates import Update, value_of
from ..runtime.call import Call

R_co = TypeVar("R_co", covariant=True)

MOST_FAILURES: Final = 10
MOST_REFRESHS: Final = 1000
"""How often one ``advance`` runs queries with ``refresh`` again."""


class Watch(Generic[R_co]):
    """A live query under test. What the test commits, and the time that it lets pass, give it new values."""

    def __init__(self, subscription: Subscription, look: Callable[[], None]) -> None:
        self._subscription = subscription
        self._look = look
        self._last: Update | None = None
        self._values: list[Any] = []

    @property
    def value(self) -> R_co:
        """The value now. It raises what the query raises."""
        self._look()
        assert self._last is not None
        return cast(R_co, value_of(self._last))

    @property
    def values(self) -> list[R_co]:
        """All values so far, the first one included: each differs from the one before.

        A time in which the query raised leaves nothing here; the value after it is there, whether it differs or not.
        """
        self._look()
        return list(self._values)

    def close(self) -> None:
        """Watch it no more."""
        self._subscription.leave()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def collect(self) -> None:
        """Take over what the last round gave."""
        update = self._subscription.latest.newest()
        if update is None:
            return
        self._last = update
        if update.error is None:
            self._values.append(update.value)


class Watches:
    """The live queries of a test. A round of theirs runs when the test asks for it."""

    def __init__(self, convex: Convex) -> None:
        self._convex = convex
        self._watches: list[Watch[Any]] = []
        self._is_looking = False
        runner = QueryRunner(convex.calls, convex.clock, FunctionSpeeds(), checks=convex.settings.live_check)
        self._group = RefreshGroup(convex.database.live_reader, runner, convex.clock, round_seconds=float("inf"))

    def watch(self, call: Call) -> Watch[Any]:
        """Watch a query.

        Raises:
            CallNotAllowed: The function is no query.
        """
        subscription = Subscription({SINGLE: LiveCall(call, self._convex.app)}, is_single=True)
        watch: Watch[Any] = Watch(subscription, self.look)
        self._watches.append(watch)
        self._group.add(subscription)
        self.look()
        return watch

    def reset(self, reason: str) -> None:
        """Something was written past the commit log."""
        self._group.reset(reason)

    def look(self) -> None:
        """Run what was touched since the last time.

        Raises:
            LiveCheckError: A value has changed although no commit touched what the query read.
        """
        if self._group.is_empty or self._is_looking:
            return
        self._is_looking = True
        try:
            self._group.remove_closed()
            self._run_rounds()
        finally:
            self._is_looking = False

    def next_moment(self) -> datetime | None:
        """When a query with ``refresh`` runs again."""
        now = self._convex.clock.now()
        moments = [query.refresh_at for query in self._group.queries.values() if query.refresh_at is not None]
        return min((moment for moment in moments if moment > now), default=None)

    def close(self) -> None:
        self._group.close()

    def _run_rounds(self) -> None:
        failures = 0
        while True:
            try:
                goes_on = self._group.round()
            except LiveCheckError:
                raise
            except Exception:
                failures += 1
                self._group.start_over()
                if failures >= MOST_FAILURES:
                    raise
                goes_on = True
            finally:
                for watch in self._watches:
                    watch.collect()
            if not goes_on:
                return
