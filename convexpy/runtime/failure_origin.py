"""Where a failure comes from: a function, an exception, and a line of the user's code. Failures are grouped by it.

All of it is in the text that a failed job's row keeps, so the jobs of a group are found by their errors.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final, NamedTuple

AT: Final = "\n  at "
"""What ``events.describe`` puts before the line of the user's code."""
PROCESS_ENDED: Final = "ProcessEnded"
"""In place of an exception: the process died, or was stopped before an action had finished."""


class FailureOrigin(NamedTuple):
    """By which failures are grouped."""

    function: str
    exception: str
    """The name of its class; of a ``ConvexError`` its code."""
    place: str | None
    """Such as ``/app/shop/orders.py:12 in place``. None: no line of the user's code raised it."""

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits."""
        return blake2b("\0".join((self.function, self.exception, self.place or "")).encode(), digest_size=8).hexdigest()


def origin_of(function: str, error: str) -> tuple[FailureOrigin, str]:
    """The origin and the message of a failure.

    Args:
        function: The function that failed.
        error: As ``events.describe`` puts it.
    """
    text, at, place = error.rpartition(AT)
    if not at or "\n" in place:
        text, place = error, ""
    exception, colon, message = text.partition(": ")
    if not colon:
        exception, message = text, ""
    if " " in exception or "\n" in exception:
        exception, message = PROCESS_ENDED, text
    return FailureOrigin(function, exception, place or None), message
