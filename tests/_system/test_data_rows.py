"""``_system/data``: rows page by page, filtered and in order; single rows and what they are related to."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pytest
from servers.shared import postgres_url
from sqlalchemy import text
from support import library
from support.library import Author, Base, Book, Loan, Mood

from convexpy import ConvexError, MutationCtx, mutation
from convexpy.testing import ConvexTest

HOSTILE = ('a "quoted" %s; --', "MixedCase", "é" * 31, "select", "a.b", "x:y(z)")


@mutation
def fill(ctx: MutationCtx) -> None:
    """Two authors, four books of one, a loan."""
    ada = Author(name="Ada 100%", mood=Mood.CROSS)
    lin = Author(name="lin_")
    ctx.db.add_all([ada, lin])
    ctx.db.flush()
    first = Book(
        id=1,
        title="Engines",
        author_id=ada.id,
        price=Decimal("12.50"),
        rating=4.25,
        sold=True,
        printed=date(1843, 9, 1),
        added=datetime(2026, 11, 29, 14, 24, 0, 500),
        opens=time(9, 30),
        extra={"ü": [1, None]},
        cover=b"\x00\xff" * 400,
    )
    ctx.db.add_all([first, *(Book(id=n, title=f"Volume {n}", author_id=ada.id) for n in (2, 3, 4))])
    ctx.db.flush()
    ctx.db.get_one(Book, 2).part_of = 1
    ctx.db.add(Loan(book_id=1, number=7, reader="noor"))


library.fill = fill  # type: ignore[attr-defined]


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def shelf(request: pytest.FixtureRequest) -> Iterator[ConvexTest]:
    """The library, filled, with tables of hostile names besides. Its tests only read."""
    url = None if request.param == "sqlite" else postgres_url().render_as_string(hide_password=False)
    with ConvexTest(library, metadata=Base.metadata, database_url=url) as convex:
        convex.run(fill)
        with convex.convex.database.ddl() as connection:
            quote = connection.dialect.identifier_preparer.quote_identifier
            for name in HOSTILE:
                quoted = quote(name)
                columns = f"{quoted} text NOT NULL PRIMARY KEY, {quote('n n')} integer"
                connection.exec_driver_sql(f"CREATE TABLE {quoted} ({columns})")
                connection.exec_driver_sql(f"INSERT INTO {quoted} VALUES ('it''s {{}}', 1), ('b', NULL), ('c', 2)")
            connection.execute(text("CREATE TABLE heap (word text)"))
            connection.execute(text("INSERT INTO heap VALUES ('a'), ('a'), (NULL), ('b')"))
            connection.execute(text("CREATE VIEW cheap AS SELECT title, price FROM books WHERE price < 100"))
        yield convex


def asked(convex: ConvexTest, function: str, **arguments: Any) -> Any:
    return convex.call(f"_system/data:{function}", arguments)


def found(convex: ConvexTest, table: str, column: str, operator: str, value: str | None = None) -> list[str]:
    filter = [{"column": column, "operator": operator, "value": value}]
    return [row["key"][0] for row in asked(convex, "rows", table=table, filter=filter)["rows"]]


def walked(convex: ConvexTest, limit: int, **arguments: Any) -> list[list[str]]:
    """All rows of a table, page by page."""
    cells, cursor = [], None
    while True:
        page = asked(convex, "rows", limit=limit, cursor=cursor, **arguments)
        cells += [row["cells"] for row in page["rows"]]
        assert len(page["rows"]) == limit or page["cursor"] is None
        if (cursor := page["cursor"]) is None:
            return cells


def test_ten_thousand_rows_with_ties_and_nulls_are_paged_without_loss(shelf: ConvexTest) -> None:
    chance = random.Random(5)
    visits = [
        (f"v{n:05}", chance.choice([None, *range(40)]), chance.choice([None, "north", "south", ""]))
        for n in range(10_000)
    ]
    shelf.run(library.add_visits, visits=visits)
    expected = sorted([id, None if day is None else str(day), door] for id, day, door in visits)
    days = walked(shelf, 199, table="visits", sort="day")
    assert sorted(days, key=lambda row: row[0]) == expected
    order = [int(row[1]) for row in days if row[1] is not None]
    assert order == sorted(order)
    few = [{"column": "id", "operator": "≥", "value": "v09900"}]
    for sort, descending in (("day", True), ("door", False), ("door", True), (None, True)):
        some = walked(shelf, 9, table="visits", filter=few, sort=sort, descending=descending)
        assert sorted(some, key=lambda row: row[0]) == expected[9900:]
    assert some == expected[:9899:-1]


@pytest.mark.parametrize(
    ("column", "operator", "value", "keys"),
    [
        ("id", ">", "2", ["3", "4"]),
        ("id", "≠", "2", ["1", "3", "4"]),
        ("title", "contains", "VOLUME", ["2", "3", "4"]),
        ("title", "starts with", "eng", ["1"]),
        ("title", "contains", "%", []),
        ("title", "=", "Volume 3", ["3"]),
        ("part_of", "=", "1", ["2"]),
        ("part_of", "is null", None, ["1", "3", "4"]),
        ("part_of", "≠", "7", ["1", "2", "3", "4"]),
        ("price", "=", "12.5", ["1"]),
        ("price", "<", "12.49", []),
        ("rating", "≥", "4.25", ["1"]),
        ("sold", "=", "true", ["1"]),
        ("sold", "=", "false", ["2", "3", "4"]),
        ("printed", "≤", "1843-09-01", ["1"]),
        ("added", ">", "2026-11-29", ["1"]),
        ("added", "<", "2026-11-29T14:24:00.000501", ["1"]),
        ("opens", "=", "09:30", ["1"]),
        ("extra", "contains", "null", ["1"]),
        ("cover", "is not null", None, ["1"]),
        ("cover", "=", "\\x" + "00ff" * 400, ["1"]),
    ],
)
def test_rows_are_filtered_by_values_of_each_type(
    shelf: ConvexTest, column: str, operator: str, value: str | None, keys: list[str]
) -> None:
    assert found(shelf, "books", column, operator, value) == keys


def test_uuids_and_enums_are_filtered_as_they_are_shown(shelf: ConvexTest) -> None:
    (row,) = asked(shelf, "rows", table="authors", filter=[{"column": "mood", "operator": "=", "value": "CROSS"}])[
        "rows"
    ]
    key, name, mood = row["cells"]
    assert (row["key"], name, mood, len(key)) == ([key], "Ada 100%", "CROSS", 36)
    assert found(shelf, "authors", "id", "=", key.upper()) == [key]
    assert found(shelf, "authors", "name", "contains", "0%") == [key]
    assert found(shelf, "books", "author_id", "=", key) == ["1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("table", "column", "value", "why"),
    [
        ("books", "id", "two", "is no whole number"),
        ("books", "id", "9223372036854775808", "beyond 64 bits"),
        ("books", "price", "NaN,", "is no number"),
        ("books", "sold", "yes", "neither true nor false"),
        ("books", "printed", "1 Sep", "is no date"),
        ("books", "added", "2026-11-29T14:24:00Z", "has a time zone"),
        ("books", "opens", "25:00", "is no time of day"),
        ("books", "cover", "zz", "is no list of bytes"),
        ("authors", "id", "1", "is no UUID"),
        ("authors", "mood", "calm", "is none of CALM, CROSS"),
    ],
)
def test_a_filter_whose_value_does_not_fit_is_refused(
    shelf: ConvexTest, table: str, column: str, value: str, why: str
) -> None:
    with pytest.raises(ConvexError, match=why) as error:
        found(shelf, table, column, "=", value)
    assert error.value.code == "BAD_REQUEST"


def test_what_is_not_there_is_said_with_what_is(shelf: ConvexTest) -> None:
    with pytest.raises(ConvexError, match="there is no table 'shelves'") as error:
        asked(shelf, "rows", table="shelves")
    assert error.value.code == "NOT_FOUND"
    with pytest.raises(ConvexError, match="loans has no column 'x'"):
        asked(shelf, "rows", table="loans", sort="x")
    for wrong in ("pg_class", "pg_catalog.pg_class", "information_schema.tables", "sqlite_master", "sqlite_sequence"):
        with pytest.raises(ConvexError, match="there is no table"):
            asked(shelf, "rows", table=wrong)


def test_a_cursor_is_good_for_its_own_order_alone(shelf: ConvexTest) -> None:
    cursor = asked(shelf, "rows", table="books", limit=2)["cursor"]
    assert [row["key"] for row in asked(shelf, "rows", table="books", limit=2, cursor=cursor)["rows"]] == [["3"], ["4"]]
    for other in ({"sort": "title"}, {"descending": True}, {"cursor": cursor[:-2]}, {"table": "loans"}):
        with pytest.raises(ConvexError, match="InvalidCursor"):
            asked(shelf, "rows", **{"table": "books", "cursor": cursor, **other})


def test_a_row_has_its_values_as_text_and_long_ones_in_part(shelf: ConvexTest) -> None:
    page = asked(shelf, "rows", table="books", limit=1)
    cells = dict(zip(page["columns"], page["rows"][0]["cells"], strict=True))
    assert cells["cover"] == {"text": "\\x" + "00ff" * 50, "length": 800}
    row = asked(shelf, "row", table="books", key=["1"])
    whole = dict(zip(row["columns"], row["row"]["cells"], strict=True))
    assert whole["cover"] == "\\x" + "00ff" * 400
    assert {**whole, "cover": None, "author_id": None, "extra": None} == {
        "id": "1",
        "title": "Engines",
        "author_id": None,
        "part_of": None,
        "price": "12.5" if "sqlite" in str(shelf.convex.database.url) else "12.50",
        "rating": "4.25",
        "sold": "true",
        "printed": "1843-09-01",
        "added": "2026-11-29 14:24:00.0005" + ("00" if "sqlite" in str(shelf.convex.database.url) else ""),
        "opens": "09:30:00" + (".000000" if "sqlite" in str(shelf.convex.database.url) else ""),
        "extra": None,
        "cover": None,
    }
    assert asked(shelf, "row", table="books", key=["99"]) is None


def test_a_row_leads_to_the_rows_that_it_is_related_to(shelf: ConvexTest) -> None:
    related = asked(shelf, "row", table="books", key=["1"])["related"]
    shown = {
        (each["foreignKey"]["table"], each["outgoing"]): (each["count"], [row["key"] for row in each["rows"]])
        for each in related
    }
    author = shown.pop(("books", True))
    assert shown == {("books", False): (1, [["2"]]), ("loans", False): (1, [["1", "7"]])}
    assert author[0] in (0, 1)  # part_of refers to none, author_id to one
    (loan,) = asked(shelf, "row", table="loans", key=["1", "7"])["related"]
    assert (loan["outgoing"], loan["rows"][0]["cells"][:2]) == (True, ["1", "Engines"])


@pytest.mark.parametrize("name", HOSTILE)
def test_names_and_values_may_be_anything(shelf: ConvexTest, name: str) -> None:
    assert name in [table["name"] for table in asked(shelf, "tables")]
    shape = asked(shelf, "table", table=name)
    assert ([column["name"] for column in shape["columns"]], shape["key"]) == ([name, "n n"], [name])
    rows = walked(shelf, 1, table=name, sort="n n")
    assert sorted(rows) == [["b", None], ["c", "2"], ["it's {}", "1"]]
    assert found(shelf, name, name, "=", "it's {}") == ["it's {}"]
    assert asked(shelf, "row", table=name, key=["it's {}"])["row"]["cells"] == ["it's {}", "1"]


def test_a_table_without_a_key_is_paged_by_the_databases_own_names(shelf: ConvexTest) -> None:
    rows = walked(shelf, 1, table="heap")
    assert rows == [["a"], ["a"], [None], ["b"]]
    assert sorted(map(str, walked(shelf, 1, table="heap", sort="word"))) == sorted(map(str, rows))
    assert asked(shelf, "table", table="heap")["key"] in (["rowid"], ["ctid"])


def test_a_view_is_shown_as_far_as_it_goes_without_a_key(shelf: ConvexTest) -> None:
    shape = asked(shelf, "table", table="cheap")
    assert (shape["kind"], shape["key"], shape["readOnly"]) == ("view", [], "it is a view")
    assert "price < 100" in shape["definition"] or "price <" in shape["definition"]
    page = asked(shelf, "rows", table="cheap")
    assert (len(page["rows"]), page["cursor"], page["note"]) == (1, None, None)
    assert page["rows"][0]["key"] == []


def test_the_frameworks_tables_are_shown_without_secrets(shelf: ConvexTest) -> None:
    listed = {table["name"]: table for table in asked(shelf, "tables")}
    assert {name for name, table in listed.items() if not table["isFramework"]} >= {"books", "heap", "cheap"}
    assert (listed["books"]["isDeclared"], listed["heap"]["isDeclared"]) == (True, False)
    assert listed["books"]["count"] == {"count": 4, "more": False, "about": False}
    assert listed["_convexpy_keys"]["isFramework"]
    for table, secret in (
        ("_convexpy_keys", "digest"),
        ("_convexpy_requests", "result"),
        ("_convexpy_metadata", "value"),
    ):
        assert secret not in asked(shelf, "rows", table=table)["columns"]
        for question in ({"sort": secret}, {"filter": [{"column": secret, "operator": "starts with", "value": "0"}]}):
            with pytest.raises(ConvexError, match="has no column"):
                asked(shelf, "rows", table=table, **question)


def test_a_table_is_described_with_its_relations_and_constraints(shelf: ConvexTest) -> None:
    shape = asked(shelf, "table", table="books")
    columns = {column["name"]: column for column in shape["columns"]}
    kinds = [columns[name]["kind"] for name in ("id", "title", "price", "rating", "sold", "printed", "added", "opens")]
    assert kinds == ["integer", "text", "decimal", "float", "boolean", "date", "datetime", "time"]
    assert [columns[name]["kind"] for name in ("author_id", "extra", "cover")] == ["uuid", "json", "bytes"]
    assert (columns["author_id"]["refersTo"], columns["sold"]["default"], columns["id"]["inKey"]) == (
        "authors",
        "False",
        True,
    )
    actions = {(key["columns"][0], key["referred"]): key["onDelete"] for key in shape["foreignKeys"]}
    assert actions == {("author_id", "authors"): "cascade", ("part_of", "books"): "set null"}
    assert {(key["table"], key["columns"][0]) for key in shape["referencedBy"]} == {
        ("books", "part_of"),
        ("loans", "book_id"),
    }
    assert ["author_id"] in [index["columns"] for index in shape["indexes"]]
    unique = asked(shelf, "table", table="authors")
    assert [constraint["columns"] for constraint in unique["constraints"] if constraint["kind"] == "unique"] == [
        ["name"]
    ]
    choices = next(column["choices"] for column in unique["columns"] if column["name"] == "mood")
    assert choices == ["CALM", "CROSS"]


def test_what_takes_too_long_is_stopped_and_says_so(shelf: ConvexTest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "sqlite" in str(shelf.convex.database.url):
        slow = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) AS n FROM c"
    else:
        slow = "SELECT pg_sleep(60)::text AS n"
    with shelf.convex.database.ddl() as connection:
        connection.execute(text(f"CREATE VIEW slow AS {slow}"))
    monkeypatch.setattr("convexpy._system.data.LIMIT_SECONDS", 0.1)
    with pytest.raises(ConvexError, match="was stopped") as error:
        asked(shelf, "rows", table="slow")
    assert error.value.code == "TIMEOUT"
    assert found(shelf, "books", "id", "=", "1") == ["1"]
