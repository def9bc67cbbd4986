"""Pages of a query, as clients ask for them: by key, in a total order, and with an end that stays where it was."""

from __future__ import annotations

from typing import Any

import pytest
from app.models import Note
from pydantic import BaseModel
from sqlalchemy import select

from convexpy import (
    ConvexError,
    InvalidArguments,
    MutationCtx,
    Page,
    PaginationOpts,
    QueryCtx,
    mutation,
    paginate,
    query,
)
from convexpy.testing import ConvexTest


class NoteView(BaseModel):
    id: int
    text: str


def view(note: Note) -> NoteView:
    return NoteView(id=note.id, text=note.text.upper())


@query
def newest(ctx: QueryCtx, after: int, pagination: PaginationOpts) -> Page[NoteView]:
    return paginate(ctx, select(Note).where(Note.id > after).order_by(Note.id.desc()), pagination, view)


@query
def by_row(ctx: QueryCtx, options: PaginationOpts) -> Page[NoteView]:
    return paginate(ctx, select(Note).order_by(Note.text), options)  # type: ignore[return-value]


@query
def ids(ctx: QueryCtx, options: PaginationOpts) -> Page[int]:
    return paginate(ctx, select(Note.id), options)


@mutation
def add(ctx: MutationCtx, first: int, last: int) -> None:
    ctx.db.add_all([Note(id=number, text=f"n{number}") for number in range(first, last + 1)])


@mutation
def remove(ctx: MutationCtx, number: int) -> None:
    ctx.db.delete(ctx.db.get_one(Note, number))


def asked(convex: ConvexTest, count: int = 2, cursor: str | None = None, **more: Any) -> dict[str, Any]:
    arguments = {"after": 0, "paginationOpts": {"numItems": count, "cursor": cursor, **more}}
    found: dict[str, Any] = convex.call(f"{__name__}:newest", arguments)
    return found


def test_pages_have_the_names_that_clients_of_convex_know(convex: ConvexTest) -> None:
    convex.run(add, first=1, last=3)
    first = asked(convex, id=7, maximumRowsRead=100, endCursor=None)
    assert first == {
        "page": [{"id": 3, "text": "N3"}, {"id": 2, "text": "N2"}],
        "isDone": False,
        "continueCursor": first["continueCursor"],
        "splitCursor": None,
        "pageStatus": None,
    }
    second = asked(convex, cursor=first["continueCursor"])
    assert (second["page"], second["isDone"]) == ([{"id": 1, "text": "N1"}], True)


def test_items_are_what_the_statement_selects(convex: ConvexTest) -> None:
    convex.run(add, first=1, last=3)
    assert convex.run(ids, options=PaginationOpts(num_items=2)).page == [1, 2]
    rows = convex.run(by_row, options=PaginationOpts(num_items=2))
    assert rows.page == [NoteView(id=1, text="n1"), NoteView(id=2, text="n2")]
    assert not rows.is_done


def test_rows_that_come_and_go_move_no_other_page(convex: ConvexTest) -> None:
    convex.run(add, first=10, last=15)
    first = asked(convex)
    convex.run(add, first=20, last=22)
    convex.run(remove, number=15)
    second = asked(convex, cursor=first["continueCursor"])
    assert [note["id"] for note in second["page"]] == [13, 12]
    again = asked(convex, endCursor=first["continueCursor"])
    assert [note["id"] for note in again["page"]] == [22, 21, 20, 14]
    assert again["continueCursor"] == first["continueCursor"]
    assert again["pageStatus"] is None


def test_a_page_that_has_grown_says_where_to_split_it(convex: ConvexTest) -> None:
    convex.run(add, first=1, last=2)
    end = asked(convex)["continueCursor"]
    convex.run(add, first=3, last=5)
    grown = asked(convex, endCursor=end)
    assert (len(grown["page"]), grown["pageStatus"]) == (5, "SplitRecommended")
    left, right = (
        asked(convex, endCursor=grown["splitCursor"]),
        asked(convex, cursor=grown["splitCursor"], endCursor=end),
    )
    assert left["page"] + right["page"] == grown["page"]
    assert (len(left["page"]), len(right["page"])) == (2, 3)


def test_a_cursor_that_is_none_makes_clients_begin_again(convex: ConvexTest) -> None:
    for cursor in ("", "x", "AAAAAAAAAAAAAAAAAAAAAFswXQ"):
        with pytest.raises(ConvexError, match="InvalidCursor") as error:
            asked(convex, cursor=cursor)
        assert error.value.data == {"isConvexSystemError": True, "paginationError": "InvalidCursor"}


def test_a_cursor_of_another_query_is_refused(convex: ConvexTest) -> None:
    convex.run(add, first=1, last=3)
    cursor = convex.run(ids, options=PaginationOpts(num_items=1)).continue_cursor
    assert convex.run(ids, options=PaginationOpts(num_items=1, cursor=cursor)).page == [2]
    with pytest.raises(ConvexError, match="InvalidCursor"):
        asked(convex, cursor=cursor)


def test_a_count_that_is_none_is_refused(convex: ConvexTest) -> None:
    counts: list[Any] = [0, -1, 1.5, 10_001, "many"]
    for count in counts:
        with pytest.raises(InvalidArguments, match=r"paginationOpts\.numItems"):
            asked(convex, count)
