"""`schedule.now`: an action right after the commit, without its user."""

import pytest
from convexpy import ConvexError
from convexpy.testing import ConvexTest, UserView

from shop.items import create_item
from shop.models import Item
from shop.users import sign_up


def test_a_new_item_is_announced_right_after_the_commit(
    convex: ConvexTest, ada: UserView, capsys: pytest.CaptureFixture[str]
) -> None:
    began = convex.now
    item_id = ada.run(create_item, name="tea")
    assert "tea is in the shop" not in capsys.readouterr().out
    convex.run_due()
    assert capsys.readouterr().out.strip() == "[mail] to ada: tea is in the shop"
    (job,) = convex.jobs(name="items:send_notification")
    assert (job.args, job.completed_time) == ({"item_id": item_id, "user_id": "ada"}, began)


def test_an_item_that_is_gone_is_not_announced(
    convex: ConvexTest, ada: UserView, capsys: pytest.CaptureFixture[str]
) -> None:
    item_id = ada.run(create_item, name="tea")
    with convex.db() as db:
        db.delete(db.get_one(Item, item_id))
    capsys.readouterr()
    convex.run_due()
    assert capsys.readouterr().out == ""


def test_a_user_is_welcomed_once_and_only_if_there_is_one(
    convex: ConvexTest, capsys: pytest.CaptureFixture[str]
) -> None:
    convex.run(sign_up, user_id="grace")
    with pytest.raises(ConvexError, match="CONFLICT: There is a user 'grace' already"):
        convex.run(sign_up, user_id="grace")
    convex.finish_all_scheduled()
    assert capsys.readouterr().out.count("[mail] to grace: Welcome") == 1
