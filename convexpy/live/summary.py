"""``SummaryThread``: says every few seconds, in a table, what the live queries of this process are like."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Any, Final

from ..clock import Clock, unix_milliseconds
from ..database.database import Database
from ..database.live_summaries import MOST_QUERIES, WRITTEN_EVERY, Summary, remove_summary, write_summary
from ..database.read_set import ReadSet
from ..errors import text_of
from .group import RefreshGroup
from .query import LiveQuery

logger = logging.getLogger("convexpy.live")

FIRST_SECONDS: Final = 0.5
"""Until it says something for the first time: many a subscription is over by then."""
PATIENCE_SECONDS: Final = 20.0
MOST_CHARACTERS: Final = 200
MOST_PINS: Final = 20
"""Of one table, that are shown."""


class SummaryThread:
    """Runs while there are subscriptions."""

    def __init__(self, database: Database, clock: Clock, groups: Callable[[], list[RefreshGroup]]) -> None:
        self._database = database
        self._clock = clock
        self._groups = groups
        self._process = secrets.token_hex(16)
        self._has_ended = threading.Event()
        self._has_written = False
        self._thread = threading.Thread(target=self._run, name="convexpy-live-summary", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Remove what was said. It returns at once."""
        self._has_ended.set()

    def join(self) -> None:
        """Return when it is removed, or the database does not answer."""
        self._thread.join(PATIENCE_SECONDS)

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        seconds = FIRST_SECONDS
        while not self._has_ended.wait(seconds):
            seconds = WRITTEN_EVERY.total_seconds()
            try:
                found = list(islice(self._summaries(), MOST_QUERIES))
                with self._database.write_internal() as connection:
                    self._has_written = True
                    write_summary(connection, self._process, self._clock.now(), found)
            except Exception as error:  # the database is away, which others say
                logger.debug("what live queries there are could not be written: %s", text_of(error))
        if self._has_written:
            with suppress(Exception), self._database.write_internal() as connection:
                remove_summary(connection, self._process)

    def _summaries(self) -> Iterator[Summary]:
        for group in self._groups():
            for query in list(group.queries.values()):
                yield summary_of(query, group.subscribers(query))


def summary_of(query: LiveQuery, subscribers: int) -> Summary:
    """A live query as JSON."""
    identity, last_run = query.call.key.identity, query.last_run
    return {
        "function": query.call.name,
        "arguments": shortened(query.call.arguments or "…"),
        "identity": identity.subject if identity is not None and query.depends.identity else None,
        "subscribers": subscribers,
        "reads": reads_of(query),
        "footprint": footprint_of(query.reads),
        "readsEverything": query.reads.everything,
        "readsNow": query.depends.now,
        "refresh": query.depends.refresh.total_seconds() if query.depends.refresh is not None else None,
        "nextRefresh": unix_milliseconds(query.refresh_at) if query.refresh_at is not None else None,
        "lastRun": unix_milliseconds(last_run) if last_run is not None else None,
        "milliseconds": None if query.seconds is None else round(query.seconds * 1000, 3),
        "spent": round(query.spent * 1000, 3),
        "runs": query.runs,
        "unchanged": query.unchanged,
        "invalidatedBy": list(query.invalidated_by),
        "error": shortened(text_of(query.outcome.error)) if query.outcome and query.outcome.error else None,
    }


def reads_of(query: LiveQuery) -> list[str]:
    """``messages (channel = a)``, ``users``: what a query depends on, as people read it."""
    found = tables_of(query.reads)
    if query.depends.now:
        found.append("ctx.now")
    if query.depends.refresh is not None:
        found.append(f"refresh={query.depends.refresh.total_seconds():g} s")
    return found


def tables_of(reads: ReadSet) -> list[str]:
    found = ["everything"] if reads.everything else []
    for table, pins in sorted(reads.tables.items()):
        if pins is None:
            found.append(table)
        else:
            rows = sorted(f"{column} = {value}" for column, value in pins)
            found.append(shortened(f"{table} ({' or '.join(rows) or 'no rows'})"))
    return found


def footprint_of(reads: ReadSet) -> list[dict[str, Any]]:
    """What was read of each table: its rows with these values, or any row."""
    found = []
    for table, pins in sorted(reads.tables.items()):
        known = sorted(pins or (), key=str)
        found.append(
            {
                "table": table,
                "isWhole": pins is None,
                "columns": sorted({column for column, _ in known}),
                "keys": len(known),
                "conditions": [shortened(f"{column} = {value}") for column, value in known[:MOST_PINS]],
            }
        )
    return found


def shortened(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}…"
