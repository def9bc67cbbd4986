"""Subscriptions: they expire in 30 days, unless they are canceled and the expiration with them."""

from datetime import timedelta

from convexpy import ConvexError, MutationCtx, QueryCtx, internal_mutation, query
from sqlalchemy import select

from .builders import UserMutationCtx, auth_mutation
from .models import Subscription


@auth_mutation
def create_subscription(ctx: UserMutationCtx, plan_id: str) -> str:
    subscription = Subscription(user_id=ctx.user.id, plan_id=plan_id)
    ctx.db.add(subscription)
    ctx.db.flush()  # gives the subscription its id
    # The id of the job is known before the commit, so that the same commit can store it.
    subscription.expiration_job_id = ctx.schedule.after(timedelta(days=30), expire, subscription_id=subscription.id)
    return subscription.id


@auth_mutation
def cancel_subscription(ctx: UserMutationCtx, subscription_id: str) -> None:
    subscription = ctx.db.get(Subscription, subscription_id)
    if subscription is None:
        raise ConvexError("NOT_FOUND", "Subscription not found")
    if subscription.user_id != ctx.user.id:
        raise ConvexError("FORBIDDEN", "This is somebody else's subscription")
    if subscription.expiration_job_id is not None:
        ctx.schedule.cancel(subscription.expiration_job_id)
    ctx.db.delete(subscription)


@internal_mutation
def expire(ctx: MutationCtx, subscription_id: str) -> None:
    subscription = ctx.db.get(Subscription, subscription_id)
    if subscription is not None:
        ctx.db.delete(subscription)


@query
def list_plans(ctx: QueryCtx, user_id: str) -> list[str]:
    return list(ctx.db.scalars(select(Subscription.plan_id).where(Subscription.user_id == user_id)))
