"""``paginate`` from within: the order of rows, cursors, and pages that keep their boundaries while rows change."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    Select,
    delete,
    func,
    insert,
    literal,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.orm import aliased, joinedload
from support.apps import START, app_of
from support.paged import (
    Author,
    Base,
    Client,
    Colour,
    Post,
    Typed,
    all_pages,
    current,
    fill,
    get,
    nested,
    page,
    page_in_a_mutation,
    page_twice,
)

from convexpy import (
    CallNotAllowed,
    ConvexError,
    JobId,
    Page,
    PaginationOpts,
    QueryCtx,
    paginate,
    query,
)
from convexpy.testing import ConvexTest


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def convex(request: pytest.FixtureRequest) -> Iterator[ConvexTest]:
    url = None
    if request.param == "postgres":
        from servers.shared import postgres_url

        url = postgres_url().render_as_string(hide_password=False)
    app = app_of(page, page_twice, nested, page_in_a_mutation)
    with ConvexTest(app, metadata=Base.metadata, database_url=url, now=START) as convex:
        yield convex


@pytest.fixture(autouse=True)
def empty(convex: ConvexTest) -> None:
    fill(convex, [])


def by_rank() -> Select[Any]:
    return select(Post).order_by(Post.rank.desc(), Post.score)


ORDERS: list[tuple[str, Callable[[Any], Any], Callable[[Any], tuple[Any, ...]]]] = [
    ("ascending", lambda c: c, lambda v: (v is not None, v or 0)),
    ("descending", lambda c: c.desc(), lambda v: (v is None, -(v or 0))),
    ("ascending, nulls last", lambda c: c.asc().nulls_last(), lambda v: (v is None, v or 0)),
    ("descending, nulls first", lambda c: c.desc().nulls_first(), lambda v: (v is not None, -(v or 0))),
    ("descending, nulls last", lambda c: c.nulls_last().desc(), lambda v: (v is None, -(v or 0))),
]
RANKS = st.none() | st.integers(0, 3)
ORDER = st.sampled_from(ORDERS)
FEW = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(st.lists(st.tuples(RANKS, st.integers(0, 2)), max_size=12), ORDER, ORDER, st.integers(1, 4))
@FEW
def test_pages_are_all_rows_in_their_order(
    convex: ConvexTest, rows: list[tuple[int | None, int]], first: Any, second: Any, count: int
) -> None:
    posts = [{"id": place, "rank": rank, "score": score} for place, (rank, score) in enumerate(rows)]
    fill(convex, posts)
    down = "descending" in second[0]

    def place_of(post: dict[str, Any]) -> tuple[Any, ...]:
        return first[2](post["rank"]), second[2](post["score"]), -post["id"] if down else post["id"]

    expected = [post["id"] for post in sorted(posts, key=place_of)]
    assert (
        all_pages(convex, lambda: select(Post).order_by(first[1](Post.rank), second[1](Post.score)), count) == expected
    )


CHANGES = st.tuples(st.sampled_from(["insert", "delete", "move", "more"]), st.integers(0, 9), RANKS)


@given(
    st.lists(st.tuples(RANKS, st.integers(0, 2)), min_size=3, max_size=8),
    st.lists(CHANGES, max_size=8),
    st.integers(1, 3),
)
@FEW
def test_pages_have_no_gap_and_no_overlap_while_rows_change(
    convex: ConvexTest, rows: list[tuple[int | None, int]], changes: list[tuple[str, int, int | None]], count: int
) -> None:
    fill(convex, [{"id": place, "rank": rank, "score": score} for place, (rank, score) in enumerate(rows)])
    with Client(convex, by_rank, count) as client:
        change_rows(convex, client, changes)


def change_rows(convex: ConvexTest, client: Client, changes: list[tuple[str, int, int | None]]) -> None:
    for place, (change, number, rank) in enumerate(changes):
        with convex.db() as db:
            if change == "insert":
                db.add(Post(id=100 + place, rank=rank, score=number % 3))
            elif change == "delete":
                db.execute(delete(Post).where(Post.id == number))
            elif change == "move":
                db.execute(update(Post).where(Post.id == number).values(rank=rank))
            db.commit()
        before = [each.continue_cursor for each in client.pages]
        if change == "more" and not client.pages[-1].is_done:
            client.load_more()
        client.run()
        assert [each.continue_cursor for each in client.pages][: len(before)] == before
        with convex.db() as db:
            every = list(db.scalars(select(Post.id).order_by(*order())))
        assert client.items == every[: len(client.items)]
        assert not client.pages[-1].is_done or client.items == every


def order() -> list[Any]:
    return [Post.rank.desc().nulls_last(), Post.score, Post.id]


@pytest.mark.parametrize("down", [False, True])
def test_columns_of_one_direction_are_compared_together(convex: ConvexTest, down: bool) -> None:
    fill(convex, [{"id": number, "score": number % 3} for number in range(7)])
    column = Post.score.desc() if down else Post.score
    every = [0, 3, 6, 1, 4, 2, 5]
    assert all_pages(convex, lambda: select(Post).order_by(column)) == (every[::-1] if down else every)
    end = get(convex, lambda: select(Post).order_by(column), count=3).continue_cursor
    fixed = get(convex, lambda: select(Post).order_by(column), count=3, end_cursor=end)
    assert fixed.page == (every[::-1] if down else every)[:3]


def test_a_full_page_may_be_the_last_and_says_so_when_the_next_is_empty(convex: ConvexTest) -> None:
    fill(convex, [{"id": 1}, {"id": 2}, {"id": 3}])
    first = get(convex, lambda: select(Post))
    assert (first.page, first.is_done) == ([1, 2], False)
    second = get(convex, lambda: select(Post), first.continue_cursor)
    assert (second.page, second.is_done) == ([3], True)
    exact = get(convex, lambda: select(Post), count=3)
    assert (exact.page, exact.is_done) == ([1, 2, 3], False)
    after = get(convex, lambda: select(Post), exact.continue_cursor, count=3)
    assert (after.page, after.is_done) == ([], True)
    beyond = get(convex, lambda: select(Post), after.continue_cursor)
    assert (beyond.page, beyond.is_done) == ([], True)


def test_an_end_cursor_wins_over_the_journal_and_the_count(convex: ConvexTest) -> None:
    fill(convex, [{"id": number} for number in range(6)])
    long, short = get(convex, lambda: select(Post), count=5), get(convex, lambda: select(Post), count=1)
    fixed = get(convex, lambda: select(Post), count=2, end_cursor=long.continue_cursor)
    assert (fixed.page, fixed.continue_cursor) == ([0, 1, 2, 3, 4], long.continue_cursor)
    opts = PaginationOpts(num_items=2, end_cursor=long.continue_cursor)
    calls = convex.convex.calls
    call = calls.bind(page, (), {"name": "posts", "opts": opts})
    assert calls.run(replace(call, journal=short.continue_cursor)).page == [0, 1, 2, 3, 4]
    call = calls.bind(page, (), {"name": "posts", "opts": PaginationOpts(num_items=3)})
    assert calls.run(replace(call, journal=short.continue_cursor)).page == [0]
    assert calls.run(replace(call, journal="broken")).page == [0, 1, 2]


def test_a_page_that_has_grown_can_be_split(convex: ConvexTest) -> None:
    fill(convex, [{"id": 0}, {"id": 100}])
    with Client(convex, lambda: select(Post), 2) as client:
        insert_posts(convex, 1, 2)
        client.run()
        assert (client.pages[0].page, client.pages[0].page_status) == ([0, 1, 2, 100], None)
        insert_posts(convex, 3)
        client.run()
        grown = client.pages[0]
    assert (grown.page, grown.page_status) == ([0, 1, 2, 3, 100], "SplitRecommended")
    assert grown.split_cursor is not None
    left = get(convex, lambda: select(Post), end_cursor=grown.split_cursor)
    right = get(convex, lambda: select(Post), grown.split_cursor, end_cursor=grown.continue_cursor)
    assert (left.page, right.page, right.continue_cursor) == ([0, 1], [2, 3, 100], grown.continue_cursor)


def insert_posts(convex: ConvexTest, *numbers: int) -> None:
    with convex.db() as db:
        db.execute(insert(Post), [{"id": number, "score": 0} for number in numbers])
        db.commit()


VALUES: dict[str, list[Any]] = {
    "whole": [-(2**31), 0, 2**31 - 1],
    "text": ["", 'a\n"', "ü€😀"],
    "at": [START, START + timedelta(microseconds=1), START + timedelta(days=1)],
    "day": [date(1999, 12, 31), date(2030, 1, 1), date(2030, 1, 2)],
    "hour": [time(0), time(12, 30, 0, 1), time(23, 59)],
    "money": [Decimal("-1.10"), Decimal("1.10"), Decimal("20.00")],
    "ratio": [-1e300, 0.1, 1 / 3],
    "flag": [False, True, True],
    "data": [b"", b"\0\xff", b"a"],
    "job": [JobId("a" * 32), JobId("b" * 32), JobId("c" * 32)],
    "colour": [Colour.RED, Colour.GREEN, Colour.GREEN],
    "other": [UUID(int=0), UUID(int=5), UUID(int=2**127)],
}


def test_values_of_every_type_make_cursors(convex: ConvexTest) -> None:
    is_sqlite = convex.convex.database.url.get_backend_name() == "sqlite"
    with convex.db() as db:
        for number in range(3):
            values = {name: each[number] for name, each in VALUES.items() if not (is_sqlite and name == "money")}
            db.add(Typed(id=UUID(int=number), **values))
        db.add(Typed(id=UUID(int=9)))
        db.commit()
    for name in (*VALUES, "id"):
        column = getattr(Typed, name)
        assert len(set(all_pages(convex, lambda column=column: select(Typed.id).order_by(column), 1))) == 4, name
        with convex.db() as db:
            every = list(db.scalars(select(Typed.id).order_by(column.desc().nulls_last(), Typed.id.desc())))
        assert all_pages(convex, lambda column=column: select(Typed.id).order_by(column.desc()), 1) == every, name


def test_joins_labels_and_groups_are_paged(convex: ConvexTest) -> None:
    with convex.db() as db:
        db.add_all([Author(id=1, name="b"), Author(id=2, name="a")])
        db.flush()
        owners = [(1, 1), (2, 1), (3, 2), (4, None), (5, 2)]
        db.add_all([Post(id=number, author_id=author, score=number % 2, text="X") for number, author in owners])
        db.commit()
    other = aliased(Author)
    by_name = lambda: select(Post.id, other.name).outerjoin(other, Post.author_id == other.id).order_by(other.name)  # noqa: E731
    assert all_pages(convex, by_name) == [(4, None), (3, "a"), (5, "a"), (1, "b"), (2, "b")]
    by_name_down = lambda: by_name().order_by(None).order_by(other.name.desc(), Post.id)  # noqa: E731
    assert all_pages(convex, by_name_down) == [(1, "b"), (2, "b"), (3, "a"), (5, "a"), (4, None)]
    many = lambda: select(Author.id, Post.id.label("post")).join(Author.posts)  # noqa: E731
    assert all_pages(convex, many, 1) == [(1, 1), (1, 2), (2, 3), (2, 5)]
    loaded = lambda: select(Author).options(joinedload(Author.posts)).order_by(Author.name)  # noqa: E731
    assert all_pages(convex, loaded, 1) == [2, 1]
    lower = lambda: select(Post).order_by(func.lower(Post.text).label("lower").desc())  # noqa: E731
    assert all_pages(convex, lower, 3) == [5, 4, 3, 2, 1]
    counted = lambda: select(Post.score, func.count().label("posts")).group_by(Post.score)  # noqa: E731
    assert all_pages(convex, counted, 1) == [(0, 2), (1, 3)]
    subquery = union_all(select(Post.id), select(Post.id + literal(10))).subquery()
    assert len(all_pages(convex, lambda: select(subquery.c.id).group_by(subquery.c.id), 3)) == 10


def test_rows_have_the_names_of_their_columns(convex: ConvexTest) -> None:
    fill(convex, [{"id": 1, "score": 5}])
    with convex.convex.database.read():
        current["posts"] = lambda: select(Post.id, Post.score)
    rows: list[Any] = []

    @query
    def named(ctx: QueryCtx, opts: PaginationOpts) -> Page[int]:
        return paginate(ctx, select(Post.id, Post.score), opts, lambda row: rows.append(row) or row.score)

    with ConvexTest(app_of(named), metadata=Base.metadata, now=START) as other:
        with other.db() as db:
            db.add(Post(id=1, score=5))
            db.commit()
        assert other.run(named, opts=PaginationOpts(num_items=1)).page == [5]
    assert rows[0]._fields == ("id", "score")


@pytest.mark.parametrize(
    ("statement", "advice"),
    [
        (lambda: select(Post).order_by(func.lower(Post.text)), r"order_by\(expression\.label\('name'\)\)"),
        (lambda: select(Post).order_by("id"), "Write the column itself"),
        (lambda: select(Post).order_by(text("id")), "Write the column itself"),
        (lambda: select(Post).limit(5), r"remove \.limit\(\)"),
        (lambda: select(Post).offset(5), r"remove \.limit\(\)"),
        (lambda: select(Post.text).distinct(), r"Write group_by\(…\)"),
        (lambda: union_all(select(Post.id), select(Author.id)), r"by its subquery\(\)"),
        (lambda: select(select(Post.text).subquery().c.text), "has no primary key"),
    ],
)
def test_what_has_no_order_is_refused(convex: ConvexTest, statement: Callable[[], Any], advice: str) -> None:
    with pytest.raises(ValueError, match=advice):
        get(convex, statement)


def test_a_query_makes_one_page(convex: ConvexTest) -> None:
    with pytest.raises(CallNotAllowed, match="page_twice calls paginate a second time"):
        convex.run(page_twice, opts=PaginationOpts(num_items=1))


def test_a_query_within_a_query_has_a_page_of_its_own(convex: ConvexTest) -> None:
    with convex.db() as db:
        db.add_all([Author(id=number, name="") for number in range(3)])
        db.commit()
    current["posts"] = lambda: select(Author.id)
    calls = convex.convex.calls
    inner, outer = convex.run(nested, opts=PaginationOpts(num_items=2))
    assert (inner.page, outer.page) == ([0], [0, 1])
    call = calls.bind(nested, (), {"opts": PaginationOpts(num_items=1)})
    inner, outer = calls.run(replace(call, journal=outer.continue_cursor))
    assert (inner.page, outer.page) == ([0], [0, 1])


def test_a_mutation_pages_over_its_own_rows(convex: ConvexTest) -> None:
    assert convex.run(page_in_a_mutation, opts=PaginationOpts(num_items=5)).page == [100]


def refused(convex: ConvexTest, cursor: str, make: Callable[[], Select[Any]] = lambda: select(Post)) -> None:
    with pytest.raises(ConvexError, match="InvalidCursor") as error:
        get(convex, make, cursor)
    assert (error.value.code, error.value.data) == (
        "BAD_REQUEST",
        {"isConvexSystemError": True, "paginationError": "InvalidCursor"},
    )


def test_broken_and_forged_cursors_are_refused(convex: ConvexTest) -> None:
    fill(convex, [{"id": number} for number in range(3)])
    cursor = get(convex, lambda: select(Post)).continue_cursor
    data = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    assert get(convex, lambda: select(Post), cursor).page == [2]
    flipped = [data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :] for place in (0, 15, 16, len(data) - 1)]
    for other in (b"", data[:10], data[16:], data + b"]", b"\0" * 16 + b"[0]", *flipped):
        refused(convex, base64.urlsafe_b64encode(other).decode().rstrip("="))
    for other_text in ("", "x", "ü", "\0", cursor + "=", cursor + "AAAA", " " + cursor, "A" * 100_000, "null", "[1]"):
        refused(convex, other_text)


def test_foreign_cursors_are_refused(convex: ConvexTest) -> None:
    fill(convex, [{"id": number} for number in range(3)])
    with convex.db() as db:
        db.add_all([Author(id=number, name="") for number in range(3)])
        db.commit()
    of_function = convex.run(nested, opts=PaginationOpts(num_items=1))[1].continue_cursor
    refused(convex, of_function, lambda: select(Author.id))
    for make in (
        lambda: select(Post).order_by(Post.id.desc()),
        lambda: select(Post).order_by(Post.score),
        lambda: select(Author),
        lambda: select(Post).order_by(Post.score.label("id")),
    ):
        refused(convex, get(convex, make, count=1).continue_cursor)


def test_conditions_do_not_count_as_order(convex: ConvexTest) -> None:
    fill(convex, [{"id": number, "score": number % 2} for number in range(6)])
    first = get(convex, lambda: select(Post).where(Post.score == 0), count=1)
    assert get(convex, lambda: select(Post).where(Post.score == 1), first.continue_cursor).page == [1, 3]


def test_a_live_page_reads_by_the_keys_of_its_conditions(convex: ConvexTest) -> None:
    with convex.db() as db:
        db.add(Author(id=7, name="", posts=[Post(id=number, score=0) for number in range(3)]))
        db.commit()
    with Client(convex, lambda: select(Post).where(Post.author_id == 7).order_by(Post.score, Post.id), 2) as client:
        opts = PaginationOpts(num_items=2, cursor=client.pages[0].continue_cursor)
        calls = convex.convex.calls
        with client.reader.snapshot() as snapshot:
            run = calls.run_live(calls.bind(page, (), {"name": "posts", "opts": opts}), snapshot.transaction)
    assert run.value.page == [2]
    assert run.reads.tables == {"page_posts": {("author_id", 7)}}
    assert not run.reads.everything
