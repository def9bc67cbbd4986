"""Reminders: sent at a time that the customer chooses."""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, Field

from convexpy import ConvexError, JobId, MutationCtx, internal_mutation, mutation

from . import mail
from .models import Reminder, User


@mutation
def remember(
    ctx: MutationCtx,
    user_id: str,
    message: Annotated[str, Field(min_length=1, max_length=500)],
    send_at: AwareDatetime,
) -> JobId:
    """Remind a customer at this time."""
    if send_at <= ctx.now:
        raise ConvexError("BAD_REQUEST", "A reminder is for later")
    reminder = Reminder(user_id=user_id, message=message, send_at=send_at)
    ctx.db.add(reminder)
    ctx.db.flush()
    reminder.job_id = ctx.schedule.at(send_at, send, user_id=user_id, message=message)
    return reminder.job_id


@internal_mutation
def send(ctx: MutationCtx, user_id: str, message: str) -> None:
    """Hand a reminder to the post office."""
    user = ctx.db.get_one(User, user_id)
    ctx.schedule.now(mail.send, to=user.email, text=message)
