"""``convexpy conflicts``: which mutations were in each other's way, and had to run again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..clock import unix_milliseconds
from .conflict_line import ANOTHER
from .opening import opened
from .options import HERE, DatabaseOption, JsonOption, ProjectOption
from .output import show_json, show_table
from .times import relative

if TYPE_CHECKING:
    from ..database.conflicts import Losses


def conflicts(project: ProjectOption = HERE, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """List which functions lost to which, on which table, how often and when last.

    The most frequent first. A pair that has not met for the retention of jobs is forgotten.
    """
    with opened(project, database) as convex:
        found = convex.system.conflicts()
    if as_json:
        show_json([document(losses) for losses in found])
        return
    now = datetime.now(UTC)
    show_table(("FUNCTION", "LOST TO", "TABLE", "TIMES", "LAST"), [row(each, now) for each in found], "No conflicts.")


def row(losses: Losses, now: datetime) -> tuple[str, ...]:
    last = relative(losses.last_time, now)
    return losses.function, losses.other or ANOTHER, losses.table or "", f"{losses.times:,}", last


def document(losses: Losses) -> dict[str, Any]:
    return {
        "function": losses.function,
        "other": losses.other,
        "table": losses.table,
        "times": losses.times,
        "lastTime": unix_milliseconds(losses.last_time),
    }
