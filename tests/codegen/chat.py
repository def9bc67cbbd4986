"""An app whose functions have every kind of type that clients can be told of."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, NotRequired
from uuid import UUID

from pydantic import BaseModel, Field
from typing_extensions import TypeAliasType, TypedDict

from convexpy import (
    ActionCtx,
    Int64,
    MutationCtx,
    Page,
    PaginationOpts,
    QueryCtx,
    action,
    internal_query,
    mutation,
    query,
)

Json = TypeAliasType("Json", "list[Json] | dict[str, Json] | str | float | None")


class Status(Enum):
    """How far a message got."""

    SENT = "sent"
    READ = "read"


class Text(BaseModel):
    kind: Literal["text"] = "text"
    text: str


class Picture(BaseModel):
    kind: Literal["picture"] = "picture"
    data: bytes
    size: tuple[int, int]


class Message(BaseModel):
    """A message of a channel."""

    id: int
    author: str = Field(description="The name of who sent it.")
    body: Annotated[Text | Picture, Field(discriminator="kind")]
    sent_at: datetime
    status: Status = Status.SENT
    reactions: dict[str, int] = {}
    reply_to: Message | None = None


class Channel(TypedDict):
    name: str
    topic: NotRequired[str]


class Everything(BaseModel):
    day: date
    takes: timedelta
    price: Decimal
    uuid: UUID
    anything: Any
    json_value: Json
    pair: tuple[int, str]
    many: tuple[int, ...]
    tags: set[str]
    level: Literal[1, 2, None]
    views: Int64
    per_status: dict[Status, float]
    old: Annotated[str, Field(deprecated=True)] = ""


@query
def list_messages(ctx: QueryCtx, channel: str, since: datetime | None = None) -> list[Message]:
    """The messages of a channel.

    Newest first; a */ in a text ends no comment.
    """
    return []


@query
def page_of_messages(ctx: QueryCtx, channel: str, pagination: PaginationOpts) -> Page[Message]:
    return Page(page=[], is_done=True, continue_cursor="")


@query
def channels(ctx: QueryCtx) -> list[Channel]:
    return []


@query
def everything(ctx: QueryCtx) -> Everything | None:
    return None


@mutation
def send(ctx: MutationCtx, channel: Channel, body: Text | Picture, status: Status = Status.SENT) -> int:
    """Send a message."""
    return 0


@mutation
def clear(ctx: MutationCtx, channel: str) -> None: ...


@action
async def translate(ctx: ActionCtx, text: str, to: Literal["en", "de"] = "en") -> str:
    return text


@internal_query
def secret(ctx: QueryCtx) -> str:
    return ""
