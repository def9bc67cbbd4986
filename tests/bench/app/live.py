"""What is subscribed to in the benchmark: the newest messages of a channel, written by one mutation."""

from __future__ import annotations

from sqlalchemy import insert

from convexpy import MutationCtx, QueryCtx, mutation, query

from .models import Message, newest_of

runs = 0


@query
def newest(ctx: QueryCtx, channel: int) -> list[int]:
    """The numbers of the last ten messages, newest first."""
    global runs
    runs += 1
    return list(ctx.db.scalars(newest_of(channel)))


@mutation
def post(ctx: MutationCtx, channel: int, number: int) -> None:
    ctx.db.execute(insert(Message).values(channel=channel, number=number))
