"""``convexpy live``: which queries are subscribed to, what they read, and what makes them run again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from .arguments import HERE, DatabaseOption, JsonOption, ProjectOption
from .opening import opened
from .output import duration, relative, show_json, show_table

if TYPE_CHECKING:
    from .._system.live import LiveQuery


def live(project: ProjectOption = HERE, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """List the live queries of all processes, those with the most runs first.

    RUNS counts all runs, SAME those that changed nothing, BY names what caused the last one.
    """
    from .._system import live as system

    with opened(project, database) as convex:
        found = convex.run(system.list)
    if as_json:
        show_json([query.to_json() for query in found])
        return
    now = datetime.now(UTC)
    columns = ("FUNCTION", "ARGUMENTS", "SUBSCRIBERS", "READS", "LAST RUN", "TAKES", "RUNS", "SAME", "BY", "PROCESS")
    show_table(columns, [live_row(query, now) for query in found], "Nobody has subscribed to a query.")


def live_row(query: LiveQuery, now: datetime) -> tuple[str, ...]:
    arguments = query.arguments if query.identity is None else f"{query.arguments} as {query.identity}"
    return (
        query.function,
        arguments,
        f"{query.subscribers:,}",
        ", ".join(query.reads) or "nothing",
        relative(query.last_run, now) if query.last_run else "never",
        duration(query.milliseconds / 1000) if query.milliseconds is not None else "",
        f"{query.runs:,}",
        f"{query.unchanged:,}",
        ", ".join(query.invalidated_by),
        str(query.process),
    )
