"""Work for the night: clean up, and report."""

from __future__ import annotations

from pydantic import BaseModel
from sqlalchemy import delete, func, select

from convexpy import ActionCtx, MutationCtx, QueryCtx, internal_action, internal_mutation, internal_query

from .models import Note, Order


class CleanupResult(BaseModel):
    """How much was cleaned up."""

    deleted_count: int


@internal_mutation
def cleanup_stale_data(ctx: MutationCtx) -> CleanupResult:
    stale = ctx.db.scalars(select(Order.id).where(Order.status == "stale").limit(1000)).all()
    ctx.db.execute(delete(Order).where(Order.id.in_(stale)))
    return CleanupResult(deleted_count=len(stale))


@internal_query
def get_daily_stats(ctx: QueryCtx) -> int:
    return ctx.db.scalars(select(func.count()).select_from(Order)).one()


@internal_mutation
def create_report(ctx: MutationCtx, orders: int) -> None:
    ctx.db.add(Note(text=f"{ctx.now:%F}: {orders} orders"))


@internal_action
async def generate_daily_report(ctx: ActionCtx) -> None:
    orders = await ctx.run_query(get_daily_stats)
    await ctx.run_mutation(create_report, orders=orders)
