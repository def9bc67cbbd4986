"""Orders: charged a while after they were placed."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel, ConfigDict

from convexpy import ActionCtx, MutationCtx, QueryCtx, internal_action, internal_mutation, query

from .builders import UserMutationCtx, admin_mutation, auth_mutation
from .models import Order


class OrderView(BaseModel):
    """An order as callers see it."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    status: str


@auth_mutation
def process_order(ctx: UserMutationCtx, order_id: str) -> None:
    order = ctx.db.get_one(Order, order_id)
    order.status = "processing"
    ctx.schedule.after(timedelta(seconds=5), charge, order_id=order_id)


@internal_action
async def charge(ctx: ActionCtx, order_id: str) -> None:
    await ctx.run_mutation(mark_paid, order_id=order_id)


@internal_mutation(aliases=["orders:paid"])
def mark_paid(ctx: MutationCtx, order_id: str) -> None:
    ctx.db.get_one(Order, order_id).status = "paid"


@admin_mutation
def delete_order(ctx: UserMutationCtx, order_id: str) -> None:
    ctx.db.delete(ctx.db.get_one(Order, order_id))


@query
def get_order(ctx: QueryCtx, order_id: str) -> OrderView:
    return OrderView.model_validate(ctx.db.get_one(Order, order_id))
