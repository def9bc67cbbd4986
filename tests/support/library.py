"""A library's tables: a column of each type, relations of each kind, and functions that read and write them."""

from __future__ import annotations

import enum
import uuid
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from sqlalchemy import JSON, CheckConstraint, Enum, ForeignKey, Numeric, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from convexpy import MutationCtx, QueryCtx, mutation, query


class Base(DeclarativeBase):
    """The base of the library's tables."""


class Mood(enum.Enum):
    """How an author feels."""

    CALM = "calm"
    CROSS = "cross"


class Author(Base):
    """Somebody who writes."""

    __tablename__ = "authors"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    name: Mapped[str] = mapped_column(unique=True)
    mood: Mapped[Mood] = mapped_column(Enum(Mood, native_enum=False), default=Mood.CALM)


class Book(Base):
    """A book: its volumes refer to it, and it goes with its author."""

    __tablename__ = "books"
    __table_args__ = (CheckConstraint("price >= 0", name="books_price_check"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    author_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("authors.id", ondelete="CASCADE"), index=True)
    part_of: Mapped[int | None] = mapped_column(ForeignKey("books.id", ondelete="SET NULL"))
    price: Mapped[Decimal | None] = mapped_column(Numeric(10, 2))
    rating: Mapped[float | None]
    sold: Mapped[bool] = mapped_column(default=False)
    printed: Mapped[date | None]
    added: Mapped[datetime | None]
    opens: Mapped[time | None]
    extra: Mapped[Any] = mapped_column(JSON(none_as_null=True), nullable=True)
    cover: Mapped[bytes | None]


class Loan(Base):
    """A book that somebody has: it cannot be deleted meanwhile."""

    __tablename__ = "loans"

    book_id: Mapped[int] = mapped_column(ForeignKey("books.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    reader: Mapped[str]


class Visit(Base):
    """A visit, with columns that have ties and gaps."""

    __tablename__ = "visits"

    id: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[int | None] = mapped_column(index=True)
    door: Mapped[str | None]


@query
def titles(ctx: QueryCtx) -> list[str]:
    """The titles of all books."""
    return list(ctx.db.scalars(select(Book.title).order_by(Book.id)))


@query
def books_of(ctx: QueryCtx, name: str) -> int:
    """How many books an author has."""
    return ctx.db.scalar(select(func.count()).select_from(Book).join(Author).where(Author.name == name)) or 0


@mutation
def rename_book(ctx: MutationCtx, book_id: int, title: str) -> None:
    """Give a book another title."""
    ctx.db.get_one(Book, book_id).title = title


@mutation
def add_books(ctx: MutationCtx, author: str, titles: list[str]) -> None:
    """Add an author with books, numbered on from 1."""
    found = Author(name=author)
    ctx.db.add(found)
    ctx.db.flush()
    first = (ctx.db.scalar(select(func.max(Book.id))) or 0) + 1
    ctx.db.add_all(Book(id=first + n, title=title, author_id=found.id) for n, title in enumerate(titles))


@mutation
def add_visits(ctx: MutationCtx, visits: list[tuple[str, int | None, str | None]]) -> None:
    """Add visits."""
    ctx.db.execute(Visit.__table__.insert(), [{"id": id, "day": day, "door": door} for id, day, door in visits])
