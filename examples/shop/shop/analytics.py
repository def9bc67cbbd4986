"""Numbers about the shop."""

from datetime import timedelta

from convexpy import QueryCtx, internal_query
from pydantic import BaseModel
from sqlalchemy import func, select

from .models import Order


class DailyStats(BaseModel):
    orders: int
    paid: int
    cents: int


@internal_query
def get_daily_stats(ctx: QueryCtx) -> DailyStats:
    """The orders of the last 24 hours, all from one snapshot."""
    recent = Order.ordered_at > ctx.now - timedelta(days=1)
    orders = ctx.db.scalar(select(func.count()).select_from(Order).where(recent)) or 0
    of_paid = select(func.count(), func.coalesce(func.sum(Order.cents), 0)).where(recent, Order.status == "paid")
    paid, cents = ctx.db.execute(of_paid).one()
    return DailyStats(orders=orders, paid=paid, cents=cents)
