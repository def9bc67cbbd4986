"""Items: whoever should know of a new one is told right after the commit."""

from typing import Annotated

from convexpy import ActionCtx, QueryCtx, internal_action, internal_query
from pydantic import Field, PositiveInt

from . import mail
from .builders import UserMutationCtx, auth_mutation
from .models import Item


@auth_mutation
def create_item(ctx: UserMutationCtx, name: Annotated[str, Field(min_length=1)], cents: PositiveInt = 420) -> str:
    item = Item(name=name, cents=cents)
    ctx.db.add(item)
    ctx.db.flush()  # gives the item its id
    ctx.schedule.now(send_notification, item_id=item.id, user_id=ctx.user.id)
    return item.id


@internal_action
async def send_notification(ctx: ActionCtx, item_id: str, user_id: str) -> None:
    """Sees the item: it runs after the commit. It sees no user: that came as an argument."""
    name = await ctx.run_query(name_of, item_id=item_id)
    if name is not None:
        await mail.send(user_id, f"{name} is in the shop")


@internal_query
def name_of(ctx: QueryCtx, item_id: str) -> str | None:
    item = ctx.db.get(Item, item_id)
    return item.name if item is not None else None
