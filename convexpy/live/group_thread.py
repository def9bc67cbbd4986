"""``GroupThread``: makes the rounds of a group, one after the other, for as long as it has subscriptions."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from ..database.errors import is_internal
from ..database.outage import Outage
from ..errors import LiveCheckError
from ..runtime.transaction import TransactionFailed
from ..settings import Settings
from .group import RefreshGroup

logger = logging.getLogger("convexpy.live")

POLL_SECONDS: Final = 1.0
"""After this long without a hint it looks all the same."""
SHORTEST_REST: Final = 0.1
LONGEST_REST: Final = 5.0
REST_FACTOR: Final = 3
"""A group that rests works for at most a quarter of the time."""
LONGEST_PAUSE: Final = timedelta(seconds=5)
PATIENCE_SECONDS: Final = 20.0
STUCK_SECONDS: Final = 60.0
"""A round that has taken so much longer than a query may take may never end."""


class GroupThread:
    """A round follows the one before at once if it has work to do, and waits for a hint if it has none."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        outage: Outage,
        may_end: Callable[[GroupThread], bool],
        *,
        rests: bool = False,
    ) -> None:
        """Make a thread that does not run yet.

        Args:
            name: What its queries have in common.
            settings: With the time limit of queries.
            outage: Notified when the database fails.
            may_end: Asked when the group is empty: it is false if a subscription is on its way.
            rests: Whether it pauses after each round for a multiple of the round's time, whatever waits.
        """
        self._rests = rests
        self._name = name
        self._settings = settings
        self._outage = outage
        self._may_end = may_end
        self._awake = threading.Event()
        self._is_stopping = False
        self._has_to_end = threading.Event()
        self._thread: threading.Thread | None = None
        self._round_began: float | None = None
        self.group: RefreshGroup

    def start(self, group: RefreshGroup) -> None:
        self.group = group
        self._thread = threading.Thread(target=self._run, name=f"convexpy-live-{self._name}", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Look now. From any thread, and never lost: if a round is under way, another one follows."""
        self._awake.set()

    @property
    def is_stuck(self) -> bool:
        """Whether a round of it does not end."""
        began, longest = self._round_began, self._settings.query_time_limit.total_seconds() + STUCK_SECONDS
        return began is not None and time.monotonic() - began > longest

    def stop(self) -> None:
        """End it. It closes its group."""
        self._is_stopping = True
        self._has_to_end.set()
        self._awake.set()

    def join(self) -> None:
        """Return when it has ended, or a query takes so long that it may never end."""
        if self._thread is None or self._thread is threading.current_thread():
            return
        self._thread.join(PATIENCE_SECONDS)
        if self._thread.is_alive():
            logger.warning("the thread of %s live queries does not end and is left behind", self._name)

    def _run(self) -> None:
        failures = 0
        try:
            while not self._is_stopping:
                self._awake.clear()
                if self.group.is_empty and self._may_end(self):
                    return
                self._round_began = began = time.monotonic()
                try:
                    goes_on = self.group.round()
                    failures = 0
                    self._outage.answered()
                except LiveCheckError as error:
                    logger.error("%s", error)
                    goes_on = True
                except Exception as error:
                    failures += 1
                    self._note_failure(failures, error)
                    continue
                finally:
                    self._round_began = None
                if self._rests:
                    self._has_to_end.wait(rest_after(time.monotonic() - began))
                if not goes_on and not self.group.is_empty:
                    self._awake.wait(min(POLL_SECONDS, self.group.seconds_to_wait()))
        finally:
            try:
                self.group.close()
            except Exception:
                logger.exception("a reader of live queries could not be closed")

    def _note_failure(self, failures: int, error: Exception) -> None:
        """Begin again after a pause. Subscribers see nothing of it but that their values come later."""
        cause = error.error if isinstance(error, TransactionFailed) else error
        seconds = self._settings.backoff(failures, longest=LONGEST_PAUSE).total_seconds()
        text = f"live queries ({self._name}) failed and go on in {seconds:.1f} s"
        if is_internal(cause):
            self._outage.failed(text, cause)
        else:
            logger.error(text, exc_info=cause)
        try:
            self.group.start_over()
        except Exception:
            logger.exception("a reader of live queries could not be closed")
        if not self._is_stopping:
            self._awake.wait(seconds)


def rest_after(seconds: float) -> float:
    """How long a group rests after a round that took so long."""
    return min(max(SHORTEST_REST, REST_FACTOR * seconds), LONGEST_REST)
