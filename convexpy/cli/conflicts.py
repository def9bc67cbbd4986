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
    from ..database.conflicts import ConflictRecord


def conflicts(project: ProjectOption = HERE, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """List which functions lost to which, on which table, how often and when last.

    The most frequent first. A pair that has not met for the retention of jobs is forgotten.
    """
    with opened(project, database) as convex:
        found = convex.system.conflicts()
    if as_json:
        show_json([document(records) for records in found])
        return
    now = datetime.now(UTC)
    show_table(("FUNCTION", "LOST TO", "TABLE", "TIMES", "LAST"), [row(each, now) for each in found], "No conflicts.")


def row(records: ConflictRecord, now: datetime) -> tuple[str, ...]:
    last = relative(records.last_time, now)
    return records.function, records.other or ANOTHER, records.table or "", f"{records.times:,}", last


def document(records: ConflictRecord) -> dict[str, Any]:
    return {
        "function": records.function,
        "other": records.other,
        "table": records.table,
        "times": records.times,
        "lastTime": unix_milliseconds(records.last_time),
    }
