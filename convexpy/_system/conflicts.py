"""``_system/conflicts``: which mutations conflicted, and had to run again."""

from __future__ import annotations

from collections.abc import Sequence

from ..database.conflict_advice import ConflictStatements, conflict_advice
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
    lost: tuple[str, ...]
    """Statements of ``function`` about the table, the last time, without values. Empty: they are not known."""
    won: tuple[str, ...]
    """Those of ``other`` that wrote it."""
    advice: str
    """What makes it rarer."""


@system_query(refresh=LOOKED_EVERY)
def list(ctx: SystemQueryCtx) -> Sequence[ConflictSummary]:
    """Which functions lost to which, the most frequent first."""
    is_postgres, found = ctx.connection.dialect.name == "postgresql", []
    for record in list_conflicts(ctx.connection):
        statements = record.statements or ConflictStatements()
        pair = record.function, record.other, record.table
        found.append(
            ConflictSummary(
                function=record.function,
                other=record.other,
                table=record.table,
                times=record.times,
                last_time=record.last_time,
                lost=tuple(statements.lost),
                won=tuple(statements.won),
                advice=conflict_advice(*pair, statements, is_postgres=is_postgres),
            )
        )
    return found
