"""Conflicts between mutations: ``convexpy conflicts``, and the line of ``convexpy dev`` for each pair."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from .arguments import HERE, DatabaseOption, JsonOption, ProjectOption
from .opening import opened
from .output import one_line, relative, show_json, show_table

if TYPE_CHECKING:
    from .._system.conflicts import ConflictSummary
    from ..database.conflicts import ConflictRecord

SHOWN_EVERY: Final = timedelta(seconds=10)
MINUTE: Final = timedelta(minutes=1)


def conflicts(project: ProjectOption = HERE, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """List which functions lost to which, on which table, how often and when last.

    The most frequent first. A pair without a conflict for the retention of jobs is forgotten.
    """
    from .._system import conflicts as system

    with opened(project, database) as convex:
        found = convex.run(system.list)
    if as_json:
        show_json([conflict.to_json() for conflict in found])
        return
    now = datetime.now(UTC)
    columns = ("FUNCTION", "LOST TO", "TABLE", "TIMES", "LAST")
    show_table(columns, [conflict_row(conflict, now) for conflict in found], "No conflicts.")


def conflict_row(conflict: ConflictSummary, now: datetime) -> tuple[str, ...]:
    from ..database.conflict_advice import ANOTHER

    last = relative(conflict.last_time, now)
    return conflict.function, conflict.other or ANOTHER, conflict.table or "", f"{conflict.times:,}", last


class ConflictLines:
    """Counts conflicts by pair of functions and table. A pair that conflicts often gets a line every 10 seconds."""

    def __init__(self) -> None:
        self._last_minute: dict[tuple[str, str | None, str | None], deque[tuple[datetime, int]]] = {}
        self._shown: dict[tuple[str, str | None, str | None], datetime] = {}

    def line(self, conflict: ConflictRecord) -> str | None:
        """``conflict  orders:place lost to stock:take on "items" …``. None: its line was shown a moment ago."""
        from ..database.conflict_advice import ANOTHER

        pair, now = (conflict.function, conflict.other, conflict.table), conflict.last_time
        last_minute = self._last_minute.setdefault(pair, deque())
        last_minute.append((now, conflict.times))
        while last_minute[0][0] <= now - MINUTE:
            last_minute.popleft()
        if pair in self._shown and now - self._shown[pair] < SHOWN_EVERY:
            return None
        self._shown[pair] = now
        times = sum(number for _, number in last_minute)
        where = f' on "{one_line(conflict.table)}"' if conflict.table else ""
        often = "once" if times == 1 else f"{times:,} times"
        return (
            f"conflict   {conflict.function} lost to {conflict.other or ANOTHER}{where} and ran again "
            f"({often} in the last minute)"
        )
