"""Half a minute of life for an empty shop. Delete this file, and its cron, when you have customers of your own."""

from datetime import timedelta

from convexpy import MutationCtx, internal_mutation
from sqlalchemy import select

from . import items, maintenance, orders, reminders, reports, subscriptions, users
from .builders import UserMutationCtx
from .models import LoginSession, User


@internal_mutation
def open_shop(ctx: MutationCtx) -> str:
    """Ada comes by: she signs up, orders, subscribes, and regrets. Watch the log."""
    if ctx.db.scalar(select(User).limit(1)) is not None:
        return "there are customers already"
    ada = ctx.extend(UserMutationCtx, user=ctx.db.get_one(User, users.sign_up(ctx, user_id="ada")))
    items.create_item(ada, name="tea")  # a mail, right after the commit
    orders.place_order(ada, item="tea")  # the charge, in 5 seconds
    reminders.schedule_reminder(ada, message="drink your tea", send_at=ctx.now + timedelta(seconds=10))
    subscription = subscriptions.create_subscription(ada, plan_id="tea of the month")
    ctx.schedule.after(timedelta(seconds=15), regret, subscription_id=subscription, user_id="ada")
    long_ago = ctx.now - timedelta(days=31)
    ctx.db.add_all(LoginSession(user_id="ada", last_active_at=long_ago) for _ in range(3))
    ctx.schedule.after(timedelta(seconds=20), maintenance.cleanup_stale_data)
    ctx.schedule.after(timedelta(seconds=25), reports.generate_daily_report)
    return "ada is here"


@internal_mutation
def regret(ctx: MutationCtx, subscription_id: str, user_id: str) -> None:
    """Cancel a subscription on behalf of a user who came as an argument: nobody is signed in here."""
    ada = ctx.extend(UserMutationCtx, user=ctx.db.get_one(User, user_id))
    subscriptions.cancel_subscription(ada, subscription_id=subscription_id)
