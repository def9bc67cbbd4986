"""`schedule.cancel`: the id of a job, stored in a row of one's own."""

import pytest
from convexpy import ConvexError
from convexpy.testing import ConvexTest, UserView

from shop.models import Subscription
from shop.subscriptions import cancel_subscription, create_subscription, list_plans
from shop.users import sign_up


def expirations(convex: ConvexTest) -> list[str]:
    return [job.state.kind for job in convex.jobs(name="subscriptions:expire")]


def test_a_subscription_expires_after_30_days(convex: ConvexTest, ada: UserView) -> None:
    ada.run(create_subscription, plan_id="gold")
    convex.advance(days=1)
    ada.run(create_subscription, plan_id="silver")
    convex.advance(days=28.99)
    assert sorted(convex.run(list_plans, user_id="ada")) == ["gold", "silver"]
    convex.advance(days=0.01)
    assert convex.run(list_plans, user_id="ada") == ["silver"]
    assert sorted(expirations(convex)) == ["pending", "success"]


def test_a_canceled_subscription_takes_its_expiration_with_it(convex: ConvexTest, ada: UserView) -> None:
    subscription_id = ada.run(create_subscription, plan_id="gold")
    with convex.db() as db:
        job_id = db.get_one(Subscription, subscription_id).expiration_job_id
    assert [job.id for job in convex.jobs(state="pending")] == [job_id]
    ada.run(cancel_subscription, subscription_id=subscription_id)
    assert convex.run(list_plans, user_id="ada") == []
    assert expirations(convex) == ["canceled"]


def test_only_its_owner_cancels_a_subscription(convex: ConvexTest, ada: UserView) -> None:
    subscription_id = ada.run(create_subscription, plan_id="gold")
    bob = convex.as_user(convex.run(sign_up, user_id="bob"))
    with pytest.raises(ConvexError, match="FORBIDDEN: This is somebody else's subscription"):
        bob.run(cancel_subscription, subscription_id=subscription_id)
    with pytest.raises(ConvexError, match="NOT_FOUND: Subscription not found"):
        bob.run(cancel_subscription, subscription_id="there is none")
    assert convex.run(list_plans, user_id="ada") == ["gold"]
    assert expirations(convex) == ["pending"]
