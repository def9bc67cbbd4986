"""``PostgresLiveReader``: REPEATABLE READ snapshots on one connection, and what is new in each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

from sqlalchemy import Engine

from ...fork import in_child
from ..commit_log import CommitRecord
from ..live_reader import LiveSnapshot, records_of
from ..log_pruning import MARK
from ..tables import metadata_table
from .live_channel import LiveChannel
from .position import Position
from .relation_locks import ROUND
from .transaction import PostgresTransaction

SELECT_POSITION: Final = (
    "SELECT pg_current_snapshot()::text, pg_backend_pid(), pg_is_in_recovery(), "
    f"(SELECT value FROM {metadata_table.name} WHERE key = '{MARK}')"
)
# The log is large and what is new in it is little, whatever the statistics say; the queries have plans of their own.
ALLOW_SCANS: Final = "SET LOCAL enable_seqscan TO DEFAULT"

OpenSnapshot = Callable[[Engine], AbstractContextManager[PostgresTransaction]]


class PostgresLiveReader:
    """One connection in a pool of one."""

    def __init__(self, engine: Engine, open_snapshot: OpenSnapshot, channel: LiveChannel) -> None:
        """``open_snapshot`` begins a transaction that only reads, and whose scans are not allowed yet."""
        self._engine = engine
        self._open_snapshot = open_snapshot
        self._channel = channel
        self._wake: Callable[[], None] | None = None
        self._forget()
        in_child.add(self._begin_in_child)

    def _forget(self) -> None:
        self._position: Position | None = None
        # The connection that the position belongs to, and its process on the server: a pooler may have changed it.
        self._driver: Any = None
        self._backend = 0

    @contextmanager
    def snapshot(self) -> Iterator[LiveSnapshot]:
        with self._open_snapshot(self._engine) as transaction:
            transaction.wait_for_begin()
            position, backend, commits = self._look(transaction.driver)
            transaction.begin_round(is_marked=True)
            yield LiveSnapshot(transaction, commits)
            self._position, self._driver, self._backend = position, transaction.driver, backend

    def _look(self, driver: Any) -> tuple[Position | None, int, Sequence[CommitRecord] | None]:
        """The position of the snapshot, the server's process, and what is new. One message."""
        before = self._position
        select_new = f"{before.select_new()}; " if before is not None else ""
        cursor = driver.execute(f"{SELECT_POSITION}; {select_new}{ALLOW_SCANS}; SAVEPOINT {ROUND}", prepare=False)
        text, backend, is_standby, mark = cursor.fetchone()
        position = Position.parse(text)
        if is_standby:
            return None, backend, None
        is_same_connection = driver is self._driver and backend == self._backend
        if before is None or not is_same_connection or not before.is_followed_by(position, int(mark or 0)):
            return position, backend, None
        cursor.nextset()
        return position, backend, records_of(cursor.fetchall())

    def listen(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._channel.subscribe(wake)

    def close(self) -> None:
        if self._wake is not None:
            self._channel.unsubscribe(self._wake)
            self._wake = None
        self._forget()
        self._engine.dispose()

    def _begin_in_child(self) -> None:
        """The connection is the parent's."""
        self._wake = None
        self._forget()
        self._engine.dispose(close=False)
