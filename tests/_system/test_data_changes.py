"""``_system/data``: rows are inserted, changed and deleted by hand, all or none, and only as they were seen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from servers.shared import postgres_url
from sqlalchemy import text
from support import library
from support.library import Base

from convexpy import ConvexError
from convexpy.testing import ConvexTest


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def kit(request: pytest.FixtureRequest) -> Iterator[ConvexTest]:
    url = None if request.param == "sqlite" else postgres_url().render_as_string(hide_password=False)
    with ConvexTest(library, metadata=Base.metadata, database_url=url) as convex:
        yield convex


@pytest.fixture
def shelf(kit: ConvexTest) -> ConvexTest:
    """The library with an author and two books, and nothing else."""
    with kit.convex.database.ddl() as connection:
        for table in ("loans", "books", "authors", "visits", "_convexpy_audit"):
            connection.execute(text(f"DELETE FROM {table}"))
    kit.run(library.add_books, author="Ada", titles=["Engines", "Notes"])
    return kit


def update(key: str, column: str, value: str | None, seen: Any) -> dict[str, Any]:
    """The change of a column."""
    values, looked = [{"column": column, "value": value}], [{"column": column, "value": seen}]
    return {"kind": "update", "key": [key], "values": values, "seen": looked}


def insert(**values: str | None) -> dict[str, Any]:
    """A new row."""
    return {"kind": "insert", "values": [{"column": name, "value": value} for name, value in values.items()]}


def delete(shelf: ConvexTest, table: str, *key: str) -> dict[str, Any]:
    """The deletion of a row as it is now."""
    row = shelf.call("_system/data:row", {"table": table, "key": list(key)})
    seen = [{"column": name, "value": cell} for name, cell in zip(row["columns"], row["row"]["cells"], strict=True)]
    return {"kind": "delete", "key": list(key), "seen": seen}


def save(shelf: ConvexTest, table: str, *changes: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    saved: list[dict[str, Any]] = shelf.call("_system/data:save", {"table": table, "changes": list(changes), **more})[
        "changes"
    ]
    return saved


def refused(shelf: ConvexTest, table: str, *changes: dict[str, Any]) -> dict[str, Any]:
    """Why changes cannot be made. A preview says the same."""
    with pytest.raises(ConvexError) as error:
        save(shelf, table, *changes)
    assert error.value.code == "CONFLICT"
    data: Any = error.value.data
    before = shelf.call("_system/data:preview", {"table": table, "changes": list(changes)})
    assert not before["isPossible"]
    assert before["changes"][data["index"]]["problem"] == data["problem"]
    problem: dict[str, Any] = data["problem"]
    return problem


def values(shelf: ConvexTest, table: str, key: str) -> dict[str, Any]:
    row = shelf.call("_system/data:row", {"table": table, "key": [key]})
    return dict(zip(row["columns"], row["row"]["cells"], strict=True))


def author_id(shelf: ConvexTest) -> str:
    key: str = shelf.call("_system/data:rows", {"table": "authors"})["rows"][0]["key"][0]
    return key


def test_changes_of_every_kind_are_saved_with_an_audit_row_each(shelf: ConvexTest) -> None:
    saved = save(
        shelf,
        "books",
        update("1", "title", "Machines", "Engines"),
        insert(
            id="3", title="New", price="9.99", added="2030-01-31T14:30", sold="true", extra='{"a": 1}', cover="\\x00ff"
        ),
        delete(shelf, "books", "2"),
        reason="Bank confirmed by phone",
    )
    assert [change["values"][0]["old"] for change in saved] == ["Engines", None, "2"]
    assert shelf.run(library.titles) == ["Machines", "New"]
    new = values(shelf, "books", "3")
    assert (new["price"], new["sold"], new["extra"], new["cover"]) == ("9.99", "true", '{"a": 1}', "\\x00ff")
    log = [entry for entry in shelf.call("_system/audit:list")["entries"] if entry["target"].startswith("books")]
    assert sorted((entry["action"], entry["target"]) for entry in log) == [
        ("delete row", "books 2"),
        ("edit row", "books 1"),
        ("insert row", "books 3"),
    ]
    details = json.loads(next(entry["details"] for entry in log if entry["action"] == "edit row"))
    assert details == {
        "key": ["1"],
        "changes": [{"column": "title", "old": "Engines", "new": "Machines"}],
        "reason": "Bank confirmed by phone",
    }


def test_defaults_of_the_models_are_those_of_a_new_row(shelf: ConvexTest) -> None:
    (saved,) = save(shelf, "authors", insert(name="Lin"))
    made = {value["column"]: value["new"] for value in saved["values"]}
    assert (made["name"], made["mood"], made["id"]) == ("Lin", "CALM", saved["key"][0])
    assert shelf.run(library.books_of, name="Lin") == 0


def test_a_row_that_changed_meanwhile_is_refused_with_both_versions(shelf: ConvexTest) -> None:
    shelf.run(library.rename_book, book_id=1, title="Looms")
    problem = refused(shelf, "books", update("2", "title", "Y", "Notes"), update("1", "title", "X", "Engines"))
    assert "was changed since you saw it: title" in problem["message"]
    assert problem["differences"] == [{"column": "title", "old": "Engines", "new": "Looms"}]
    assert shelf.run(library.titles) == ["Looms", "Notes"]
    stale = delete(shelf, "books", "2")
    shelf.run(library.rename_book, book_id=2, title="Letters")
    assert refused(shelf, "books", stale)["differences"][0]["new"] == "Letters"
    save(shelf, "books", delete(shelf, "books", "2"))
    assert "is not there any more" in refused(shelf, "books", update("2", "title", "Z", "Letters"))["message"]


def test_what_was_seen_in_part_is_compared_as_far_as_it_was_seen(shelf: ConvexTest) -> None:
    shelf.run(library.rename_book, book_id=1, title="x" * 500)
    page = shelf.call("_system/data:rows", {"table": "books", "limit": 1})
    seen = page["rows"][0]["cells"][page["columns"].index("title")]
    assert seen == {"text": "x" * 200, "length": 500}
    save(shelf, "books", update("1", "title", "short", seen))
    assert shelf.run(library.titles)[0] == "short"
    assert "was changed" in refused(shelf, "books", update("1", "title", "y", seen))["message"]


def test_changes_are_saved_all_or_none(shelf: ConvexTest) -> None:
    refused(shelf, "books", update("1", "title", "A", "Engines"), insert(id="9", title="B"), insert(id="2", title="C"))
    assert shelf.run(library.titles) == ["Engines", "Notes"]
    assert shelf.call("_system/audit:list")["entries"] == []


@pytest.mark.parametrize(
    ("table", "change", "column", "message"),
    [
        ("books", insert(id="1", title="x"), "id", "another row has the same id"),
        ("books", update("1", "title", None, "Engines"), "title", "cannot be null"),
        ("books", update("1", "price", "-1", None), "price", "does not pass the check"),
        ("books", update("1", "part_of", "77", None), None, "refers to a row of"),
        ("books", update("1", "id", "abc", "1"), "id", "'abc' is no whole number"),
        ("books", update("1", "sold", "1", "false"), "sold", "'1' is neither true nor false"),
        ("books", update("1", "added", "soon", None), "added", "'soon' is no date with a time"),
        ("books", update("1", "extra", "{", None), "extra", "is no JSON"),
        ("authors", insert(name="Ada"), "name", "another row has the same name"),
        ("authors", insert(name="Lin", mood="HAPPY"), "mood", "'HAPPY' is none of CALM, CROSS"),
    ],
)
def test_what_the_database_refuses_is_said_by_column(
    shelf: ConvexTest, table: str, change: dict[str, Any], column: str | None, message: str
) -> None:
    problem = refused(shelf, table, change)
    assert message in problem["message"]
    assert column is None or problem["column"] == column


def test_a_deletion_says_first_which_rows_go_with_it(shelf: ConvexTest) -> None:
    change = delete(shelf, "authors", author_id(shelf))
    (before,) = shelf.call("_system/data:preview", {"table": "authors", "changes": [change]})["changes"]
    assert [(each["table"], each["action"], each["count"]) for each in before["effects"]] == [("books", "cascade", 2)]
    assert shelf.run(library.titles) == ["Engines", "Notes"]
    save(shelf, "loans", insert(book_id="1", number="1", reader="noor"))
    problem = refused(shelf, "authors", change)
    assert "loans" in problem["message"]
    assert "1 row of loans refers to it by book_id" in refused(shelf, "books", delete(shelf, "books", "1"))["message"]
    save(shelf, "loans", delete(shelf, "loans", "1", "1"))
    save(shelf, "authors", change)
    assert shelf.run(library.titles) == []


def test_live_queries_of_the_app_see_a_change_by_hand(shelf: ConvexTest) -> None:
    with (
        shelf.convex.subscribe(library.titles) as titles,
        shelf.convex.subscribe(library.books_of, name="Ada") as books,
    ):
        assert (titles.get(5), books.get(5)) == (["Engines", "Notes"], 2)
        save(shelf, "books", update("1", "title", "Looms", "Engines"))
        assert titles.get(5) == ["Looms", "Notes"]
        save(shelf, "authors", delete(shelf, "authors", author_id(shelf)))
        assert (titles.get(5), books.get(5)) == ([], 0)


def test_a_preview_leaves_nothing_behind(shelf: ConvexTest) -> None:
    changes = [update("1", "title", "A", "Engines"), insert(id="5", title="B"), delete(shelf, "books", "2")]
    before = shelf.call("_system/data:preview", {"table": "books", "changes": changes})
    assert before["isPossible"]
    assert [change["kind"] for change in before["changes"]] == ["update", "insert", "delete"]
    assert shelf.run(library.titles) == ["Engines", "Notes"]
    assert shelf.call("_system/audit:list")["entries"] == []


@pytest.mark.parametrize("table", ["_convexpy_keys", "_scheduled_functions", "_convexpy_queue", "_convexpy_audit"])
@pytest.mark.parametrize("function", ["save", "preview"])
def test_the_frameworks_tables_are_refused(shelf: ConvexTest, table: str, function: str) -> None:
    with pytest.raises(ConvexError, match="it is a table of the framework") as error:
        shelf.call(f"_system/data:{function}", {"table": table, "changes": [insert(id="0" * 12, name="mine")]})
    assert error.value.code == "FORBIDDEN"


def test_a_change_says_what_was_seen_and_a_computed_column_is_not_set(shelf: ConvexTest) -> None:
    unseen = {"kind": "update", "key": ["1"], "values": [{"column": "title", "value": "x"}]}
    assert "unseen" in refused(shelf, "books", unseen)["message"]
    assert "unseen" in refused(shelf, "books", {"kind": "delete", "key": ["1"]})["message"]
    with shelf.convex.database.ddl() as connection:
        connection.execute(text("DROP TABLE IF EXISTS sums"))
        connection.execute(
            text("CREATE TABLE sums (a integer NOT NULL PRIMARY KEY, b integer GENERATED ALWAYS AS (a * 2) STORED)")
        )
    assert "is made by the database" in refused(shelf, "sums", insert(a="1", b="3"))["message"]
    (saved,) = save(shelf, "sums", insert(a="2"))
    assert [value["new"] for value in saved["values"]] == ["2", "4"]


def test_rows_without_a_key_and_hostile_values_are_changed_as_well(shelf: ConvexTest) -> None:
    with shelf.convex.database.ddl() as connection:
        connection.execute(text("DROP TABLE IF EXISTS heap"))
        connection.execute(text('CREATE TABLE heap ("we ""ird" text)'))
    hostile = "'; DROP TABLE books; -- \u2028 %s :x \\"
    save(shelf, "heap", insert(**{'we "ird': "a"}), insert(**{'we "ird': "a"}))
    first, second = shelf.call("_system/data:rows", {"table": "heap"})["rows"]
    save(shelf, "heap", update(first["key"][0], 'we "ird', hostile, "a"))
    cells = sorted(row["cells"][0] for row in shelf.call("_system/data:rows", {"table": "heap"})["rows"])
    assert cells == sorted([hostile, "a"])
    save(shelf, "heap", delete(shelf, "heap", *second["key"]))
    assert len(shelf.call("_system/data:rows", {"table": "heap"})["rows"]) == 1
    assert len(shelf.run(library.titles)) == 2
