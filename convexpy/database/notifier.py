"""Notifications between the processes that share a database. They are hints: the tables are the truth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class Notifier(Protocol):
    """Tells other processes of commits, and receives their notifications."""

    def notify(self, driver: Any = None) -> None:
        """Notify other processes of a commit. Returns at once and never raises.

        Args:
            driver: The driver's connection that has just committed: it may carry the notification.
        """
        ...

    def listen(self, callback: Callable[[], None]) -> None:
        """Start a thread that calls ``callback`` after commits of other processes."""
        ...

    def stop(self) -> None:
        """Stop listening."""
        ...

    def close(self) -> None:
        """Stop listening, and send what is pending."""
        ...


class NullNotifier:
    """Sends and receives nothing, for servers and poolers without LISTEN: commits of others are found by polling."""

    def notify(self, driver: Any = None) -> None:
        return

    def listen(self, callback: Callable[[], None]) -> None:
        return

    def stop(self) -> None:
        return

    def close(self) -> None:
        return
