"""The functions that the tests of the Python client call, on a server and by their objects."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum

from app.models import Note
from pydantic import BaseModel
from sqlalchemy import delete, select

from convexpy import ConvexError, Int64, MutationCtx, QueryCtx, SyncActionCtx, action, internal_query, mutation, query

ran: list[str] = []
before_the_end: list[Callable[[], object]] = []


class Size(Enum):
    SMALL = 1
    LARGE = 2


class Item(BaseModel):
    """With a value of each type that JSON has no form for."""

    item_name: str
    made_at: datetime
    size: Size
    number: Int64
    data: bytes
    weight: float
    place: tuple[int, str] = (0, "")


ITEM = Item(
    item_name="tea",
    made_at=datetime(2030, 1, 7, 12, tzinfo=UTC),
    size=Size.LARGE,
    number=2**60 + 1,
    data=b"\x00\xff",
    weight=float("inf"),
    place=(3, "shelf"),
)


@query
def echo(ctx: QueryCtx, item: Item, other_items: list[Item] | None = None) -> list[Item]:
    return [item, *(other_items or [])]


@query
def texts(ctx: QueryCtx) -> list[str]:
    return list(ctx.db.scalars(select(Note.text).order_by(Note.text)))


@query
def count(ctx: QueryCtx, at_most: int = 3) -> int:
    found = len(ctx.db.scalars(select(Note.text)).all())
    if found > at_most:
        raise ConvexError("UNPROCESSABLE_CONTENT", "too many", {"found": found})
    return found


@mutation
def add(ctx: MutationCtx, text: str) -> int:
    ran.append(text)
    ctx.db.add(Note(text=text))
    ctx.db.flush()
    return len(ctx.db.scalars(select(Note.text)).all())


@mutation
def clear(ctx: MutationCtx) -> None:
    ctx.db.execute(delete(Note))


@mutation
def fail(ctx: MutationCtx) -> None:
    raise ConvexError("CONFLICT", "on purpose", {"why": ["a", "test"], "bytes": b"\x01"})


@mutation
def crash(ctx: MutationCtx) -> None:
    raise RuntimeError("a secret")


@action
def act(ctx: SyncActionCtx, text: str) -> str:
    ran.append(text)
    return text.upper()


@query
def whoami(ctx: QueryCtx) -> str | None:
    return ctx.identity.subject if ctx.identity else None


@internal_query
def hidden(ctx: QueryCtx) -> str:
    return "hidden"
