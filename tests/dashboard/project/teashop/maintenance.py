"""What keeps the shop tidy."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel
from sqlalchemy import delete, func, select

from convexpy import ActionCtx, MutationCtx, QueryCtx, internal_action, internal_mutation, internal_query

from .models import Item, LoginSession, Order, Report


class Cleanup(BaseModel):
    """How much was deleted."""

    deleted: int


class Sales(BaseModel):
    """The orders of a day."""

    orders: int
    cents: int


@internal_mutation
def clean_up(ctx: MutationCtx, days: int = 30) -> Cleanup:
    """Delete sessions of customers who have not come for a while, a thousand at a time."""
    stale = select(LoginSession.id).where(LoginSession.last_active_at < ctx.now - timedelta(days=days)).limit(1000)
    ids = ctx.db.scalars(stale).all()
    ctx.db.execute(delete(LoginSession).where(LoginSession.id.in_(ids)))
    return Cleanup(deleted=len(ids))


@internal_query
def sales(ctx: QueryCtx) -> Sales:
    """The orders of the last 24 hours."""
    recent = select(func.count(), func.coalesce(func.sum(Order.cents), 0)).where(
        Order.ordered_at > ctx.now - timedelta(days=1)
    )
    orders, cents = ctx.db.execute(recent).one()
    return Sales(orders=orders, cents=cents)


@internal_action
async def report(ctx: ActionCtx) -> None:
    """Write the daily report."""
    figures = await ctx.run_query(sales)
    await ctx.run_mutation(write_report, kind="daily", orders=figures.orders, cents=figures.cents)


@internal_mutation
def write_report(ctx: MutationCtx, kind: str, orders: int, cents: int) -> None:
    """Store a report."""
    ctx.db.add(Report(kind=kind, data={"orders": orders, "cents": cents}, created_at=ctx.now))


@internal_mutation
def refresh_prices(ctx: MutationCtx, supplier: str) -> int:
    """Take over the prices of a supplier. One of them sends none."""
    if supplier == "silent":
        raise LookupError(f"{supplier} has sent no prices")
    for item in ctx.db.scalars(select(Item).limit(100)):
        item.details = {**item.details, "supplier": supplier}
    return 0
