"""A copy holds everything the source holds, in both directions; what cannot be kept is refused and leaves nothing."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from servers.shared import drop, execute, new_database
from sqlalchemy import (
    JSON,
    URL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Date,
    DateTime,
    Engine,
    Enum,
    Float,
    ForeignKey,
    Identity,
    Integer,
    LargeBinary,
    MetaData,
    NullPool,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
    Time,
    Uuid,
    create_engine,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator

from convexpy.database import workers
from convexpy.database.copy import COPIED_ACTION, Copied, copy_database
from convexpy.database.ends import one_transaction, snapshot
from convexpy.database.jobs import NewJob, claim_jobs, insert_jobs, start
from convexpy.database.migrate import migrate
from convexpy.database.tables import crons, finished, jobs, queue
from convexpy.database.types import JobIdType, StoredJSON, Timestamp, new_job_id
from convexpy.database.user_tables import keep_in_step
from convexpy.errors import DatabaseError
from convexpy.settings import Settings

from .conftest import sqlite_engine
from .shop import never, write_revision

SETTINGS = Settings()
NOON = datetime(2026, 1, 1, 12, 0, 0, 123456)


class Colour(enum.Enum):
    RED = 1
    GREEN = 2


class Tags(TypeDecorator[list[str]]):
    """A user's own type that has its own idea of nothing."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> str:
        return ",".join(value or [])

    def process_result_value(self, value: Any, dialect: Any) -> list[str]:
        return value.split(",") if value else []


def models() -> MetaData:
    metadata = MetaData()
    Table(
        "everything",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("flag", Boolean),
        Column("document", JSON),
        Column("binary_document", JSON().with_variant(JSONB, "postgresql")),
        Column("naive", DateTime),
        Column("aware", DateTime(timezone=True)),
        Column("price", Numeric(10, 2)),
        Column("weight", Float),
        Column("colour", Enum(Colour)),
        Column("uuid", Uuid),
        Column("bytes", LargeBinary),
        Column("day", Date),
        Column("at", Time),
        Column("small", SmallInteger),
        Column("big", BigInteger),
        Column("name", String(20)),
        Column("text", Text),
        Column("moment", Timestamp),
        Column("stored", StoredJSON),
        Column("job", JobIdType),
        Column("tags", Tags),
        Column("next", Integer, Computed("id + 1", persisted=True)),
        CheckConstraint("small < 1000", name="small_is_small"),
    )
    Table(
        "tree",
        metadata,
        Column("id", Integer, Identity(always=True), primary_key=True),
        Column("parent", ForeignKey("tree.id")),
    )
    Table(
        "links",
        metadata,
        Column("tree", ForeignKey("tree.id"), primary_key=True),
        Column("everything", ForeignKey("everything.id"), primary_key=True),
        Column("spoken", JSON(none_as_null=True)),
    )
    Table("notes", metadata, Column("text", Text))
    return metadata


METADATA = models()
TREE, LINKS, NOTES = (METADATA.tables[name] for name in ("tree", "links", "notes"))
EVERYTHING = METADATA.tables["everything"]
FULL: dict[str, Any] = {
    "flag": True,
    "document": {"b": [1, 2.5, None], "a": "ü"},
    "binary_document": {"b": 1.0, "a": {"deep": [True, 10**20]}},
    "naive": NOON,
    "aware": NOON,
    "price": Decimal("12345678.90"),
    "weight": 0.1 + 0.2,
    "colour": Colour.GREEN,
    "uuid": UUID("12345678123456781234567812345678"),
    "bytes": b"\x00\xff",
    "day": date(2024, 2, 29),
    "at": time(23, 59, 59, 999999),
    "small": -32768,
    "big": 2**63 - 1,
    "name": "ü" * 20,
    "text": "line\nend \\ ' \"  trailing  ",
    "moment": datetime(1969, 12, 31, 23, 59, 59, 1, tzinfo=UTC),
    "stored": '{"b": 1,"a":  2}',
    "job": "0" * 32,
    "tags": ["a", "b"],
}


@pytest.fixture
def postgresql() -> Iterator[URL]:
    """An empty PostgreSQL database."""
    url = new_database()
    execute(f"ALTER DATABASE {url.database} SET timezone = 'Asia/Tokyo'")  # which must not matter
    yield url
    drop(url)


@pytest.fixture
def source(tmp_path: Path) -> Engine:
    """A SQLite database with the models' tables."""
    engine = sqlite_engine(tmp_path / "source.db")
    migrate(engine)
    keep_in_step(engine, METADATA, never)
    return engine


@pytest.fixture
def empty(tmp_path: Path) -> URL:
    """An empty SQLite database."""
    engine = sqlite_engine(tmp_path / "empty.db")
    engine.connect().close()
    return engine.url


def copied(source: URL, target: URL, folder: Path = Path("nowhere"), metadata: MetaData = METADATA) -> Copied:
    with snapshot(source, SETTINGS) as read, one_transaction(target, SETTINGS) as write:
        return copy_database(read, write, metadata, folder, lambda table, rows, total: None)


def put(engine: Engine, table: Table, *rows: dict[str, Any]) -> None:
    with engine.begin() as connection:
        for row in rows:
            connection.execute(insert(table).values(**row))


def spoil(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def read(url: URL, table: Table) -> list[Any]:
    with snapshot(url, SETTINGS) as connection:
        return sorted(connection.execute(select(table)).all(), key=lambda row: str(row[0]))


def tables_in(url: URL) -> list[str]:
    with snapshot(url, SETTINGS) as connection:
        return inspect(connection).get_table_names()


def scheduled(source: Engine) -> dict[str, Any]:
    """One job of every sort; by what became of it."""
    now, ids = datetime.now(UTC), {}
    with source.begin() as connection:
        for n, what in enumerate(("claimed mutation", "claimed action", "started", "done", "waiting")):
            ids[what] = new_job_id()
            kind = "mutation" if "mutation" in what else "action"
            due = now + timedelta(days=30) if what == "waiting" else now - timedelta(seconds=10 - n)
            insert_jobs(connection, [NewJob(ids[what], "a:b", kind, '{"x":  "\\u0000"}', due)], now)
        workers.register(connection, "w", now)
        claim_jobs(connection, "mutation", "w", "token", now, 9)
        for claim in claim_jobs(connection, "action", "w", "other token", now, 9):
            if claim.job_id in (ids["started"], ids["done"]):
                assert start(connection, claim, f"run-{claim.job_id}"[:32], now)
        connection.execute(queue.delete().where(queue.c.job_id == ids["done"]))
        ended = {"state_kind": "success", "completed_time": now}
        connection.execute(update(jobs).where(jobs.c.id == ids["done"]).values(ended))
        connection.execute(insert(finished).values(**ended, job_id=ids["done"]))
        slot = now + timedelta(hours=1)
        row = {"name": "c", "schedule": "0 9 * * *", "function": "a:b", "args": {}, "next_time": slot, "last_job": "x"}
        connection.execute(insert(crons).values(row))
    return ids


def fill(source: Engine) -> None:
    nothing = dict.fromkeys(FULL)
    put(source, EVERYTHING, {"id": 1, **FULL}, {"id": 700, **nothing})
    spoil(source, "UPDATE everything SET document = NULL, tags = NULL, binary_document = 'null' WHERE id = 700")
    # Children before their parents, and more rows than one batch has.
    put(source, TREE, {"id": 2, "parent": None})
    with source.begin() as connection:
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        rows = [{"id": n, "parent": n + 1} for n in range(3, 1203)]
        connection.execute(insert(TREE), [*rows, {"id": 1203, "parent": None}])
    put(source, LINKS, {"tree": 2, "everything": 1, "spoken": None}, {"tree": 3, "everything": 700, "spoken": [1]})
    put(source, NOTES, {"text": "twice"}, {"text": "twice"})


def raw_nothings(url: URL) -> list[Any]:
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
    assert raw_nothings(postgresql) == [[True, True, "null"]]
    for table in (TREE, LINKS, NOTES):
        assert read(postgresql, table) == read(source.url, table)

    assert copied(postgresql, empty).failed == 0
    for table in METADATA.sorted_tables:
        assert read(empty, table) == read(source.url, table)
    assert raw_nothings(empty) == [[1, 1, "null"]]
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
    keep_in_step(engine, metadata, never)
    put(engine, table, {"id": 5}, {"id": 9})
    spoil(engine, "DELETE FROM numbers WHERE id = 9")
    copied(engine.url, postgresql, metadata=metadata)
    with one_transaction(postgresql, SETTINGS) as connection:
        assert connection.execute(insert(table).returning(table.c.id)).scalar() == 10


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
def test_what_the_target_cannot_keep_is_named_and_nothing_is_written(
    case: str, source: Engine, postgresql: URL
) -> None:
    statements, where, what = WRONG[case]
    put(source, EVERYTHING, {"id": 7, **FULL})
    spoil(source, *statements.split("; "))
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
    spoil(source, "UPDATE everything SET aware = '2026-01-01 12:00:00+02:00' WHERE id = 2")
    with pytest.raises(DatabaseError, match=r"everything.aware, id 2: .*unlike rows before it"):
        copied(source.url, postgresql)


def test_every_wrong_value_is_listed_up_to_ten(source: Engine, postgresql: URL) -> None:
    put(source, EVERYTHING, *({"id": n, "name": "x" * 20} for n in range(1, 31)))
    spoil(source, "UPDATE everything SET name = name || 'x'")
    with pytest.raises(DatabaseError) as refused:
        copied(source.url, postgresql)
    assert str(refused.value).count("21 characters") == 10


def test_a_reference_that_leads_nowhere_is_refused(source: Engine, postgresql: URL) -> None:
    spoil(source, "PRAGMA foreign_keys = OFF")
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
            workers.register(connection, "w", datetime.now(UTC))
        elif what == "a job":
            insert_jobs(connection, [NewJob(new_job_id(), "a:b", "action", "{}", datetime.now(UTC))], datetime.now(UTC))
        else:
            connection.execute(insert(NOTES).values(text="mine"))
    fill(source)
    with pytest.raises(DatabaseError, match="not empty"):
        copied(source.url, postgresql)
    assert read(postgresql, TREE) == []


def test_a_target_with_empty_tables_is_filled(source: Engine, postgresql: URL) -> None:
    copied(source.url, postgresql)
    fill(source)
    copied(source.url, postgresql)
    assert read(postgresql, TREE) == read(source.url, TREE)


def test_a_source_out_of_step_with_the_models_is_refused(source: Engine, postgresql: URL) -> None:
    spoil(source, "ALTER TABLE notes ADD COLUMN more TEXT")
    with pytest.raises(DatabaseError, match=r"the source and the models differ(.|\n)*more"):
        copied(source.url, postgresql)
    assert tables_in(postgresql) == []


def test_tables_of_the_source_that_nobody_knows_are_named(source: Engine, postgresql: URL) -> None:
    spoil(source, "CREATE TABLE stranger (id INTEGER)")
    assert copied(source.url, postgresql).others == ["stranger"]


def test_a_source_kept_by_revisions_makes_a_target_kept_by_them(tmp_path: Path, postgresql: URL) -> None:
    from convexpy.database import revisions

    folder, engine = tmp_path / "migrations", sqlite_engine(tmp_path / "revised.db")
    metadata = MetaData()
    table = Table("notes", metadata, Column("text", Text))
    body = "op.create_table('notes', sa.Column('text', sa.Text))\nop.execute(\"INSERT INTO notes VALUES ('seed')\")"
    write_revision(folder, "one", None, body)
    revisions.upgrade(engine, metadata, folder)
    put(engine, table, {"text": "mine"})
    spoil(engine, "UPDATE notes SET text = 'changed' WHERE text = 'seed'")
    copied(engine.url, postgresql, folder, metadata)
    assert sorted(row.text for row in read(postgresql, table)) == ["changed", "mine"]
    with snapshot(postgresql, SETTINGS) as connection:
        assert revisions.current(connection, folder) == ("one", "one")


def test_a_source_behind_its_revisions_is_refused(tmp_path: Path, postgresql: URL) -> None:
    from convexpy.database import revisions

    folder, engine = tmp_path / "migrations", sqlite_engine(tmp_path / "revised.db")
    metadata = MetaData()
    Table("notes", metadata, Column("text", Text))
    write_revision(folder, "one", None, "op.create_table('notes', sa.Column('text', sa.Text))")
    revisions.upgrade(engine, metadata, folder)
    write_revision(folder, "two", "one", "op.execute(\"UPDATE notes SET text = ''\")")
    with pytest.raises(DatabaseError, match=r"at revision one, and the newest .* is two"):
        copied(engine.url, postgresql, folder, metadata)
    assert tables_in(postgresql) == []


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


def test_a_number_that_loses_digits_is_found_by_comparing(postgresql: URL, empty: URL) -> None:
    metadata = MetaData()
    table = Table("sums", metadata, Column("id", Integer, primary_key=True), Column("sum", Numeric(30, 10)))
    engine = create_engine(postgresql, poolclass=NullPool)
    migrate(engine)
    keep_in_step(engine, metadata, never)
    put(engine, table, {"id": 1, "sum": 1}, {"id": 2, "sum": Decimal("12345678901234567890.0123456789")})
    with pytest.raises(DatabaseError, match=r"sums is not the same: id 2 was"):
        copied(postgresql, empty, metadata=metadata)
    assert tables_in(empty) == []
