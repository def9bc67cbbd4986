"""``SQLiteLiveReader``: snapshots on one connection that only reads, and what is new in each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from sqlalchemy import Engine

from ...fork import in_child
from ..commit_log import CommitRecord
from ..commits import Commit, CommitFeed
from ..live_reader import LiveSnapshot, records_of
from ..transaction import OpenTransaction
from .log_watch import LogWatch
from .position import Position

OpenSnapshot = Callable[[Engine], AbstractContextManager[OpenTransaction]]


class SQLiteLiveReader:
    """One connection in a pool of one, which is closed before a fork."""

    def __init__(self, engine: Engine, open_snapshot: OpenSnapshot, feed: CommitFeed, watch: LogWatch) -> None:
        self._engine = engine
        self._open_snapshot = open_snapshot
        self._feed = feed
        self._watch = watch
        self._wake: Callable[[], None] | None = None
        self._position: Position | None = None
        # The connection that the position belongs to.
        self._driver: Any = None
        self._foreign_writes = 0
        in_child.add(self._begin_in_child)

    @contextmanager
    def snapshot(self) -> Iterator[LiveSnapshot]:
        foreign_writes = self._watch.foreign_writes  # before the snapshot: what is noticed later is reported again
        with self._open_snapshot(self._engine) as transaction:
            driver = transaction.driver
            is_known = driver is self._driver and foreign_writes == self._foreign_writes
            position, commits = look(driver, self._position if is_known else None)
            yield LiveSnapshot(transaction, commits)
            self._position, self._driver, self._foreign_writes = position, driver, foreign_writes

    def listen(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._feed.listen(self._on_commit)
        self._watch.start(wake, self._covered)

    def close(self) -> None:
        if self._wake is not None:
            self._wake = None
            self._feed.forget(self._on_commit)
        self._watch.stop()
        self._position = self._driver = None
        self._engine.dispose()

    def _covered(self) -> int:
        return self._position.last if self._position is not None else -1

    def _begin_in_child(self) -> None:
        """The connection was closed before the fork."""
        self._wake = self._position = self._driver = None

    def _on_commit(self, commit: Commit) -> None:
        """A commit of this process."""
        if commit.writes and self._wake is not None:
            self._wake()


def look(driver: Any, before: Position | None) -> tuple[Position, Sequence[CommitRecord] | None]:
    """The position of the snapshot on a connection, and what is new in it since ``before``."""
    position, mark = Position.read(driver)
    if before is None or not before.is_followed_by(position, mark):
        return position, None
    return position, records_of(before.select_new(driver)) if position.last > before.last else []
