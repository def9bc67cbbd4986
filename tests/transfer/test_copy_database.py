"""A copy holds everything the source holds, in both directions, and the source can be used on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from migrations.databases import never, run, sqlite_engine, write_revision
from sqlalchemy import URL, Column, Engine, Integer, MetaData, Table, Text, insert, update

from convexpy.database import workers
from convexpy.database.jobs import NewJob, claim, insert_jobs, start
from convexpy.database.tables import crons, finished, jobs, queue
from convexpy.database.types import new_job_id
from convexpy.migrations.dev_sync import sync_tables
from convexpy.migrations.framework import migrate
from convexpy.transfer.connections import one_transaction, snapshot
from convexpy.transfer.copy import COPIED_ACTION, copy_database

from .copies import SETTINGS, copied, fill, put, read
from .everything import EVERYTHING, FULL, LINKS, METADATA, NOON, NOTES, TREE


def scheduled(source: Engine) -> dict[str, Any]:
    """One job of every sort; by what became of it."""
    now, ids = datetime.now(UTC), {}
    with source.begin() as connection:
        for n, what in enumerate(("claimed mutation", "claimed action", "started", "done", "waiting")):
            ids[what] = new_job_id()
            kind = "mutation" if "mutation" in what else "action"
            due = now + timedelta(days=30) if what == "waiting" else now - timedelta(seconds=10 - n)
            insert_jobs(connection, [NewJob(ids[what], "a:b", kind, '{"x":  "\\u0000"}', due)], now)
        workers.register(connection, "w", now, workers.Version(now, {}))
        claim(connection, "mutation", "w", now, 9)
        for claimed in claim(connection, "action", "w", now, 9):
            if claimed.job_id in (ids["started"], ids["done"]):
                assert start(connection, claimed, f"run-{claimed.job_id}"[:32], now)
        connection.execute(queue.delete().where(queue.c.job_id == ids["done"]))
        ended = {"state_kind": "success", "completed_time": now}
        connection.execute(update(jobs).where(jobs.c.id == ids["done"]).values(ended))
        connection.execute(insert(finished).values(**ended, job_id=ids["done"]))
        slot = now + timedelta(hours=1)
        row = {"name": "c", "schedule": "0 9 * * *", "function": "a:b", "args": {}, "next_time": slot, "last_job": "x"}
        connection.execute(insert(crons).values(row))
    return ids


def raw_nulls(url: URL) -> list[Any]:
    with snapshot(url, SETTINGS) as connection:
        query = "SELECT document IS NULL, tags IS NULL, CAST(binary_document AS text) FROM everything WHERE id = 700"
        return [list(row) for row in connection.exec_driver_sql(query)]


def test_everything_gets_there_and_back(source: Engine, postgresql: URL, empty: URL) -> None:
    fill(source)
    ids = scheduled(source)
    done = copied(source.url, postgresql)
    assert done.rows["tree"] == 1202
    assert done.rows["everything"] == done.rows["links"] == done.rows["notes"] == 2
    assert (done.pending, done.failed) == (3, 1)

    there = read(postgresql, EVERYTHING)
    wanted = {**FULL, "aware": NOON.replace(tzinfo=UTC), "stored": {"b": 1, "a": 2}}
    assert there[0]._asdict() == {"id": 1, "next": 2, **wanted}
    assert raw_nulls(postgresql) == [[True, True, "null"]]
    for table in (TREE, LINKS, NOTES):
        assert read(postgresql, table) == read(source.url, table)

    assert copied(postgresql, empty).failed == 0
    for table in METADATA.sorted_tables:
        assert read(empty, table) == read(source.url, table)
    assert raw_nulls(empty) == [[1, 1, "null"]]
    for url in (postgresql, empty):
        states = {row.id: (row.state_kind, row.state_error) for row in read(url, jobs)}
        pending = ("pending", None)
        assert states == {
            ids["claimed mutation"]: pending,
            ids["claimed action"]: pending,
            ids["waiting"]: pending,
            ids["done"]: ("success", None),
            ids["started"]: ("failed", COPIED_ACTION),
        }
        assert all(row.worker is row.claim_token is row.run_token is None for row in read(url, queue))
        assert read(url, crons) == read(source.url, crons)
        assert read(url, workers.workers) == []
        with snapshot(url, SETTINGS) as connection:
            texts = connection.exec_driver_sql("SELECT DISTINCT args FROM _scheduled_functions").scalars().all()
        assert texts == ['{"x":  "\\u0000"}']


def test_the_next_rows_get_the_next_ids(source: Engine, postgresql: URL) -> None:
    fill(source)
    copied(source.url, postgresql)
    with one_transaction(postgresql, SETTINGS) as connection:
        assert connection.execute(insert(EVERYTHING).returning(EVERYTHING.c.id)).scalar() == 701
        assert connection.execute(insert(TREE).returning(TREE.c.id)).scalar() == 1204
        always = "SELECT attidentity FROM pg_attribute WHERE attrelid = 'tree'::regclass AND attname = 'id'"
        assert connection.exec_driver_sql(always).scalar() == "a"
        deferrable = "SELECT bool_or(condeferrable) FROM pg_constraint WHERE contype = 'f'"
        assert connection.exec_driver_sql(deferrable).scalar() is False


def test_an_id_that_a_deleted_row_had_is_not_given_again(tmp_path: Path, postgresql: URL) -> None:
    metadata = MetaData()
    table = Table("numbers", metadata, Column("id", Integer, primary_key=True), sqlite_autoincrement=True)
    engine = sqlite_engine(tmp_path / "numbers.db")
    migrate(engine)
    sync_tables(engine, metadata, never)
    put(engine, table, {"id": 5}, {"id": 9})
    run(engine, "DELETE FROM numbers WHERE id = 9")
    copied(engine.url, postgresql, metadata=metadata)
    with one_transaction(postgresql, SETTINGS) as connection:
        assert connection.execute(insert(table).returning(table.c.id)).scalar() == 10


def test_a_target_with_empty_tables_is_filled(source: Engine, postgresql: URL) -> None:
    copied(source.url, postgresql)
    fill(source)
    copied(source.url, postgresql)
    assert read(postgresql, TREE) == read(source.url, TREE)


def test_tables_of_the_source_that_are_not_copied_are_named(source: Engine, postgresql: URL) -> None:
    run(source, "CREATE TABLE unrelated (id INTEGER)")
    assert copied(source.url, postgresql).others == ["unrelated"]


def test_a_source_kept_by_revisions_makes_a_target_kept_by_them(tmp_path: Path, postgresql: URL) -> None:
    from convexpy.migrations import revisions

    folder, engine = tmp_path / "migrations", sqlite_engine(tmp_path / "revised.db")
    metadata = MetaData()
    table = Table("notes", metadata, Column("text", Text))
    body = "op.create_table('notes', sa.Column('text', sa.Text))\nop.execute(\"INSERT INTO notes VALUES ('seed')\")"
    write_revision(folder, "one", None, body)
    revisions.upgrade(engine, metadata, folder)
    put(engine, table, {"text": "mine"})
    run(engine, "UPDATE notes SET text = 'changed' WHERE text = 'seed'")
    copied(engine.url, postgresql, folder, metadata)
    assert sorted(row.text for row in read(postgresql, table)) == ["changed", "mine"]
    with snapshot(postgresql, SETTINGS) as connection:
        assert revisions.current(connection, folder) == ("one", "one")


def test_what_is_written_during_the_copy_is_not_in_it(source: Engine, postgresql: URL) -> None:
    put(source, NOTES, {"text": "before"})
    with snapshot(source.url, SETTINGS) as reading, one_transaction(postgresql, SETTINGS) as writing:
        reading.exec_driver_sql("SELECT 1 FROM notes").all()
        put(source, NOTES, {"text": "after"})
        copy_database(reading, writing, METADATA, Path("nowhere"), lambda table, rows, total: None)
    assert [row.text for row in read(postgresql, NOTES)] == ["before"]


def test_the_source_cannot_be_written(source: Engine, postgresql: URL) -> None:
    copied(source.url, postgresql)
    for url in (source.url, postgresql):
        with pytest.raises(Exception, match=r"read-?only"), snapshot(url, SETTINGS) as connection:
            connection.execute(insert(NOTES).values(text="x"))
