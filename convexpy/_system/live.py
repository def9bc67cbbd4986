"""``_system/live``: the live queries of all processes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Self

from ..database.live_summaries import WRITTEN_EVERY, read_summaries
from .context import SystemQueryCtx, system_query
from .document import Document, UnixTime


class LiveQuery(Document):
    """A live query of one process, as it was a few seconds ago."""

    process: int
    """The id of its process."""
    function: str
    arguments: str
    """As JSON, shortened if they are long."""
    identity: str | None
    """The subject as whom it runs. None: it does not ask, so all users share it."""
    subscribers: int
    reads: tuple[str, ...]
    """``messages (channel = a)``, ``users``, ``ctx.now``: what its value depends on."""
    last_run: UnixTime | None
    milliseconds: float | None
    """How long it takes."""
    runs: int
    unchanged: int
    """Of the runs, those that changed nothing."""
    invalidated_by: tuple[str, ...]
    """The functions whose commits made it run last."""
    error: str | None
    """What it raises. None: it has a value."""

    @classmethod
    def of(cls, process: int, summary: dict[str, Any]) -> Self:
        milliseconds = summary["lastRun"]
        last_run = None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)
        return cls(
            process=process,
            last_run=last_run,
            invalidated_by=tuple(summary["invalidatedBy"]),
            **{name: value for name, value in summary.items() if name not in ("lastRun", "invalidatedBy")},
        )


@system_query(refresh=WRITTEN_EVERY)
def list(ctx: SystemQueryCtx) -> Sequence[LiveQuery]:
    """The live queries of all processes, those with the most runs first; of each process at most 1,000."""
    found = [LiveQuery.of(process, summary) for process, summary in read_summaries(ctx.connection, ctx.now)]
    return sorted(found, key=lambda query: (-query.runs, query.function, query.arguments))
