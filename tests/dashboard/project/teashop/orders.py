"""Orders: the charge comes five seconds after an order is placed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from convexpy import (
    ActionCtx,
    ConvexError,
    MutationCtx,
    QueryCtx,
    internal_action,
    internal_mutation,
    internal_query,
    mutation,
    query,
)

from . import mail, payments
from .models import Item, Order, OrderLine, User

Status = Literal["new", "processing", "paid", "shipped", "canceled"]


class OrderView(BaseModel):
    """An order as clients see it."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    user_id: str
    status: Status
    cents: int
    ordered_at: datetime


class Due(BaseModel):
    """What a customer owes for an order."""

    cents: int
    email: str


@mutation
def place(
    ctx: MutationCtx,
    user_id: Annotated[str, Field(min_length=1, description="Who buys")],
    item_id: Annotated[int, Field(ge=1, description="What is bought")],
    quantity: Annotated[int, Field(ge=1, le=20)] = 1,
    gift: bool = False,
) -> str:
    """Place an order, and charge it in five seconds.

    Takes the items off the stock in the same transaction.
    """
    item = ctx.db.get(Item, item_id)
    if item is None:
        raise ConvexError("NOT_FOUND", f"There is no item {item_id}")
    if item.stock < quantity:
        raise ConvexError("CONFLICT", f"Only {item.stock} of {item.name} are left")
    item.stock -= quantity
    order = Order(user_id=user_id, status="processing", cents=item.cents * quantity, ordered_at=ctx.now)
    order.lines.append(OrderLine(item_id=item.id, quantity=quantity))
    ctx.db.add(order)
    ctx.db.flush()
    ctx.schedule.after(timedelta(seconds=5), charge, order_id=order.id)
    return order.id


@internal_action
async def charge(ctx: ActionCtx, order_id: str) -> None:
    """Charge an order, and send the receipt. Runs at most once."""
    due = await ctx.run_query(amount_due, order_id=order_id)
    if due is None:
        return
    ctx.log.info("amount due: %s cents", due.cents)
    receipt = await payments.charge(order_id, due.cents)
    await ctx.run_mutation(mark_paid, order_id=order_id, receipt=receipt)
    await ctx.schedule.now(mail.send, to=due.email, text=f"Your receipt: {receipt}")


@internal_query
def amount_due(ctx: QueryCtx, order_id: str) -> Due | None:
    """What is to be paid for an order that is not paid."""
    order = ctx.db.get(Order, order_id)
    if order is None or order.status != "processing":
        return None
    return Due(cents=order.cents, email=order.user.email)


@internal_mutation
def mark_paid(ctx: MutationCtx, order_id: str, receipt: str) -> None:
    """Remember the receipt, and ship the order in two minutes."""
    order = ctx.db.get_one(Order, order_id)
    order.status = "paid"
    order.receipt = receipt
    ctx.schedule.after(timedelta(minutes=2), ship, order_id=order_id)


@internal_mutation
def ship(ctx: MutationCtx, order_id: str) -> None:
    """Send the parcel."""
    order = ctx.db.get_one(Order, order_id)
    if order.status != "paid":
        raise ConvexError("CONFLICT", f"The order is {order.status}")
    order.status = "shipped"
    ctx.schedule.now(mail.send, to=order.user.email, text="Your tea is on its way")


@query
def get(ctx: QueryCtx, order_id: str) -> OrderView | None:
    """One order."""
    order = ctx.db.get(Order, order_id)
    return OrderView.model_validate(order) if order is not None else None


@query
def latest(ctx: QueryCtx, limit: Annotated[int, Field(ge=1, le=100)] = 20) -> list[OrderView]:
    """The latest orders, live in every shop window."""
    orders = ctx.db.scalars(select(Order).order_by(Order.ordered_at.desc(), Order.id).limit(limit))
    return [OrderView.model_validate(order) for order in orders]


@query
def of_user(ctx: QueryCtx, user_id: str, status: Status | None = None) -> list[OrderView]:
    """The orders of a customer."""
    found = select(Order).where(Order.user_id == user_id).order_by(Order.ordered_at.desc()).limit(50)
    if status is not None:
        found = found.where(Order.status == status)
    return [OrderView.model_validate(order) for order in ctx.db.scalars(found)]


@query
def customers(ctx: QueryCtx) -> list[str]:
    """The names of all customers."""
    return list(ctx.db.scalars(select(User.name).order_by(User.name).limit(100)))
