"""Orders: the charge comes five seconds after an order is processed."""

from datetime import timedelta
from typing import Annotated

from convexpy import (
    ActionCtx,
    ConvexError,
    MutationCtx,
    QueryCtx,
    internal_action,
    internal_mutation,
    internal_query,
    query,
)
from pydantic import BaseModel, Field, PositiveInt

from . import payments
from .builders import UserMutationCtx, auth_mutation
from .models import Order


class OrderView(BaseModel):
    """An order as clients see it."""

    id: str
    item: str
    cents: int
    status: str


@auth_mutation
def place_order(ctx: UserMutationCtx, item: Annotated[str, Field(min_length=1)], cents: PositiveInt = 420) -> str:
    """Create an order and process it, in one transaction: calling a function is calling its handler."""
    order = Order(user_id=ctx.user.id, item=item, cents=cents, ordered_at=ctx.now)
    ctx.db.add(order)
    ctx.db.flush()  # gives the order its id
    process_order(ctx, order_id=order.id)
    return order.id


@auth_mutation
def process_order(ctx: UserMutationCtx, order_id: str) -> None:
    order = ctx.db.get(Order, order_id)
    if order is None:
        raise ConvexError("NOT_FOUND", "Order not found")
    if order.user_id != ctx.user.id:
        raise ConvexError("FORBIDDEN", "This is somebody else's order")
    if order.status != "new":
        raise ConvexError("CONFLICT", f"The order is {order.status}")
    order.status = "processing"
    ctx.schedule.after(timedelta(seconds=5), charge, order_id=order_id)  # or 5_000: bare numbers are milliseconds


@internal_action
async def charge(ctx: ActionCtx, order_id: str) -> None:
    """Runs at most once. For a charge that must succeed see the example `retries`."""
    cents = await ctx.run_query(amount_due, order_id=order_id)
    if cents is None:  # much can happen in five seconds
        return
    receipt = await payments.charge(order_id, cents)
    await ctx.run_mutation(mark_paid, order_id=order_id, receipt=receipt)


@internal_query
def amount_due(ctx: QueryCtx, order_id: str) -> int | None:
    order = ctx.db.get(Order, order_id)
    return order.cents if order is not None and order.status == "processing" else None


@internal_mutation
def mark_paid(ctx: MutationCtx, order_id: str, receipt: str) -> None:
    order = ctx.db.get_one(Order, order_id)
    order.status = "paid"
    order.receipt = receipt


@query
def get_order(ctx: QueryCtx, order_id: str) -> OrderView | None:
    order = ctx.db.get(Order, order_id)
    if order is None:
        return None
    return OrderView(id=order.id, item=order.item, cents=order.cents, status=order.status)
