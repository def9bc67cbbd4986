"""Reminders: sent at a time that the user chooses."""

from convexpy import ActionCtx, ConvexError, JobId, internal_action
from pydantic import AwareDatetime

from . import mail
from .builders import UserMutationCtx, auth_mutation


@auth_mutation
def schedule_reminder(ctx: UserMutationCtx, message: str, send_at: AwareDatetime) -> JobId:
    """As JSON, ``send_at`` is an ISO time with its zone, or Unix milliseconds."""
    if send_at <= ctx.now:
        raise ConvexError("BAD_REQUEST", "Reminder time must be in the future")
    return ctx.schedule.at(send_at, send, message=message, user_id=ctx.user.id)


@internal_action
async def send(ctx: ActionCtx, message: str, user_id: str) -> None:
    await mail.send(user_id, message)
