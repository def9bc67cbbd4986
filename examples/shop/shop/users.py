"""Users sign up, and get a mail as soon as they are really there."""

from typing import Annotated

from convexpy import ActionCtx, ConvexError, MutationCtx, internal_action, mutation
from pydantic import Field

from . import mail
from .models import LoginSession, User

UserId = Annotated[str, Field(min_length=1, max_length=40, examples=["grace"])]


@mutation
def sign_up(ctx: MutationCtx, user_id: UserId) -> str:
    """Create a user. The welcome is scheduled by the same commit: no user, no mail."""
    if ctx.db.get(User, user_id) is not None:
        raise ConvexError("CONFLICT", f"There is a user {user_id!r} already")
    ctx.db.add(User(id=user_id))
    ctx.db.add(LoginSession(user_id=user_id, last_active_at=ctx.now))
    ctx.schedule.now(send_welcome, user_id=user_id)
    return user_id


@internal_action
async def send_welcome(ctx: ActionCtx, user_id: str) -> None:
    await mail.send(user_id, "Welcome to the shop!")
