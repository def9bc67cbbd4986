"""Subscriptions: the job that ends one is remembered in its row, so that it can be canceled."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete

from convexpy import ConvexError, MutationCtx, internal_mutation

from .builders import UserMutationCtx, auth_mutation
from .models import Subscription


@auth_mutation
def create_subscription(ctx: UserMutationCtx, plan: str) -> int:
    job_id = ctx.schedule.after(timedelta(days=30), expire, user_id=ctx.user.id)
    subscription = Subscription(user_id=ctx.user.id, plan=plan, expiration_job=job_id)
    ctx.db.add(subscription)
    ctx.db.flush()
    return subscription.id


@auth_mutation
def cancel_subscription(ctx: UserMutationCtx, subscription_id: int) -> None:
    subscription = ctx.db.get(Subscription, subscription_id)
    if subscription is None:
        raise ConvexError("NOT_FOUND", "Subscription not found")
    if subscription.user_id != ctx.user.id:
        raise ConvexError("FORBIDDEN", "Not your subscription")
    if subscription.expiration_job is not None:
        ctx.schedule.cancel(subscription.expiration_job)
    ctx.db.delete(subscription)


@internal_mutation
def expire(ctx: MutationCtx, user_id: str) -> None:
    ctx.db.execute(delete(Subscription).where(Subscription.user_id == user_id))
