"""A fork waits until no transaction is open: SQLite keeps locks for the whole process, and they are not a child's."""

from __future__ import annotations

import threading
import time
from typing import Final

from ..transaction import OpenTransaction

PATIENCE_SECONDS: Final = 1.0
PAUSE_SECONDS: Final = 0.0005


class Use:
    """The use of SQLite by one thread, for one transaction."""

    __slots__ = ("thread", "transaction")

    def __init__(self) -> None:
        self.thread: Final = threading.get_ident()
        self.transaction: OpenTransaction | None = None


class ForkGate:
    """What every use of SQLite passes. It is closed for the moment of a fork."""

    def __init__(self) -> None:
        self._uses: set[Use] = set()
        self._is_closed = False

    def enter(self) -> Use:
        """Begin a use, after a fork that is under way."""
        use = Use()
        while True:
            # A use is added before the gate is looked at, and the gate is closed before the uses are: so one sees the
            # other, and the usual case takes no lock.
            self._uses.add(use)
            if not self._is_closed:
                return use
            self._uses.discard(use)
            time.sleep(PAUSE_SECONDS)

    def leave(self, use: Use) -> None:
        self._uses.discard(use)

    def close(self) -> bool:
        """Let no further use begin, and wait for those that have. False: some go on, or this very thread's does."""
        self._is_closed = True
        deadline = time.monotonic() + PATIENCE_SECONDS
        while uses := tuple(self._uses):
            if time.monotonic() >= deadline or any(use.thread == threading.get_ident() for use in uses):
                return False
            time.sleep(PAUSE_SECONDS)
        return True

    def open(self) -> None:
        self._is_closed = False

    def inherited(self) -> list[Use]:
        """In a child: the uses that its parent goes on with."""
        uses, self._uses = list(self._uses), set()
        self._is_closed = False
        return uses
