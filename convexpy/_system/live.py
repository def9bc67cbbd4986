"""``_system/live``: the live queries of all processes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Self

from ..database.live_summaries import WRITTEN_EVERY, read_summaries
from .context import SystemQueryCtx, system_query
from .document import Document, UnixTime
from .live_advice import advice_for


class TableFootprint(Document):
    """What a query has read of one table: the rows with these values, or any row."""

    table: str
    is_whole: bool
    columns: tuple[str, ...]
    """The columns by which it selects."""
    keys: int
    """How many values of them."""
    conditions: tuple[str, ...]
    """``channel = a``; at most 20."""


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
    footprint: tuple[TableFootprint, ...]
    """The same, table by table."""
    reads_everything: bool
    """Whether it may have read any table."""
    refresh: float | None
    """Every how many seconds it runs again whatever was written."""
    next_refresh: UnixTime | None
    last_run: UnixTime | None
    milliseconds: float | None
    """How long it takes."""
    spent: float
    """How many milliseconds all its runs took."""
    runs: int
    unchanged: int
    """Of the runs, those that changed nothing."""
    invalidated_by: tuple[str, ...]
    """The functions whose commits made it run last."""
    error: str | None
    """What it raises. None: it has a value."""
    advice: tuple[str, ...]
    """What would make it cheaper."""

    @classmethod
    def of(cls, process: int, summary: dict[str, Any]) -> Self:
        parts = [TableFootprint.model_validate(part, by_alias=True) for part in summary.get("footprint", ())]
        return cls(
            process=process,
            function=summary["function"],
            arguments=summary["arguments"],
            identity=summary["identity"],
            subscribers=summary["subscribers"],
            reads=summary["reads"],
            footprint=tuple(parts),
            reads_everything=summary.get("readsEverything", False),
            refresh=summary.get("refresh"),
            next_refresh=time_of(summary.get("nextRefresh")),
            last_run=time_of(summary["lastRun"]),
            milliseconds=summary["milliseconds"],
            spent=summary.get("spent", 0.0),
            runs=summary["runs"],
            unchanged=summary["unchanged"],
            invalidated_by=tuple(summary["invalidatedBy"]),
            error=summary["error"],
            advice=tuple(advice_for(summary)),
        )


def time_of(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)


@system_query(refresh=WRITTEN_EVERY)
def list(ctx: SystemQueryCtx) -> Sequence[LiveQuery]:
    """The live queries of all processes, those with the most runs first; of each process at most 1,000."""
    found = [LiveQuery.of(process, summary) for process, summary in read_summaries(ctx.connection, ctx.now)]
    return sorted(found, key=lambda query: (-query.runs, query.function, query.arguments))
