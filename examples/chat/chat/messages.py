"""Messages: the newest page first, and sending one."""

from datetime import datetime
from typing import Annotated

from convexpy import Page, PaginationOpts, QueryCtx, paginate, query
from pydantic import BaseModel, StringConstraints
from sqlalchemy import select

from . import typing
from .builders import UserMutationCtx, user_mutation
from .models import Channel, Message

Body = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000)]


class MessageView(BaseModel):
    """A message as clients see it."""

    id: int
    author_id: str
    author: str
    body: str
    sent_at: datetime


@query
def page(ctx: QueryCtx, channel: Channel, pagination: PaginationOpts) -> Page[MessageView]:
    """The messages of a channel, the newest first."""
    newest_first = select(Message).where(Message.channel == channel).order_by(Message.id.desc())
    return paginate(ctx, newest_first, pagination, view)


def view(message: Message) -> MessageView:
    return MessageView.model_validate(message, from_attributes=True)


@user_mutation
def send(ctx: UserMutationCtx, channel: Channel, body: Body) -> int:
    """Send a message. Its author no longer types."""
    message = Message(channel=channel, author_id=ctx.user.id, author=ctx.user.name, body=body, sent_at=ctx.now)
    ctx.db.add(message)
    typing.stop(ctx, channel=channel)
    ctx.db.flush()  # gives the message its id
    return message.id
