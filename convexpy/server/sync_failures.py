"""``QueryFailures``: errors of live queries as clients read them, made and logged once for all sockets."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from ..live.outcome import Outcome
from .envelope import describe, log_failure
from .sync_frames import encoded_failure

MOST_KEPT: Final = 1000


class QueryFailures:
    """Used on one event loop."""

    def __init__(self, *, debug: bool) -> None:
        """``debug``: whether errors are shown in full."""
        self._debug = debug
        self._known: OrderedDict[str, bytes] = OrderedDict()

    def encoded(self, outcome: Outcome, path: str) -> bytes:
        """The error of a query, under one id for all sockets, which the log has too."""
        found = self._known.get(outcome.request_id)
        if found is None:
            assert outcome.error is not None
            log_failure(outcome.error, outcome.request_id, path)
            found = encoded_failure(describe(outcome.error, outcome.request_id, debug=self._debug))
            self._known[outcome.request_id] = found
            if len(self._known) > MOST_KEPT:
                self._known.popitem(last=False)
        return found
