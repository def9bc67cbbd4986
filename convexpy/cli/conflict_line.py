"""One line for a conflict between two mutations, and not one for each when they come in heaps."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from .output import one_line

if TYPE_CHECKING:
    from ..database.conflicts import ConflictRecord

ANOTHER: Final = "another transaction"
SHOWN_EVERY: Final = timedelta(seconds=10)
MINUTE: Final = timedelta(minutes=1)


class ConflictLines:
    """Counts conflicts by the functions that met, and says when a line is due."""

    def __init__(self) -> None:
        self._lately: dict[tuple[str, str | None, str | None], deque[tuple[datetime, int]]] = {}
        self._shown: dict[tuple[str, str | None, str | None], datetime] = {}

    def line(self, records: ConflictRecord) -> str | None:
        """``conflict  orders:place lost to stock:take on "items" …``. None: it was said a moment ago."""
        pair, now = (records.function, records.other, records.table), records.last_time
        lately = self._lately.setdefault(pair, deque())
        lately.append((now, records.times))
        while lately[0][0] <= now - MINUTE:
            lately.popleft()
        if pair in self._shown and now - self._shown[pair] < SHOWN_EVERY:
            return None
        self._shown[pair] = now
        times = sum(number for _, number in lately)
        where = f' on "{one_line(records.table)}"' if records.table else ""
        often = "once" if times == 1 else f"{times:,} times"
        met = f"{records.function} lost to {records.other or ANOTHER}{where}"
        return f"conflict   {met} and ran again ({often} in the last minute)"
