"""A stand-in for the readers of both databases: sees commits of this process only, and whole tables by regex."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .commits import Commit
from .footprint import footprint_of_all
from .live_reader import CommitRecord, LiveSnapshot
from .write_set import WriteSet


class StandInReader:
    def __init__(self, database: Any) -> None:
        self._database = database
        self._new: list[CommitRecord] = []
        self._is_first = True
        self._wake: Callable[[], None] = lambda: None
        database.commits.listen(self._note)

    def _note(self, commit: Commit) -> None:
        for function, statements in (commit.statements or {}).items():
            writes = WriteSet()
            for table in footprint_of_all(statements).writes:
                writes.add(table)
            self._new.append(CommitRecord(writes, function))
        if commit.scheduled or commit.ended:
            writes = WriteSet()
            writes.add("_scheduled_functions", {"id": [*(job.id for job in commit.scheduled), *commit.ended]})
            self._new.append(CommitRecord(writes, None))
        self._wake()

    @contextmanager
    def snapshot(self) -> Iterator[LiveSnapshot]:
        taken = len(self._new)
        with self._database.read() as transaction:
            seen: set[str] = set()

            def settle() -> None:
                if transaction.reads is not None:
                    for table in footprint_of_all(transaction._statements - seen).reads:
                        transaction.reads.add(table)
                transaction._statements.clear()

            transaction.settle_footprints = settle
            yield LiveSnapshot(transaction, None if self._is_first else self._new[:taken])
        self._is_first = False
        del self._new[:taken]

    def listen(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def close(self) -> None:
        self._wake = lambda: None
        self._database.commits._listeners.remove(self._note)
