"""The claims that one thread has: those that it has begun in one transaction, and those that follow."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..database.jobs import Claim
from ..runtime.call import Call
from .turns import Turn


@dataclass(eq=False)
class Member:
    """A claim on its way."""

    claim: Claim
    call: Call | None = None
    # Not to be tried together with others again.
    alone: bool = False
    # The answer to a COMMIT that it was part of was lost.
    maybe_done: bool = False
    began: float = 0.0
    seconds: float = 0.0


class Company:
    """What a thread works on. Others look at it when that takes too long, and take away what was not begun."""

    def __init__(self, claims: Iterable[Claim], on_late: Callable[[], None]) -> None:
        self._on_late = on_late
        self.rest = deque(Member(claim) for claim in claims)
        self.begun: list[Member] = []
        self.late_since: float | None = None
        self.turn: Turn | None = None
        # Its thread is given up: what it still does counts for nothing.
        self.is_abandoned = False
        self._mutex = threading.Lock()

    def begin(self) -> Member | None:
        """The next one's turn."""
        with self._mutex:
            if self.is_abandoned or not self.rest:
                return None
            member = self.rest.popleft()
            self.begun.append(member)
        member.began = time.monotonic()
        return member

    def end(self) -> list[Member]:
        """What was begun is over."""
        with self._mutex:
            begun, self.begun = self.begun, []
            self.late_since = None
        return begun

    def again(self, members: list[Member]) -> None:
        """These come next, once more."""
        with self._mutex:
            for member in members:
                member.call = None  # a handler may have changed its arguments
            self.rest.extendleft(reversed(members))

    def later(self, member: Member) -> None:
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

    def take_rest(self) -> list[Member]:
        """Take away what was not begun."""
        with self._mutex:
            rest = list(self.rest)
            self.rest.clear()
            return rest

    def abandon(self) -> tuple[Member | None, list[Member]]:
        """Give up the thread. What it hangs in, and what others have to run."""
        with self._mutex:
            self.is_abandoned = True
            begun, self.begun = self.begun, []
            others = [*begun[:-1], *self.rest]
            self.rest.clear()
        if self.turn is not None:
            self.turn.give_back()  # its thread may never come back to do so
        return (begun[-1] if begun else None), others
