"""How the commits of other processes are heard of. Hints, all of them: the tables are the truth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class Notifier(Protocol):
    """A way between the processes that share a database."""

    def send(self, driver: Any = None) -> None:
        """Tell other processes that something was committed here. Returns at once, and never fails.

        Args:
            driver: The driver's connection that has just committed: the notification may use it.
        """
        ...

    def watch(self, heard: Callable[[], None]) -> None:
        """Begin to listen, on a thread of its own, and call ``heard`` when another process has committed."""
        ...

    def stop(self) -> None:
        """Listen no more."""
        ...

    def close(self) -> None:
        """Listen no more, and say no more."""
        ...
