"""Tell listeners that something was committed, here and in other processes. A hint: the tables are the truth."""

from __future__ import annotations

from collections.abc import Callable

from .notifier import Notifier
from .transaction import OpenTransaction


class CommitFeed:
    """Commits of this process reach every listener at once; those of others as soon as a signal comes."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier
        self._listeners: list[Callable[[], None]] = []
        self._elsewhere: dict[Callable[[], None], Callable[[], None]] = {}

    def listen(self, listener: Callable[[], None], elsewhere: Callable[[], None] | None = None) -> None:
        """Call this after every commit that scheduled something or freed room. It must return at once.

        Args:
            listener: What is called.
            elsewhere: What is called instead if it was another process that committed. It may take a moment.
        """
        self._listeners.append(listener)
        self._elsewhere[listener] = elsewhere or listener

    def forget(self, listener: Callable[[], None]) -> None:
        """Call it no more."""
        self._listeners.remove(listener)
        del self._elsewhere[listener]

    def announce(self, transaction: OpenTransaction | None = None) -> None:
        """A transaction of this process was committed. ``transaction``: it, if its connection is still at hand."""
        self._notifier.notify(transaction)
        self.tell_listeners()

    def tell_listeners(self) -> None:
        """A transaction of this process was committed."""
        for listener in tuple(self._listeners):
            listener()

    def _tell_of_others(self) -> None:
        for listener in tuple(self._elsewhere.values()):
            listener()

    def watch(self) -> None:
        """Begin to notice the commits of other processes."""
        self._notifier.listen(self._tell_of_others)

    def stop(self) -> None:
        """Notice them no more."""
        self._notifier.stop()
