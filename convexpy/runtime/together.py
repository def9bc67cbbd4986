"""Several scheduled mutations in one transaction: one after the other, each with a session of its own, one COMMIT.

Nothing is shared but the transaction. All of them happen, or none does; then each may be run again, and is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from ..database import jobs
from ..database.claim import Claim
from ..database.errors import is_conflict
from ..database.transaction import OpenTransaction
from .call import Call, Calls, Done, internal_cause, is_maybe_committed
from .conflicts import AttemptRecorder
from .own_claims import OwnClaims
from .transaction import JobLost

# What waits for this transaction, a direct call among it, waits for about so long.
MOST_SECONDS: Final = 0.02


class NotBatchable(Exception):
    """A call looked at the jobs, or set something for its whole transaction: it must not share one."""


class BatchFailed(Exception):
    """Nothing of a shared transaction was committed.

    Attributes:
        cause: The database's error, or else the error of the call in whose turn it happened.
        place: Which call's turn it was, counted from 0. None: it happened at the end, to all of them.
        is_internal: The database is to blame, not a call.
    """

    def __init__(self, error: BaseException, held: OpenTransaction | None, place: int | None) -> None:
        super().__init__(str(error))
        cause = internal_cause(error, held)
        self.cause = cause or error
        self.place = place
        self.is_internal = cause is not None
        self.is_conflict = cause is not None and is_conflict(cause)


class Together:
    """Runs calls of mutations in one transaction."""

    def __init__(self, calls: Calls, most_seconds: float | None = None) -> None:
        self._calls = calls
        self._most_seconds = most_seconds

    def attempt(self, members: Iterable[tuple[Call, Claim]], on_late: Callable[[], None]) -> list[Done]:
        """Run calls that jobs were claimed for, until the time is over, and commit them and the ends of their jobs.

        Each call is taken from ``members`` when its turn comes, the first at least. What is not taken was not run.

        Raises:
            BatchFailed: None of them has happened.
        """
        done: list[Done] = []
        tryings: dict[str, AttemptRecorder] = {}
        held: OpenTransaction | None = None
        own_claims = OwnClaims(self._calls.places)
        place: int | None = None
        try:
            with self._calls.database.write() as held:
                claims: list[Claim] = []
                until = time.monotonic() + (MOST_SECONDS if self._most_seconds is None else self._most_seconds)
                for place, (call, claim) in enumerate(members):  # noqa: B007, the error needs to know
                    self._begin(call, held, tryings)
                    ended = self._calls.settle(call, held, own_claims, left_to_the_end, on_late)
                    if held.not_batchable and done:
                        raise NotBatchable(f"{call.function.name} has to be alone in its transaction")
                    claims.append(claim)
                    done.append(ended)
                    if held.not_batchable or time.monotonic() >= until:
                        break
                place = None
                if claims and not jobs.finish_all(held.connection, claims, self._calls.clock.now()):
                    raise JobLost
                held.commit()
                scheduled = sum(len(each.scheduled) for each in done)
                own_claims.tell(scheduled, partial(self._calls.feed.announce, held))
        except BaseException as error:
            own_claims.undone(maybe=is_maybe_committed(error, held))
            for trying in tryings.values():
                trying.failed(error, held)
            raise BatchFailed(error, held, place) from error
        for trying in tryings.values():
            trying.committed()
        own_claims.enter()
        return done

    def _begin(self, call: Call, held: OpenTransaction, tryings: dict[str, AttemptRecorder]) -> None:
        """A call's turn begins. What it says is noted under its own name."""
        name = call.function.name
        trying = tryings.get(name)
        if trying is None:
            trying = tryings[name] = self._calls.conflicts.trying(name)
            held.statements = set()
            trying.holds(held)
        held.statements = trying.statements


def left_to_the_end() -> bool:
    """The jobs of all calls are ended by one statement, before COMMIT."""
    return True
