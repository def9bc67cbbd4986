"""Who is typing. Each keystroke puts the end off; without one it comes, scheduled with the row itself."""

from datetime import timedelta

from convexpy import MutationCtx, QueryCtx, internal_mutation, query
from pydantic import BaseModel
from sqlalchemy import select

from .builders import UserMutationCtx, user_mutation
from .models import Channel, Typist

PAUSE = timedelta(seconds=4)


class TypistView(BaseModel):
    """Someone who is typing, as clients see them."""

    user_id: str
    name: str


@query
def who(ctx: QueryCtx, channel: Channel) -> list[TypistView]:
    """Those who are typing in a channel."""
    typists = ctx.db.scalars(select(Typist).where(Typist.channel == channel).order_by(Typist.name, Typist.user_id))
    return [TypistView(user_id=typist.user_id, name=typist.name) for typist in typists]


@user_mutation
def start(ctx: UserMutationCtx, channel: Channel) -> None:
    """The caller types. Call it again while they do."""
    end = ctx.schedule.after(PAUSE, forget, channel=channel, user_id=ctx.user.id)
    typist = ctx.db.get(Typist, (channel, ctx.user.id))
    if typist is None:
        ctx.db.add(Typist(channel=channel, user_id=ctx.user.id, name=ctx.user.name, end=end))
    else:
        ctx.schedule.cancel(typist.end)
        typist.end = end


@user_mutation
def stop(ctx: UserMutationCtx, channel: Channel) -> None:
    """The caller does not type any more."""
    typist = ctx.db.get(Typist, (channel, ctx.user.id))
    if typist is not None:
        ctx.schedule.cancel(typist.end)
        ctx.db.delete(typist)


@internal_mutation
def forget(ctx: MutationCtx, channel: Channel, user_id: str) -> None:
    """The end that was put off for the last time."""
    typist = ctx.db.get(Typist, (channel, user_id))
    if typist is not None:
        ctx.db.delete(typist)
