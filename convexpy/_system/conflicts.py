"""``_system/conflicts``: which mutations conflicted, and had to run again."""

from __future__ import annotations

from collections.abc import Sequence

from ..database.conflicts import list_conflicts
from .context import LOOKED_EVERY, SystemQueryCtx, system_query
from .document import Document, UnixTime


class ConflictSummary(Document):
    """``function`` lost to ``other`` on ``table``, so many times. None: it is not known."""

    function: str
    other: str | None
    table: str | None
    times: int
    last_time: UnixTime


@system_query(refresh=LOOKED_EVERY)
def list(ctx: SystemQueryCtx) -> Sequence[ConflictSummary]:
    """Which functions lost to which, the most frequent first."""
    return [ConflictSummary(**vars(record)) for record in list_conflicts(ctx.connection)]
