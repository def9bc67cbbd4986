"""The claims that one thread has: those that it has begun in one transaction, and those that follow."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..database.claim import Claim
from ..runtime.call import Call


@dataclass(eq=False)
class BatchItem:
    """A claim on its way."""

    claim: Claim
    call: Call | None = None
    # Not to be tried together with others again.
    alone: bool = False
    # Others were in the way, again and again.
    met_conflicts: bool = False
    # The answer to a COMMIT that it was part of was lost.
    maybe_done: bool = False
    began: float = 0.0
    seconds: float = 0.0


class Batch:
    """What a thread works on. Others look at it when that takes too long, and take away what was not begun."""

    def __init__(self, claims: Iterable[Claim], on_late: Callable[[], None]) -> None:
        self._on_late = on_late
        self.rest = deque(BatchItem(claim) for claim in claims)
        self.begun: list[BatchItem] = []
        self.late_since: float | None = None
        # Its thread is given up: what it still does counts for nothing.
        self.is_abandoned = False
        self._mutex = threading.Lock()

    def next(self) -> BatchItem | None:
        """Whose turn it will be."""
        with self._mutex:  # what is not begun may be taken away at any moment
            return self.rest[0] if self.rest else None

    def begin(self) -> BatchItem | None:
        """The next one's turn."""
        with self._mutex:
            if self.is_abandoned or not self.rest:
                return None
            member = self.rest.popleft()
            self.begun.append(member)
        member.began = time.monotonic()
        return member

    def end(self) -> list[BatchItem]:
        """What was begun is over."""
        with self._mutex:
            begun, self.begun = self.begun, []
            self.late_since = None
        return begun

    def again(self, members: list[BatchItem]) -> None:
        """These come next, once more."""
        with self._mutex:
            for member in members:
                member.call = None  # a handler may have changed its arguments
            self.rest.extendleft(reversed(members))

    def later(self, member: BatchItem) -> None:
        """This one comes last, once more."""
        with self._mutex:
            member.call = None
            self.rest.append(member)

    def note_late(self) -> None:
        """The time of the handler that runs is up: its transaction is rolled back, and it was told to stop."""
        self.late_since = time.monotonic()
        self._on_late()

    def running_seconds(self) -> float:
        """For how long the handler that runs has been running."""
        with self._mutex:
            return time.monotonic() - self.begun[-1].began if self.begun else 0.0

    def take_rest(self) -> list[BatchItem]:
        """Take away what was not begun."""
        with self._mutex:
            rest = list(self.rest)
            self.rest.clear()
            return rest

    def is_late(self, seconds: float) -> bool:
        """Whether a handler was told to stop for so long already, and did not."""
        late = self.late_since
        return late is not None and time.monotonic() - late >= seconds

    def abandon_if_late(self, seconds: float) -> tuple[BatchItem, list[BatchItem]] | None:
        """Give up the thread, unless its handler has come back. What it hangs in, and what others have to run."""
        with self._mutex:
            if not self.begun or not self.is_late(seconds):
                return None
            culprit = self.begun.pop()
            return culprit, self._give_up()

    def abandon(self) -> list[BatchItem]:
        """Give up the thread, and all that it has."""
        with self._mutex:
            return self._give_up()

    def _give_up(self) -> list[BatchItem]:
        self.is_abandoned = True
        left = [*self.begun, *self.rest]
        self.begun = []
        self.rest.clear()
        return left
