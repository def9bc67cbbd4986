"""The user's revisions: written from the models, run, adopted, refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Engine, ForeignKey, Integer, MetaData, String, Table, Text, inspect
from sqlalchemy.types import TypeDecorator

from convexpy.database.types import JobIdType, Timestamp
from convexpy.errors import DatabaseError
from convexpy.migrations.dev_sync import sync_tables
from convexpy.migrations.framework import check_revision, migrate
from convexpy.migrations.plan import plan
from convexpy.migrations.revisions import RevisionStatus, adopt, current, make_revision, upgrade, upgrade_sql

from .databases import everything, never, rows, run, write_revision
from .schemas import all_types, note, orders


class Upper(TypeDecorator[str]):
    """A user's own column type."""

    impl = String(5)
    cache_ok = True


def written(path: Path | None) -> str:
    assert path is not None
    return path.read_text("utf-8")


def test_revisions_build_what_the_models_say(engine: Engine, folder: Path) -> None:
    models = all_types(engine.dialect.name)

    make_revision(engine, models, folder, "First tables")
    upgrade(engine, models, folder)

    assert not plan(engine, models)
    check_revision(engine)


def test_a_revision_is_one_file_named_after_its_day_and_message(engine: Engine, folder: Path) -> None:
    path = make_revision(engine, orders(), folder, "First tables!")

    assert path is not None
    assert [each.name for each in folder.iterdir() if each.is_file()] == [path.name]
    assert path.name.endswith("_first_tables.py")
    assert path.name[:2] == "20"


def test_the_next_revision_holds_only_what_is_new(engine: Engine, folder: Path) -> None:
    make_revision(engine, orders(), folder, "first")
    grown = orders(note(), Column("parent", ForeignKey("orders.id"), unique=True))

    second = written(make_revision(engine, grown, folder, "second"))
    upgrade(engine, grown, folder)

    assert "create_table" not in second
    assert "'note'" in second
    assert not plan(engine, grown)
    assert make_revision(engine, grown, folder, "third") is None


def test_a_revision_does_not_depend_on_the_database_at_hand(engine: Engine, folder: Path) -> None:
    migrate(engine)
    sync_tables(engine, orders(note()), never)

    assert "create_table('orders'" in written(make_revision(engine, orders(note()), folder, "first"))
    assert current(engine, folder).revision is None


def test_writing_a_revision_changes_nothing_in_the_database(sqlite: Engine, folder: Path) -> None:
    migrate(sqlite)
    before = everything(sqlite)

    make_revision(sqlite, orders(), folder, "first")
    make_revision(sqlite, orders(note()), folder, "second")

    assert everything(sqlite) == before


def test_the_scratch_database_is_gone_afterwards(engine: Engine, folder: Path) -> None:
    before = inspect(engine).get_schema_names()

    make_revision(engine, orders(), folder, "first")

    assert inspect(engine).get_schema_names() == before
    assert inspect(engine).get_table_names() == []


def test_nothing_is_written_when_models_and_revisions_agree(engine: Engine, folder: Path) -> None:
    make_revision(engine, orders(), folder, "first")
    files = set(folder.glob("*.py"))

    assert make_revision(engine, orders(), folder, "second") is None
    assert set(folder.glob("*.py")) == files


def test_an_empty_revision_can_be_written_by_hand(engine: Engine, folder: Path) -> None:
    text = written(make_revision(engine, orders(), folder, "by hand", autogenerate=False))

    assert "def upgrade() -> None:\n    pass\n" in text
    compile(text, "revision", "exec")


def test_a_revision_never_mentions_the_frameworks_tables(engine: Engine, folder: Path) -> None:
    make_revision(engine, orders(), folder, "first")

    second = written(make_revision(engine, MetaData(), folder, "second"))

    assert "op.drop_table('orders')" in second
    assert "convexpy_" not in second
    assert "_scheduled_functions" not in second


def test_a_revision_imports_the_types_that_it_names(engine: Engine, folder: Path) -> None:
    columns = Column("job", JobIdType), Column("at", Timestamp), Column("code", Upper)
    text = written(make_revision(engine, orders(*columns), folder, "first"))

    assert "import convexpy\n" in text
    assert "convexpy.JobIdType()" in text
    assert "convexpy.Timestamp()" in text
    assert "convexpy.database" not in text
    assert f"import {__name__}\n" in text
    upgrade(engine, MetaData(), folder)


def test_upgrading_brings_the_frameworks_tables_too(engine: Engine, folder: Path) -> None:
    upgrade(engine, orders(), folder)

    check_revision(engine)
    assert not inspect(engine).has_table("orders")


def test_current_says_where_the_database_is_and_where_it_could_be(engine: Engine, folder: Path) -> None:
    assert current(engine, folder) == RevisionStatus(None, None)
    write_revision(folder, "one", None, "pass")
    write_revision(folder, "two", "one", "pass")
    assert current(engine, folder) == RevisionStatus(None, "two")

    upgrade(engine, orders(), folder, "one")
    assert current(engine, folder) == RevisionStatus("one", "two")

    upgrade(engine, orders(), folder)
    upgrade(engine, orders(), folder)
    assert current(engine, folder) == RevisionStatus("two", "two")


def test_a_revision_that_fails_leaves_the_database_as_it_was(engine: Engine, folder: Path) -> None:
    migrate(engine)
    before = inspect(engine).get_table_names()
    write_revision(folder, "one", None, "op.create_table('orders', sa.Column('id', sa.Integer))")
    write_revision(folder, "two", "one", "op.execute('INSERT INTO orders VALUES (1)')\nop.execute('SELECT nonsense')")

    with pytest.raises(DatabaseError, match=r"a revision failed: .*nonsense"):
        upgrade(engine, orders(), folder)

    assert inspect(engine).get_table_names() == before


def test_changing_a_table_does_not_delete_the_rows_that_refer_to_it(engine: Engine, folder: Path) -> None:
    def buyers_and_orders(*more: Any) -> MetaData:
        metadata = orders(*more)
        order = ForeignKey("orders.id", ondelete="CASCADE")
        Table("items", metadata, Column("id", Integer, primary_key=True), Column("order", order))
        return metadata

    make_revision(engine, buyers_and_orders(note()), folder, "first")
    upgrade(engine, buyers_and_orders(), folder)
    run(engine, "INSERT INTO orders VALUES (1, 'x')", "INSERT INTO items VALUES (1, 1)")
    changed = buyers_and_orders(Column("note", Text, nullable=False))
    make_revision(engine, changed, folder, "second")

    upgrade(engine, changed, folder)

    assert not plan(engine, changed)
    assert rows(engine, "SELECT * FROM items") == [{"id": 1, "order": 1}]
    assert rows(engine) == [{"id": 1, "note": "x"}]


def test_a_revision_that_breaks_references_is_undone(sqlite: Engine, folder: Path) -> None:
    models = orders(Column("parent", ForeignKey("orders.id")))
    make_revision(sqlite, models, folder, "first")
    upgrade(sqlite, models, folder)
    run(sqlite, "INSERT INTO orders VALUES (1, NULL), (2, 1)")
    head = current(sqlite, folder).head
    write_revision(folder, "bad", head, "op.execute('DELETE FROM orders WHERE id = 1')")

    with pytest.raises(DatabaseError, match="row 2 of orders would refer to a row of orders that does not exist"):
        upgrade(sqlite, models, folder)

    assert current(sqlite, folder).revision == head
    assert len(rows(sqlite)) == 2


def test_a_database_that_dev_has_made_is_refused_with_the_way_in(engine: Engine, folder: Path) -> None:
    migrate(engine)
    sync_tables(engine, orders(), never)
    make_revision(engine, orders(), folder, "first")

    with pytest.raises(
        DatabaseError, match=r"has tables already \(orders\), but no revision made them: `convexpy dev`"
    ):
        upgrade(engine, orders(), folder)


def test_a_database_that_dev_has_made_can_be_adopted(engine: Engine, folder: Path) -> None:
    models = all_types(engine.dialect.name)
    migrate(engine)
    sync_tables(engine, models, never)
    make_revision(engine, models, folder, "first")

    head = adopt(engine, models, folder)

    assert current(engine, folder) == RevisionStatus(head, head)
    upgrade(engine, models, folder)
    assert not plan(engine, models)


def test_a_database_that_is_not_what_the_models_say_is_not_adopted(engine: Engine, folder: Path) -> None:
    migrate(engine)
    sync_tables(engine, orders(), never)
    make_revision(engine, orders(note()), folder, "first")

    with pytest.raises(DatabaseError, match=r"this database and the models differ.*:\n- add column orders.note"):
        adopt(engine, orders(note()), folder)
    assert current(engine, folder).revision is None


def test_revisions_that_are_not_what_the_models_say_adopt_nothing(engine: Engine, folder: Path) -> None:
    migrate(engine)
    sync_tables(engine, orders(note()), never)
    make_revision(engine, orders(), folder, "first")

    with pytest.raises(DatabaseError, match=r"the newest revision and the models differ.*db revision.*:\n- add column"):
        adopt(engine, orders(note()), folder)
    assert current(engine, folder).revision is None


def test_without_revisions_there_is_nothing_to_adopt(engine: Engine, folder: Path) -> None:
    with pytest.raises(DatabaseError, match="has no revisions yet: write one"):
        adopt(engine, orders(), folder)


def test_two_newest_revisions_are_refused_with_the_remedy(engine: Engine, folder: Path) -> None:
    write_revision(folder, "one", None, "pass")
    write_revision(folder, "mine", "one", "pass")
    write_revision(folder, "theirs", "one", "pass")

    with pytest.raises(
        DatabaseError, match=r"2 newest revisions, mine and theirs.*Change `down_revision` in one of them"
    ):
        upgrade(engine, orders(), folder)
    with pytest.raises(DatabaseError, match="2 newest revisions"):
        make_revision(engine, orders(), folder, "a third")
    assert not inspect(engine).has_table("orders")


def test_an_unknown_revision_is_refused_with_the_remedy(engine: Engine, folder: Path) -> None:
    write_revision(folder, "one", None, "pass")
    with pytest.raises(DatabaseError, match=r"there is no revision 'nope' .*Name one of its files by its id"):
        upgrade(engine, orders(), folder, "nope")


def test_an_alembic_environment_of_the_users_own_is_not_ours_to_run(engine: Engine, folder: Path) -> None:
    folder.mkdir()
    (folder / "env.py").touch()

    for call in (
        lambda: upgrade(engine, orders(), folder),
        lambda: adopt(engine, orders(), folder),
        lambda: make_revision(engine, orders(), folder, "x"),
        lambda: upgrade_sql("sqlite", folder),
    ):
        with pytest.raises(DatabaseError, match="an Alembic environment of your own"):
            call()


def test_a_file_that_is_not_a_revision_is_named(engine: Engine, folder: Path) -> None:
    folder.mkdir()
    (folder / "notes.py").touch()

    with pytest.raises(DatabaseError, match=r"notes\.py"):
        upgrade(engine, orders(), folder)


def test_a_database_of_another_history_is_refused(engine: Engine, folder: Path) -> None:
    write_revision(folder, "one", None, "pass")
    upgrade(engine, orders(), folder)
    run(engine, "UPDATE alembic_version SET version_num = 'lost'")

    with pytest.raises(DatabaseError, match="lost"):
        upgrade(engine, orders(), folder)
