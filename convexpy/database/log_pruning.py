"""Pruning of the commit log: rows that every recent snapshot contains are deleted, and a mark says up to where.

The horizon is a position below which every transaction had ended when it was stored. Some minutes later what is below
it is deleted, and in the same transaction the mark is raised. A reader whose last snapshot is older than the mark that
it finds in its new one knows that rows may be missing.

Receipts are kept for longer, and are deleted below the mark as well: so the mark holds for every row.

On PostgreSQL a restored dump may have brought rows, a mark and a horizon of another server. What lies beyond the end of
a snapshot that shows it cannot be of this one: such rows are deleted at once, and such a mark counts as none.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import BigInteger, Connection, bindparam, delete, func, literal_column, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ..clock import unix_milliseconds
from .commit_log import KEPT, time_prefix
from .statement import Statement
from .tables import commits, metadata_table

MARK: Final = "commits_pruned"
"""The key of the mark: rows at positions below it may be missing."""
HORIZON: Final = "commits_horizon"
"""The key of the horizon: its position, and when it was stored, in Unix milliseconds."""
PRUNED_AFTER: Final = timedelta(minutes=5)
"""How long a reader may be without a snapshot and still find what is new. A later one runs everything again."""

_position: Final = commits.c.position
_id: Final = commits.c.id
_key: Final = metadata_table.c.key
_value: Final = metadata_table.c.value

# The row of the mark is locked: one process prunes at a time, and the others leave it to that one.
LOCK_MARK: Final = Statement(select(_value).where(_key == MARK).with_for_update(skip_locked=True))
READ_HORIZON: Final = Statement(select(_value).where(_key == HORIZON))
_new: Final[dict[str, Any]] = {"key": bindparam("key"), "value": bindparam("value")}
ADD_ON_SQLITE: Final = Statement(sqlite.insert(metadata_table).values(_new).on_conflict_do_nothing())
ADD_ON_POSTGRES: Final = Statement(postgresql.insert(metadata_table).values(_new).on_conflict_do_nothing())
CHANGE: Final = Statement(update(metadata_table).where(_key == bindparam("of")).values(value=bindparam("new")))

# Every transaction below the first has ended. No row that the statement can see is of a transaction at the second, or
# above.
_now: Final = "pg_current_snapshot()"
_xmin: Final[Any] = literal_column(f"pg_snapshot_xmin({_now})::text::bigint", BigInteger)
_xmax: Final[Any] = literal_column(f"pg_snapshot_xmax({_now})::text::bigint", BigInteger)
ENDS_ON_POSTGRES: Final = Statement(select(_xmin.label("settled"), _xmax.label("end")))
_last: Final = func.coalesce(select(func.max(_position)).scalar_subquery(), 0)
ENDS_ON_SQLITE: Final = Statement(select(_last.label("settled"), (_last + 1).label("end")))

_no_receipt: Final = _id.is_(None)
_from, _to = bindparam("from_position", type_=BigInteger), bindparam("to_position", type_=BigInteger)
FIND_LIMIT: Final = Statement(
    select(_position)
    .where(_no_receipt, _position >= _from, _position < _to)
    .order_by(_position)
    .offset(bindparam("limit"))
    .limit(1)
)
DELETE: Final = Statement(delete(commits).where(_no_receipt, _position >= _from, _position < _to))
DELETE_FOREIGN: Final = Statement(delete(commits).where(_no_receipt, _position >= _xmax))
_old_receipts: Final = (
    select(_id)
    .where(_id < bindparam("before"), or_(_position < _to, _position >= bindparam("end", type_=BigInteger)))
    .order_by(_id)
    .limit(bindparam("limit"))
    .scalar_subquery()
)
DELETE_RECEIPTS: Final = Statement(delete(commits).where(_id.in_(_old_receipts)))


class Horizon(NamedTuple):
    """A position below which every transaction had ended at a time."""

    position: int
    time: datetime

    @classmethod
    def parse(cls, text: str) -> Horizon:
        position, milliseconds = text.split()
        return cls(int(position), datetime.fromtimestamp(int(milliseconds) / 1000, UTC))

    def __str__(self) -> str:
        return f"{self.position} {unix_milliseconds(self.time)}"


def prune_commits(connection: Connection, now: datetime, limit: int) -> int:
    """Delete up to ``limit`` old rows of each kind from the commit log. How many of the kind with more of them."""
    is_server = connection.dialect.name == "postgresql"
    add = ADD_ON_POSTGRES if is_server else ADD_ON_SQLITE
    locked = LOCK_MARK.execute(connection).rows
    if not locked:  # there is none yet, or another process prunes
        add.execute(connection, {"key": MARK, "value": "0"})
        return 0
    (ends,) = (ENDS_ON_POSTGRES if is_server else ENDS_ON_SQLITE).execute(connection).rows
    if is_server:
        DELETE_FOREIGN.execute(connection)
    mark = int(locked[0].value)
    if mark > ends.end:
        mark = 0
    stored = READ_HORIZON.execute(connection).rows
    horizon = Horizon.parse(stored[0].value) if stored else None
    deleted = 0
    if horizon is None or horizon.position > ends.end or horizon.time > now:
        horizon = Horizon(ends.settled, now)
        add.execute(connection, {"key": HORIZON, "value": str(horizon)})
        CHANGE.execute(connection, {"of": HORIZON, "new": str(horizon)})
    elif now - horizon.time >= PRUNED_AFTER:
        mark, deleted = _prune(connection, mark, horizon.position, limit)
        CHANGE.execute(connection, {"of": MARK, "new": str(mark)})
        if mark == horizon.position:
            CHANGE.execute(connection, {"of": HORIZON, "new": str(Horizon(ends.settled, now))})
    receipts = {"before": time_prefix(now - KEPT), "to_position": mark, "end": ends.end, "limit": limit}
    return max(deleted, DELETE_RECEIPTS.execute(connection, receipts).rowcount)


def _prune(connection: Connection, mark: int, horizon: int, limit: int) -> tuple[int, int]:
    """Delete from the mark on, up to the horizon or to so many rows. The new mark, and how many."""
    between = {"from_position": mark, "to_position": horizon}
    further = FIND_LIMIT.execute(connection, {**between, "limit": limit}).rows
    upto = max(further[0].position, mark + 1) if further else max(mark, horizon)
    return upto, DELETE.execute(connection, {**between, "to_position": upto}).rowcount
