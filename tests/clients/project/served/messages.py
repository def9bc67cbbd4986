"""Messages of a channel: a list, pages, and sending one."""

from pydantic import BaseModel
from sqlalchemy import select

from convexpy import MutationCtx, Page, PaginationOpts, QueryCtx, mutation, paginate, query

from .models import Message


class MessageView(BaseModel):
    id: int
    body: str


def view(message: Message) -> MessageView:
    return MessageView(id=message.id, body=message.body)


@query
def list(ctx: QueryCtx, channel: str) -> list[MessageView]:
    return [
        view(each) for each in ctx.db.scalars(select(Message).where(Message.channel == channel).order_by(Message.id))
    ]


@query
def page(ctx: QueryCtx, channel: str, pagination: PaginationOpts) -> Page[MessageView]:
    newest_first = select(Message).where(Message.channel == channel).order_by(Message.id.desc())
    return paginate(ctx, newest_first, pagination, view)


@mutation
def send(ctx: MutationCtx, channel: str, body: str) -> int:
    message = Message(channel=channel, body=body)
    ctx.db.add(message)
    ctx.db.flush()
    return message.id
