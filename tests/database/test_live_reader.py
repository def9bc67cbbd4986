"""A live reader's snapshots: each finds the commits that are new in it, once, or says that everything may be new."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import make_url, text
from support.waiting import PATIENCE_SECONDS

from convexpy.clock import Clock
from convexpy.database import log_pruning
from convexpy.database.database import Database, connect
from convexpy.database.live_reader import LiveReader, LiveSnapshot
from convexpy.database.postgres import live_channel
from convexpy.database.postgres.database import PostgresDatabase
from convexpy.database.sqlite import log_watch
from convexpy.database.transaction import OpenTransaction
from convexpy.errors import ReadOnlyError
from convexpy.settings import Settings


@pytest.fixture
def opened(database: str) -> Iterator[Database]:
    with closing(connect(database, Settings())) as opened:
        yield opened


@pytest.fixture
def reader(opened: Database) -> Iterator[LiveReader]:
    with closing(opened.live_reader()) as reader:
        found_by(reader)
        yield reader


on_postgresql = pytest.mark.parametrize("database", ["postgres"], indirect=True)
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def note(transaction: OpenTransaction, label: str) -> None:
    transaction.wait_for_begin()  # past SQLAlchemy, and so past what records it as the whole table
    transaction.driver.execute(f"INSERT INTO notes (text) VALUES ('{label}')")
    transaction.changes.writes.add("notes", {"label": [label]})


def commit(database: Database, label: str) -> None:
    with database.write() as transaction:
        note(transaction, label)
        transaction.commit()


def labels(snapshot: LiveSnapshot) -> list[Any] | None:
    """What the commits that are new have written; and it must be there."""
    if snapshot.commits is None:
        return None
    found: list[Any] = []
    there = set(snapshot.transaction.connection.execute(text("SELECT text FROM notes")).scalars())
    for each in snapshot.commits:
        if not each.writes:  # a mark of the serializable limit
            continue
        keys = each.writes.tables["notes"]
        assert keys is not None
        assert keys["label"] <= there
        found += keys["label"]
    return sorted(found)


def found_by(reader: LiveReader) -> list[Any] | None:
    with reader.snapshot() as snapshot:
        return labels(snapshot)


def test_the_first_snapshot_says_that_everything_may_be_new(opened: Database) -> None:
    with closing(opened.live_reader()) as reader:
        assert found_by(reader) is None
        assert found_by(reader) == []


def test_each_snapshot_finds_what_was_committed_since_the_one_before(opened: Database, reader: LiveReader) -> None:
    commit(opened, "a")
    commit(opened, "b")
    assert found_by(reader) == ["a", "b"]
    assert found_by(reader) == []
    commit(opened, "c")
    with reader.snapshot() as snapshot:
        commit(opened, "d")
        assert labels(snapshot) == ["c"]
    assert found_by(reader) == ["d"]


def test_what_was_rolled_back_is_not_found(opened: Database, reader: LiveReader) -> None:
    with opened.write() as transaction:
        note(transaction, "gone")
    assert found_by(reader) == []


def test_a_snapshot_that_failed_is_reported_again(opened: Database, reader: LiveReader) -> None:
    commit(opened, "a")
    with suppress(ValueError), reader.snapshot() as snapshot:
        assert labels(snapshot) == ["a"]
        raise ValueError("on purpose")
    commit(opened, "b")
    assert found_by(reader) == ["a", "b"]


def test_a_snapshot_only_reads(opened: Database, reader: LiveReader) -> None:
    with pytest.raises(ReadOnlyError), reader.snapshot() as snapshot:
        snapshot.transaction.connection.execute(text("DELETE FROM notes"))


def test_a_commit_that_names_no_keys_is_found_as_such(opened: Database, reader: LiveReader) -> None:
    for everything in (False, True):
        with opened.write() as transaction:
            transaction.begin_call("app:f")
            transaction.changes.writes.add("notes")
            if everything:
                transaction.changes.writes.add_everything()
            transaction.commit()
        with reader.snapshot() as snapshot:
            (record,) = snapshot.commits or ()
            assert (record.function, record.writes.everything) == ("app:f", everything)
            assert everything or record.writes.tables == {"notes": None}


@on_postgresql
def test_a_commit_that_comes_late_is_found_when_it_has_come(opened: Database, reader: LiveReader) -> None:
    with opened.write() as late:
        note(late, "late")
        commit(opened, "early")
        assert found_by(reader) == ["early"]
        commit(opened, "second")
        assert found_by(reader) == ["second"]
        late.commit()
    assert found_by(reader) == ["late"]
    assert found_by(reader) == []


def test_a_position_does_not_outlive_its_connection(opened: Database, reader: LiveReader) -> None:
    with suppress(Exception), reader.snapshot() as snapshot:
        snapshot.transaction.driver.close()
        snapshot.transaction.connection.execute(text("SELECT 1"))
    commit(opened, "a")
    assert found_by(reader) is None
    assert found_by(reader) == []


def prune(database: Database, *minutes: int) -> None:
    """Prune at these times, counted from now."""
    for each in minutes:
        with database.write_internal() as connection:
            log_pruning.prune_commits(connection, Clock().now() + timedelta(minutes=each), 1000)


def rows(database: Database, statement: str) -> list[Any]:
    with database.read_internal() as connection:
        return list(connection.execute(text(statement)).scalars())


KEPT = "SELECT writes FROM _convexpy_commits ORDER BY position"


def test_pruning_deletes_what_is_five_minutes_old(opened: Database) -> None:
    commit(opened, "a")
    prune(opened, 0, 0)
    commit(opened, "b")
    prune(opened, 4)
    assert len(rows(opened, KEPT)) >= 2
    prune(opened, 5)
    kept = [each for each in rows(opened, KEPT) if each != "{}"]
    assert '{"notes":{"label":["b"]}}' in kept
    assert opened.is_server == ('{"notes":{"label":["a"]}}' not in kept)  # SQLite keeps the newest row of then


def test_a_reader_that_has_missed_what_was_pruned_is_told(opened: Database, reader: LiveReader) -> None:
    with closing(opened.live_reader()) as current:
        found_by(current)
        for label in "abc":
            commit(opened, label)
        assert found_by(current) == ["a", "b", "c"]
        prune(opened, 0, 0)
        assert found_by(current) == []
        commit(opened, "d")
        prune(opened, 6)
        assert found_by(current) == ["d"]
        assert found_by(reader) is None
        assert found_by(reader) == []


def test_pruning_goes_on_where_it_stopped(opened: Database) -> None:
    for n in range(10):
        commit(opened, str(n))
    prune(opened, 0, 0)
    commit(opened, "last")
    deleted = []
    for _ in range(5):
        with opened.write_internal() as connection:
            deleted.append(log_pruning.prune_commits(connection, Clock().now() + timedelta(minutes=6), 4))
    assert deleted[:2] == [4, 4]
    assert sum(deleted) in (9, 10, 11, 12)
    assert deleted[-1] == 0


@on_postgresql
def test_receipts_are_kept_for_an_hour(opened: Database) -> None:
    with opened.write(logged=True) as transaction:
        note(transaction, "receipt")
        transaction.commit()
    kept = "SELECT count(*) FROM _convexpy_commits WHERE id IS NOT NULL"
    prune(opened, 0, 0, 6, 12, 50)
    assert rows(opened, kept) == [1]
    prune(opened, 70, 76)
    assert rows(opened, kept) == [0]


@on_postgresql
def test_what_a_dump_of_another_server_brought_is_not_reported(opened: Database, reader: LiveReader) -> None:
    foreign = "INSERT INTO _convexpy_commits (position) SELECT 4000000000 + n FROM generate_series(1, 3) n"
    mark = "INSERT INTO _convexpy_metadata VALUES ('commits_pruned', '5000000000'), ('commits_horizon', '5000000000 1')"
    with opened.ddl() as connection:
        connection.exec_driver_sql(foreign)
        connection.exec_driver_sql(mark)
    assert found_by(reader) == []
    commit(opened, "a")
    assert found_by(reader) == ["a"]
    prune(opened, 0, 0, 6)
    assert rows(opened, "SELECT count(*) FROM _convexpy_commits WHERE position > 4000000000") == [0]
    assert int(rows(opened, "SELECT value FROM _convexpy_metadata WHERE key = 'commits_pruned'")[0]) < 4_000_000_000
    commit(opened, "b")
    assert found_by(reader) == ["b"]


@contextmanager
def another_program(database: Database) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(str(make_url(database.url).database))) as connection:
        yield connection
        connection.commit()


@on_sqlite
def test_a_change_of_a_table_by_another_program_means_everything(opened: Database, reader: LiveReader) -> None:
    with another_program(opened) as program:
        program.execute("CREATE TABLE other (id INTEGER)")
    assert found_by(reader) is None
    assert found_by(reader) == []


class Hints:
    """Waits for hints."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def wake(self) -> None:
        self._event.set()

    def wait(self) -> None:
        assert self._event.wait(PATIENCE_SECONDS)
        self._event.clear()


def until_found(reader: LiveReader, hints: Hints) -> list[Any] | None:
    """What the first snapshot with something new finds, when hints say that there is one."""
    while True:
        hints.wait()
        if (found := found_by(reader)) != []:
            return found


@on_sqlite
def test_a_write_of_another_program_means_everything(opened: Database, reader: LiveReader) -> None:
    hints = Hints()
    reader.listen(hints.wake)
    with another_program(opened) as program:
        program.execute("INSERT INTO notes (text) VALUES ('by hand')")
    assert until_found(reader, hints) is None
    assert found_by(reader) == []


@on_sqlite
def test_a_write_of_another_program_is_noticed_beside_our_own(
    opened: Database, reader: LiveReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    hints, no_look = Hints(), threading.Lock()
    watch: Any = reader._watch  # type: ignore[attr-defined]
    connect = watch._connect

    @contextmanager
    def connect_later() -> Iterator[Any]:
        with no_look, connect() as driver:
            yield driver

    monkeypatch.setattr(watch, "_connect", connect_later)
    reader.listen(hints.wake)
    for n in range(1, 4):
        with no_look:  # one look finds both
            with another_program(opened) as program:
                program.execute("INSERT INTO notes (text) VALUES (?)", (f"by hand {n}",))
            commit(opened, f"own {n}")
        while watch.foreign_writes < n:
            hints.wait()
            found_by(reader)


@on_sqlite
def test_a_write_ahead_log_that_starts_anew_is_no_write_of_another_program(
    opened: Database, reader: LiveReader
) -> None:
    hints = Hints()
    reader.listen(hints.wake)
    watch: Any = reader._watch  # type: ignore[attr-defined]
    for n in range(3):
        with another_program(opened) as program:
            version = program.execute("PRAGMA data_version").fetchall()
            with another_program(opened) as other:
                assert other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
            assert program.execute("PRAGMA data_version").fetchall() != version
        commit(opened, f"n{n}")
        assert until_found(reader, hints) == [f"n{n}"]
    assert watch.foreign_writes == 0


@on_sqlite
def test_the_frameworks_own_transactions_do_not_look_like_another_programs(
    opened: Database, reader: LiveReader
) -> None:
    hints = Hints()
    reader.listen(hints.wake)
    watch: Any = reader._watch  # type: ignore[attr-defined]
    for n in range(3):
        with opened.write_internal() as connection:
            connection.execute(text("INSERT INTO _convexpy_metadata VALUES (:n, '')"), {"n": str(n)})
        commit(opened, f"n{n}")
        assert until_found(reader, hints) == [f"n{n}"]
    assert watch.foreign_writes == 0


def test_a_commit_of_this_process_is_hinted_at_once(opened: Database, reader: LiveReader) -> None:
    hints = Hints()
    reader.listen(hints.wake)
    commit(opened, "own")
    assert until_found(reader, hints) == ["own"]


def test_a_commit_of_another_process_is_hinted_at_once(
    database: str, opened: Database, reader: LiveReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    hints = Hints()
    for module in (live_channel, log_watch):
        monkeypatch.setattr(module, "LOOK_SECONDS", 60 * PATIENCE_SECONDS)  # it is not found by looking
    reader.listen(hints.wake)
    hints.wait()  # it listens
    with closing(connect(database, Settings())) as other:
        for label in "abc":
            commit(other, label)
            assert until_found(reader, hints) == [label]


def test_a_commit_is_noticed_without_any_notification(database: str) -> None:
    hints, quiet = Hints(), Settings(listen_notify=False)
    with (
        closing(connect(database, quiet)) as opened,
        closing(connect(database, quiet)) as other,
        closing(opened.live_reader()) as reader,
    ):
        found_by(reader)
        reader.listen(hints.wake)
        commit(other, "a")
        assert until_found(reader, hints) == ["a"]


@on_postgresql
def test_nothing_is_sent_while_nobody_subscribes(opened: Database) -> None:
    channel: Any = opened._live_channel  # type: ignore[attr-defined]
    sent: list[list[Any]] = []
    query = channel._query
    channel._query = lambda statement: sent.append(query(statement)) or sent[-1]
    commit(opened, "a")
    while channel._sender is not None:
        pass
    commit(opened, "b")
    assert sent == [[]]
    assert channel._sender is None


@on_postgresql
def test_the_schema_is_loaded_before_a_snapshot(
    opened: Database, reader: LiveReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(opened, PostgresDatabase)
    opened.catalog.forget()
    with reader.snapshot():  # the time limit of a query runs within it
        monkeypatch.setattr(opened.catalog, "load", pytest.fail)
        assert opened.catalog.schema().relations
