"""The effect that a call leaves: a row, and one unit that goes from an account to another."""

from __future__ import annotations

import random

from sqlalchemy import insert, text, update

from convexpy import MutationCtx

from .outside import World
from .tables import ACCOUNTS, HOT, accounts, database_time, effects


def leave_effect(ctx: MutationCtx, call: str) -> None:
    """Leave an effect between two accounts of many, in an order without deadlocks."""
    giver, taker = random.sample(range(len(HOT), ACCOUNTS), 2)
    note_effect(ctx, call, giver, taker)
    for account in sorted((giver, taker)):
        move(ctx, account, -1 if account == giver else 1)


def leave_hot_effect(ctx: MutationCtx, call: str) -> None:
    """The same between the two hot accounts."""
    giver, taker = HOT
    note_effect(ctx, call, giver, taker)
    move(ctx, giver, -1)
    move(ctx, taker, 1)


def leave_crossed_effect(ctx: MutationCtx, call: str, giver: int, taker: int) -> None:
    """The same in the order asked for, with a pause in between: two of them in opposite orders deadlock."""
    note_effect(ctx, call, giver, taker)
    move(ctx, giver, -1)
    pause(ctx, 0.02)
    move(ctx, taker, 1)


def pause(ctx: MutationCtx, seconds: float) -> None:
    """Keep a transaction open for a moment, where others may go on meanwhile."""
    if ctx.db.connection().dialect.name == "postgresql":
        ctx.db.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": seconds})


def note_effect(ctx: MutationCtx, call: str, giver: int, taker: int) -> None:
    job_id, attempt = (ctx.job.id, ctx.job.attempt) if ctx.job else (None, 0)
    row = {"call": call, "job": job_id, "attempt": attempt, "worker": World.process, "giver": giver, "taker": taker}
    ctx.db.execute(insert(effects).values(at=database_time(ctx.db.connection()), **row))


def move(ctx: MutationCtx, account: int, units: int) -> None:
    changed = update(accounts).where(accounts.c.account == account).values(balance=accounts.c.balance + units)
    ctx.db.execute(changed)
