"""What a copy cannot keep is refused with its place, and leaves nothing behind."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from migrations.databases import never, run, sqlite_engine, write_revision
from sqlalchemy import (
    URL,
    Column,
    Engine,
    Integer,
    MetaData,
    NullPool,
    Numeric,
    Table,
    Text,
    create_engine,
    insert,
)

from convexpy.database import workers
from convexpy.database.jobs import NewJob, insert_jobs
from convexpy.database.types import new_job_id
from convexpy.errors import DatabaseError
from convexpy.migrations.dev_sync import sync_tables
from convexpy.migrations.framework import migrate
from convexpy.transfer.connections import snapshot

from .copies import SETTINGS, copied, fill, put, read, tables_in
from .everything import EVERYTHING, FULL, NOON, NOTES, TREE

WRONG = {
    "a NUL": ("UPDATE everything SET text = 'a' || char(0) || 'b'", "everything.text", "NUL"),
    "a small integer": ("UPDATE everything SET small = -40000", "everything.small", "out of range for SMALLINT"),
    "an integer": (f"INSERT INTO everything (id) VALUES ({2**40})", "everything.id", "out of range for INTEGER"),
    "text as an integer": ("UPDATE everything SET big = 'many'", "everything.big", "'many' is not an integer"),
    "a fraction as an integer": ("UPDATE everything SET big = 1.5", "everything.big", "1.5 is not an integer"),
    "a long string": ("UPDATE everything SET name = printf('%21s', 'x')", "everything.name", "21 characters"),
    "spaces too many": ("UPDATE everything SET name = printf('%-21s', 'x')", "everything.name", "21 characters"),
    "bytes as text": ("UPDATE everything SET text = x'00ff'", "everything.text", "not text"),
    "a long number": ("UPDATE everything SET price = 123456789.5", "everything.price", "too many digits"),
    "a zone": ("UPDATE everything SET naive = '2026-01-01 12:00:00+02:00'", "everything.naive", "has a time zone"),
    "no time": ("UPDATE everything SET naive = 'yesterday'", "everything.naive", "'yesterday'"),
    "no JSON": ("UPDATE everything SET document = '{'", "everything.document", "cannot be read"),
    "no colour": ("UPDATE everything SET colour = 'BLUE'", "everything.colour", "BLUE"),
    "a broken check": (
        "PRAGMA ignore_check_constraints = ON; UPDATE everything SET small = 1000",
        "everything",
        "small_is_small",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_the_target_cannot_store_is_named_and_nothing_is_written(
    case: str, source: Engine, postgresql: URL
) -> None:
    statements, where, what = WRONG[case]
    put(source, EVERYTHING, {"id": 7, **FULL})
    run(source, *statements.split("; "))
    before = read_raw(source.url)
    with pytest.raises(DatabaseError) as refused:
        copied(source.url, postgresql)
    text = str(refused.value)
    assert where in text
    assert what in text
    assert "id 7" in text or str(2**40) in text
    assert tables_in(postgresql) == []
    assert read_raw(source.url) == before


def read_raw(url: URL) -> list[Any]:
    with snapshot(url, SETTINGS) as connection:
        return [tuple(row) for row in connection.exec_driver_sql("SELECT * FROM everything")]


def test_a_column_in_which_some_times_have_a_zone_is_refused(source: Engine, postgresql: URL) -> None:
    put(source, EVERYTHING, {"id": 1, "aware": NOON}, {"id": 2})
    run(source, "UPDATE everything SET aware = '2026-01-01 12:00:00+02:00' WHERE id = 2")
    with pytest.raises(DatabaseError, match=r"everything.aware, id 2: .*unlike rows before it"):
        copied(source.url, postgresql)


def test_every_wrong_value_is_listed_up_to_ten(source: Engine, postgresql: URL) -> None:
    put(source, EVERYTHING, *({"id": n, "name": "x" * 20} for n in range(1, 31)))
    run(source, "UPDATE everything SET name = name || 'x'")
    with pytest.raises(DatabaseError) as refused:
        copied(source.url, postgresql)
    assert str(refused.value).count("21 characters") == 10


def test_a_reference_to_a_missing_row_is_refused(source: Engine, postgresql: URL) -> None:
    run(source, "PRAGMA foreign_keys = OFF")
    loose = sqlite_engine(Path(str(source.url.database)))
    with loose.connect() as connection:
        driver: Any = connection.connection.driver_connection
        driver.execute("PRAGMA foreign_keys = OFF")
        driver.execute("INSERT INTO tree (id, parent) VALUES (1, 99)")
    with pytest.raises(DatabaseError, match="99"):
        copied(source.url, postgresql)
    assert tables_in(postgresql) == []


@pytest.mark.parametrize("what", ["a row of the app", "a job", "a worker"])
def test_a_target_that_is_not_empty_is_refused(what: str, source: Engine, postgresql: URL) -> None:
    copied(source.url, postgresql)  # the tables, and no rows
    engine = create_engine(postgresql, poolclass=NullPool)
    with engine.begin() as connection:
        if what == "a worker":
            workers.register(connection, "w", datetime.now(UTC), workers.Version(datetime.now(UTC), {}))
        elif what == "a job":
            insert_jobs(connection, [NewJob(new_job_id(), "a:b", "action", "{}", datetime.now(UTC))], datetime.now(UTC))
        else:
            connection.execute(insert(NOTES).values(text="mine"))
    fill(source)
    with pytest.raises(DatabaseError, match="not empty"):
        copied(source.url, postgresql)
    assert read(postgresql, TREE) == []


def test_a_source_out_of_step_with_the_models_is_refused(source: Engine, postgresql: URL) -> None:
    run(source, "ALTER TABLE notes ADD COLUMN more TEXT")
    with pytest.raises(DatabaseError, match=r"the source and the models differ(.|\n)*more"):
        copied(source.url, postgresql)
    assert tables_in(postgresql) == []


def test_a_source_behind_its_revisions_is_refused(tmp_path: Path, postgresql: URL) -> None:
    from convexpy.migrations import revisions

    folder, engine = tmp_path / "migrations", sqlite_engine(tmp_path / "revised.db")
    metadata = MetaData()
    Table("notes", metadata, Column("text", Text))
    write_revision(folder, "one", None, "op.create_table('notes', sa.Column('text', sa.Text))")
    revisions.upgrade(engine, metadata, folder)
    write_revision(folder, "two", "one", "op.execute(\"UPDATE notes SET text = ''\")")
    with pytest.raises(DatabaseError, match=r"at revision one, and the newest .* is two"):
        copied(engine.url, postgresql, folder, metadata)
    assert tables_in(postgresql) == []


def test_a_number_that_loses_digits_is_found_by_comparing(postgresql: URL, empty: URL) -> None:
    metadata = MetaData()
    table = Table("sums", metadata, Column("id", Integer, primary_key=True), Column("sum", Numeric(30, 10)))
    engine = create_engine(postgresql, poolclass=NullPool)
    migrate(engine)
    sync_tables(engine, metadata, never)
    put(engine, table, {"id": 1, "sum": 1}, {"id": 2, "sum": Decimal("12345678901234567890.0123456789")})
    with pytest.raises(DatabaseError, match=r"sums is not the same: id 2 was"):
        copied(postgresql, empty, metadata=metadata)
    assert tables_in(empty) == []
