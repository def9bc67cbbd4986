"""Posts to page through, and a client that holds pages."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Float,
    ForeignKey,
    Numeric,
    Select,
    delete,
    insert,
    select,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from convexpy import (
    JobId,
    JobIdType,
    MutationCtx,
    Page,
    PaginationOpts,
    QueryCtx,
    Timestamp,
    mutation,
    paginate,
    query,
)
from convexpy.testing import ConvexTest


class Base(DeclarativeBase): ...


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


class Author(Base):
    __tablename__ = "page_authors"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    posts: Mapped[list[Post]] = relationship(back_populates="author")


class Post(Base):
    __tablename__ = "page_posts"
    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int | None] = mapped_column(ForeignKey(Author.id))
    author: Mapped[Author | None] = relationship(back_populates="posts")
    rank: Mapped[int | None]
    score: Mapped[int]
    text: Mapped[str | None]


class Typed(Base):
    __tablename__ = "page_types"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    whole: Mapped[int | None]
    text: Mapped[str | None]
    at: Mapped[datetime | None] = mapped_column(Timestamp)
    day: Mapped[date | None]
    hour: Mapped[time | None]
    money: Mapped[Decimal | None] = mapped_column(Numeric(10, 2).with_variant(Float, "sqlite"))
    ratio: Mapped[float | None]
    flag: Mapped[bool | None]
    data: Mapped[bytes | None]
    job: Mapped[JobId | None] = mapped_column(JobIdType)
    colour: Mapped[Colour | None]
    other: Mapped[UUID | None]


current: dict[str, Callable[[], Select[Any]]] = {}
"""What the query pages through, by name: made when it runs."""


@query
def page(ctx: QueryCtx, name: str, opts: PaginationOpts) -> Page[Any]:
    found = paginate(ctx, current[name](), opts)
    return found.model_copy(update={"page": [shown(item) for item in found.page]})


@query
def page_twice(ctx: QueryCtx, opts: PaginationOpts) -> Page[int]:
    paginate(ctx, select(Author.id), opts)
    return paginate(ctx, select(Author.id), opts)


@query
def nested(ctx: QueryCtx, opts: PaginationOpts) -> tuple[Page[Any], Page[Any]]:
    inner = ctx.run_query(page, name="posts", opts=PaginationOpts(num_items=1))
    return inner, paginate(ctx, select(Author.id), opts)


@mutation
def page_in_a_mutation(ctx: MutationCtx, opts: PaginationOpts) -> Page[int]:
    ctx.db.add(Author(id=100, name="new"))
    return paginate(ctx, select(Author.id), opts)


def shown(item: Any) -> Any:
    return item.id if isinstance(item, Base) else tuple(item) if isinstance(item, tuple) else item


def fill(convex: ConvexTest, posts: list[dict[str, Any]]) -> None:
    with convex.db() as db:
        for table in (Post, Author, Typed):
            db.execute(delete(table))
        if posts:
            db.execute(
                insert(Post), [{"text": None, "author_id": None, "score": 0, "rank": None, **post} for post in posts]
            )
        db.commit()


def get(
    convex: ConvexTest, make: Callable[[], Select[Any]], cursor: str | None = None, count: int = 2, **more: Any
) -> Page[Any]:
    current["posts"] = make
    return convex.run(page, name="posts", opts=PaginationOpts(num_items=count, cursor=cursor, **more))


def all_pages(convex: ConvexTest, make: Callable[[], Select[Any]], count: int = 2) -> list[Any]:
    found, cursor = [], None
    while True:
        each = get(convex, make, cursor, count)
        assert len(each.page) <= count
        found += each.page
        if each.is_done:
            return found
        cursor = each.continue_cursor


class Client:
    """Pages as a client of live queries holds them: each with the journal of its last run."""

    def __init__(self, convex: ConvexTest, make: Callable[[], Select[Any]], count: int) -> None:
        self.convex, self.count = convex, count
        self.journals: list[str | None] = []
        self.pages: list[Page[Any]] = []
        self.reader = convex.convex.database.live_reader()
        current["posts"] = make

    def __enter__(self) -> Client:
        self.load_more()
        return self

    def __exit__(self, *failure: object) -> None:
        self.reader.close()

    def load_more(self) -> None:
        self.journals.append(None)
        self.run()

    def run(self) -> None:
        """Run every page again, in one snapshot."""
        calls = self.convex.convex.calls
        with self.reader.snapshot() as snapshot:
            for place, journal in enumerate(self.journals):
                cursor = self.pages[place - 1].continue_cursor if place else None
                opts = PaginationOpts(num_items=self.count, cursor=cursor)
                call = replace(calls.bind(page, (), {"name": "posts", "opts": opts}), journal=journal)
                run = calls.run_live(call, snapshot.transaction)
                assert run.error is None
                assert run.journal == run.value.continue_cursor
                assert journal in (None, run.journal)
                self.journals[place] = run.journal
                self.pages[place : place + 1] = [run.value]

    @property
    def items(self) -> list[Any]:
        return [item for each in self.pages for item in each.page]
