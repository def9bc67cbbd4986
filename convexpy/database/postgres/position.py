"""``Position``: what a snapshot of PostgreSQL contains, and the rows of the commit log that are new in a later one."""

from __future__ import annotations

from typing import NamedTuple, Self

from ..live_reader import MOST_COMMITS
from ..tables import commits


class Position(NamedTuple):
    """A snapshot contains every transaction below ``xmin``, none from ``xmax`` on, and between them those that are not
    in progress.

    Transactions commit in any order: neither their ids nor a sequence tell what a snapshot contains. A position means
    nothing on another connection. After a crash, ids of transactions that were rolled back are given out again; and on
    a standby, what is in progress is not named.
    """

    xmin: int
    xmax: int
    in_progress: tuple[int, ...]

    @classmethod
    def parse(cls, snapshot: str) -> Self:
        """The position of a snapshot, from the text of ``pg_current_snapshot()``."""
        xmin, xmax, in_progress = snapshot.split(":")
        return cls(int(xmin), int(xmax), tuple(map(int, in_progress.split(","))) if in_progress else ())

    def is_followed_by(self, later: Position, mark: int) -> bool:
        """Whether the log as a later snapshot shows it holds all commits that are new in that snapshot.

        Args:
            later: The position of that snapshot.
            mark: The mark of the pruning in that snapshot. One beyond its end is of another server, whose dump was
                restored.
        """
        return later.xmax >= self.xmax and (mark <= self.xmin or mark > later.xmax)

    def select_new(self) -> str:
        """The statement that finds the new commits, in the later snapshot itself: what that shows has committed.

        Rows beyond its end are of another server as well.
        """
        in_progress = f" OR position = ANY ('{{{','.join(map(str, self.in_progress))}}}')" if self.in_progress else ""
        return (
            f"SELECT function, writes FROM {commits.name} WHERE position >= {self.xmax} "
            f"AND position < pg_snapshot_xmax(pg_current_snapshot())::text::bigint{in_progress} "
            f"LIMIT {MOST_COMMITS + 1}"
        )
