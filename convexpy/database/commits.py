"""Tell listeners that something was committed, here and in other processes. A hint: the tables are the truth."""

from __future__ import annotations

from collections.abc import Callable

from .signals import Signals


class CommitFeed:
    """Commits of this process reach every listener at once; those of others as soon as a signal comes."""

    def __init__(self, signals: Signals) -> None:
        self._signals = signals
        self._listeners: list[Callable[[], None]] = []

    def listen(self, listener: Callable[[], None]) -> None:
        """Call this after every commit that scheduled something or freed room. It must return at once."""
        self._listeners.append(listener)

    def forget(self, listener: Callable[[], None]) -> None:
        """Call it no more."""
        self._listeners.remove(listener)

    def announce(self) -> None:
        """A transaction of this process was committed."""
        self.tell_listeners()
        self._signals.send()

    def tell_listeners(self) -> None:
        """A transaction was committed somewhere."""
        for listener in tuple(self._listeners):
            listener()

    def watch(self) -> None:
        """Begin to notice the commits of other processes."""
        self._signals.watch(self.tell_listeners)

    def stop(self) -> None:
        """Notice them no more."""
        self._signals.stop()
