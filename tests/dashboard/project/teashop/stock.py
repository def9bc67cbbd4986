"""The stock: what there is of each item."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field
from sqlalchemy import select

from convexpy import MutationCtx, QueryCtx, internal_mutation, mutation, query

from .models import Item


class OutOfStock(Exception):
    """There is less of an item than is asked for."""


class StockLevel(BaseModel):
    """How much there is of an item."""

    name: str
    stock: int


@internal_mutation
def take(ctx: MutationCtx, item_id: int, quantity: int) -> int:
    """Take items off the shelf, and say how many are left."""
    item = ctx.db.get_one(Item, item_id)
    if item.stock < quantity:
        raise OutOfStock(f"{quantity} of {item.name} are asked for, {item.stock} are left")
    item.stock -= quantity
    return item.stock


@mutation
def fill(ctx: MutationCtx, item_id: int, quantity: Annotated[int, Field(ge=1, le=10_000)]) -> int:
    """Put items on the shelf, and say how many there are."""
    item = ctx.db.get_one(Item, item_id)
    item.stock += quantity
    return item.stock


@query
def levels(ctx: QueryCtx) -> list[StockLevel]:
    """How much there is of every item."""
    items = ctx.db.scalars(select(Item).order_by(Item.name).limit(100))
    return [StockLevel(name=item.name, stock=item.stock) for item in items]
