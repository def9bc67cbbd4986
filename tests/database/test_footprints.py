"""What a transaction is recorded to have written, and a live run to have read, on each database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from servers.shared import Template, drop
from sqlalchemy import delete, event, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session, aliased, load_only
from support.recorded_app import App, Base, Message, Plain, Room

from convexpy import Convex, ScheduledFunction

TEMPLATE = Template(Base.metadata)


@pytest.fixture(params=["sqlite", "postgres"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[App]:
    copy = TEMPLATE.copy() if request.param == "postgres" else None
    url = copy.render_as_string(hide_password=False) if copy is not None else f"sqlite:///{tmp_path / 'footprints.db'}"
    with Convex(url, functions=pytest, metadata=Base.metadata) as convex:
        convex.migrate()
        with convex.database.ddl() as connection:
            Base.metadata.create_all(connection)
        app = App(convex)
        app.write(
            lambda db: db.add_all([Room(id=1, owner="ada"), Room(id=2, owner="bob")]),
            lambda db: db.flush(),
            lambda db: db.add_all([Message(id=11, room_id=1), Message(id=12, room_id=2), Plain(id=21, kind="a")]),
        )
        yield app
    if copy is not None:
        drop(copy)


def change(entity: type[Any], key: int, **values: Any) -> Callable[[Session], None]:
    """A step that loads an object and changes it."""

    def step(db: Session) -> None:
        found = db.get(entity, key)
        for name, value in values.items():
            setattr(found, name, value)

    return step


def test_a_changed_object_names_all_its_keys(app: App) -> None:
    assert app.write(change(Plain, 21, v=5)).tables == {"plain": {"id": {21}, "kind": {"a"}}}


def test_a_changed_key_has_an_old_and_a_new_value(app: App) -> None:
    assert app.write(change(Plain, 21, kind="b")).tables == {"plain": {"id": {21}, "kind": {"a", "b"}}}


def test_a_new_object_has_the_key_that_the_database_gave_it(app: App) -> None:
    added = [Plain(kind="x"), Plain(kind="y")]
    writes = app.write(lambda db: db.add_all(added))
    assert writes.tables == {"plain": {"id": {one.id for one in added}, "kind": {"x", "y"}}}


def test_a_deleted_object_names_its_keys(app: App) -> None:
    writes = app.write(lambda db: db.delete(db.get(Plain, 21)))
    assert writes.tables == {"plain": {"id": {21}, "kind": {"a"}}}


def test_what_was_not_loaded_is_not_known(app: App) -> None:
    def step(db: Session) -> None:
        found = db.get(Plain, 21, options=[load_only(Plain.v)])
        assert found is not None
        found.kind = "b"

    assert app.write(step).tables == {"plain": {"id": {21}}}


def test_an_object_of_another_session_is_not_believed(app: App) -> None:
    kept: list[Plain] = []
    app.read(lambda db: kept.append(db.get(Plain, 21)))
    app.write(change(Plain, 21, kind="b"))

    def step(db: Session) -> None:
        db.add(kept[0])
        kept[0].v = 9

    assert app.write(step).tables == {"plain": {"id": {21}}}


def test_a_merged_object_is_not_believed(app: App) -> None:
    kept: list[Plain] = []
    app.read(lambda db: kept.append(db.get(Plain, 21)))

    def step(db: Session) -> None:
        db.merge(kept[0], load=False).v = 9

    assert app.write(step).tables == {"plain": {"id": {21}}}


def test_an_object_that_was_merged_into_is_not_believed(app: App) -> None:
    kept: list[Plain] = []
    app.read(lambda db: kept.append(db.get(Plain, 21)))
    app.write(change(Plain, 21, kind="b"))

    def step(db: Session) -> None:
        assert db.get(Plain, 21).kind == "b"
        db.merge(kept[0], load=False).v = 9

    assert app.write(step).tables == {"plain": {"id": {21}}}


def test_an_object_that_is_no_row_is_not_believed(app: App) -> None:
    def step(db: Session) -> None:
        made_up = select(Plain.id, (Plain.kind + "!").label("kind"), Plain.v).subquery()
        db.scalars(select(aliased(Plain, made_up, adapt_on_names=True))).one().v = 9

    assert app.write(step).tables == {"plain": {"id": {21}}}


def test_statements_of_a_listener_within_a_flush_count(app: App) -> None:
    def listen(mapper: Any, connection: Any, target: Any) -> None:
        connection.execute(update(Plain.__table__).where(Plain.id == 21).values(kind="z"))
        connection.execute(insert(Plain.__table__).values(kind="new"))

    event.listen(Room, "before_update", listen)
    try:
        writes = app.write(change(Room, 1, size=3), lambda db: db.add(Plain(id=30, kind="y")))
    finally:
        event.remove(Room, "before_update", listen)
    assert writes.tables["plain"] == {"kind": {"new", "y"}} or writes.tables["plain"] is None


def test_a_cascade_is_written_too(app: App) -> None:
    writes = app.write(lambda db: db.execute(delete(Room).where(Room.id == 1)))
    assert writes.tables == {"room": {"id": {1}}, "message": None}


def test_a_change_of_other_columns_cascades_nowhere(app: App) -> None:
    writes = app.write(lambda db: db.execute(update(Room).where(Room.id == 1).values(size=3)))
    assert writes.tables == {"room": {"id": {1}}}


def test_a_changed_key_cascades(app: App) -> None:
    writes = app.write(lambda db: db.execute(update(Room).where(Room.id == 1).values(id=5)))
    assert writes.tables == {"room": {"id": {1, 5}}, "message": None}


def test_a_cascade_to_the_own_table_leaves_no_keys(app: App) -> None:
    assert app.write(lambda db: db.execute(delete(Message).where(Message.id == 11))).tables == {"message": None}


def test_a_trigger_is_written_too(app: App) -> None:
    app.add_trigger("plain", "UPDATE room SET size = size + 1 WHERE id = 1")
    writes = app.write(lambda db: db.execute(update(Plain).where(Plain.id == 21).values(v=3)))
    assert writes.tables["room"] is None
    assert "plain" in writes.tables


def test_a_trigger_on_the_own_table_leaves_no_keys(app: App) -> None:
    app.add_trigger("plain", "UPDATE plain SET v = v + 1 WHERE id = 99 AND v < 5")
    assert app.write(lambda db: db.add(Plain(id=40, kind="k"))).tables == {"plain": None}


def test_text_writes_whole_tables(app: App) -> None:
    writes = app.write(lambda db: db.execute(text("DELETE FROM room WHERE id = 1")))
    assert writes.tables == {"room": None, "message": None}


def test_text_that_only_reads_first_leaves_keys_known(app: App) -> None:
    writes = app.write(lambda db: db.execute(text("SELECT count(*) FROM room")), change(Plain, 21, v=5))
    assert writes.tables == {"plain": {"id": {21}, "kind": {"a"}}}


def test_driver_text_writes_whole_tables(app: App) -> None:
    writes = app.write(lambda db: db.connection().exec_driver_sql("UPDATE plain SET v = 7"))
    assert writes.tables == {"plain": None}


def test_text_is_known_when_it_is_sent_again(app: App) -> None:
    for _ in range(8):  # by then the driver has a prepared statement
        assert app.write(lambda db: db.execute(text("UPDATE plain SET v = 7"))).tables == {"plain": None}


def test_text_is_known_although_the_call_failed_that_sent_it_first(app: App) -> None:
    def fail(db: Session) -> None:
        db.execute(text("UPDATE plain SET v = v + 1"))
        raise LookupError

    with suppress(LookupError):
        app.write(fail)
    assert app.write(lambda db: db.execute(text("UPDATE plain SET v = v + 1"))).tables == {"plain": None}


def test_what_a_savepoint_undid_may_count(app: App) -> None:
    def step(db: Session) -> None:
        with suppress(IntegrityError), db.begin_nested():
            db.add(Plain(id=21, kind="twice"))
            db.flush()
        db.add(Plain(id=22, kind="once"))

    keys = app.write(step).tables["plain"]
    assert keys is not None
    assert keys["id"] >= {22}


def test_a_query_is_no_write(app: App) -> None:
    assert not app.write(lambda db: db.scalars(select(Plain)).all())


def test_a_changed_schema_may_change_everything(app: App) -> None:
    writes = app.write(lambda db: db.execute(text("CREATE INDEX another ON plain (v)")))
    assert writes.everything or writes.tables == {"plain": None}
    assert app.write(lambda db: db.execute(text("CREATE TABLE fresh (id integer)"))).everything


def test_a_new_trigger_is_seen_by_statements_that_were_sent_before(app: App) -> None:
    step = change(Plain, 21, v=5)
    assert app.write(step).tables.keys() == {"plain"}
    app.add_trigger("plain", "UPDATE room SET size = size + 1 WHERE id = 1")
    assert app.write(change(Plain, 21, v=6)).tables["room"] is None


def test_a_live_run_reads_what_it_pins(app: App) -> None:
    (reads,) = app.read(lambda db: [one.text for one in db.get(Room, 1).messages])
    assert reads.tables == {"room": {("id", 1)}, "message": {("room_id", 1)}}


def test_other_queries_record_nothing(app: App) -> None:
    with app.convex.database.read() as transaction:
        transaction.connection.execute(select(Plain))
        assert transaction.footprints is None


def test_text_reads_its_tables(app: App) -> None:
    pinned = select(Plain.v).where(Plain.id == 21)
    runs = [
        lambda db: db.execute(text("SELECT 1 FROM room r, message AS m")).all(),
        lambda db: db.execute(pinned).all(),
        lambda db: db.connection().exec_driver_sql("SELECT count(*) FROM plain").all(),
        lambda db: db.execute(text("SELECT 1")).all(),
    ]
    for _ in range(3):
        reads = app.read(*runs)
        assert [one.tables for one in reads] == [
            {"room": None, "message": None},
            {"plain": {("id", 21)}},
            {"plain": None},
            {},
        ]


def test_a_view_reads_its_tables(app: App) -> None:
    app.ddl("CREATE VIEW loud AS SELECT id, kind FROM plain WHERE v > 0")
    (reads,) = app.read(lambda db: db.execute(text("SELECT * FROM loud WHERE id = 21")).all())
    assert reads.tables["plain"] is None


def test_an_own_savepoint_keeps_its_work_in_a_live_run(app: App) -> None:
    """The locks of earlier runs then count as well."""

    def run(db: Session) -> None:
        with db.begin_nested():
            db.execute(text("SELECT count(*) FROM room")).all()

    first, second = app.read(lambda db: db.scalars(select(Plain)).all(), run)
    assert first.tables == {"plain": None}
    assert second.tables["room"] is None


def test_jobs_are_read_by_one_name(app: App) -> None:
    (reads,) = app.read(lambda db: db.scalars(select(ScheduledFunction)).all())
    assert reads.tables.keys() <= {"_scheduled_functions"}
    assert reads.tables or reads.everything


def test_a_column_whose_equality_is_another_is_no_pin(app: App) -> None:
    if app.convex.database.is_server:
        app.ddl("ALTER TABLE plain ALTER kind TYPE char(5)")  # 'a' equals 'a  '
    else:
        app.ddl(
            "ALTER TABLE plain RENAME TO old",
            "CREATE TABLE plain (id INTEGER PRIMARY KEY, kind TEXT COLLATE NOCASE, v INT)",
        )
    (reads,) = app.read(lambda db: db.execute(select(Plain.v).where(Plain.kind == "A")).all())
    assert reads.tables == {"plain": None}


def test_a_function_of_the_server_reads_nothing(app: App) -> None:
    (reads,) = app.read(lambda db: db.execute(select(func.lower(Plain.kind)).where(Plain.id == 21)).all())
    assert reads.tables == {"plain": {("id", 21)}}


def test_what_an_undone_savepoint_read_counts(app: App) -> None:
    def run(db: Session) -> None:
        with suppress(ValueError), db.begin_nested():
            db.execute(text("SELECT count(*) FROM room")).all()
            raise ValueError

    (reads,) = app.read(run)
    assert reads.tables == {"room": None}


def test_a_run_that_fails_has_read_something(app: App) -> None:
    def run(db: Session) -> None:
        with suppress(DBAPIError):
            db.execute(text("SELECT 1 FROM room WHERE id / 0 = nothing")).all()

    (reads,) = app.read(run)
    assert reads.everything


def test_a_row_that_gives_way_leaves_no_keys(app: App) -> None:
    if app.convex.database.is_server:
        pytest.skip("PostgreSQL has no ON CONFLICT REPLACE")
    app.ddl(
        "DROP TABLE plain",
        "CREATE TABLE plain (id INTEGER PRIMARY KEY, kind TEXT UNIQUE ON CONFLICT REPLACE, v INT)",
        "INSERT INTO plain VALUES (1, 'a', 0), (2, 'b', 0)",
    )
    assert app.write(lambda db: db.execute(update(Plain).where(Plain.id == 1).values(kind="b"))).tables == {
        "plain": None
    }


def test_partitions_are_written_with_their_parent(app: App) -> None:
    if not app.convex.database.is_server:
        pytest.skip("SQLite has no partitions")
    app.ddl(
        "DROP TABLE plain",
        "CREATE TABLE plain (id int PRIMARY KEY, kind text, v int) PARTITION BY RANGE (id)",
        "CREATE TABLE low PARTITION OF plain FOR VALUES FROM (0) TO (100)",
    )
    writes = app.write(lambda db: db.execute(update(Plain).where(Plain.id == 21).values(v=1)))
    assert writes.tables == {"plain": {"id": {21}}, "low": {"id": {21}}}
    writes = app.write(lambda db: db.execute(text("INSERT INTO low VALUES (1, 'a', 0)")))
    assert writes.tables == {"plain": None, "low": None}


def test_a_function_of_the_users_is_asked_for_its_tables(app: App) -> None:
    if not app.convex.database.is_server:
        pytest.skip("SQLite has no functions of its own")
    app.ddl(
        "CREATE FUNCTION act() RETURNS int LANGUAGE plpgsql AS $$ BEGIN UPDATE room SET size = 1; RETURN 1; END $$",
        "CREATE FUNCTION look() RETURNS bigint LANGUAGE sql STABLE AS $$ SELECT count(*) FROM room $$",
    )
    assert app.write(lambda db: db.execute(select(func.act()))).tables == {"room": None}
    (reads,) = app.read(lambda db: db.execute(select(func.look())).all())
    assert reads.tables == {"room": None}


def test_row_security_is_asked_for_its_tables(app: App) -> None:
    if not app.convex.database.is_server:
        pytest.skip("SQLite has no row security")
    app.ddl(
        "CREATE POLICY by_room ON plain USING (EXISTS (SELECT 1 FROM room WHERE room.id = plain.v))",
        "ALTER TABLE plain ENABLE ROW LEVEL SECURITY",
    )
    (reads,) = app.read(lambda db: db.execute(select(Plain.v).where(Plain.id == 21)).all())
    assert reads.tables["plain"] is None  # the owner is above the policy, and still nothing is pinned


def test_a_deferred_trigger_runs_before_the_locks_are_looked_at(app: App) -> None:
    if not app.convex.database.is_server:
        pytest.skip("SQLite has no deferred triggers")
    app.ddl(
        "CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql "
        "AS $$ BEGIN UPDATE room SET size = 9; RETURN NULL; END $$",
        "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON plain DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION late()",
    )
    assert app.write(lambda db: db.add(Plain(kind="x"))).tables["room"] is None


def test_truncate_writes_what_it_empties(app: App) -> None:
    if not app.convex.database.is_server:
        pytest.skip("SQLite has no TRUNCATE")
    writes = app.write(lambda db: db.execute(text("TRUNCATE room CASCADE")))
    assert writes.tables == {"room": None, "message": None}
