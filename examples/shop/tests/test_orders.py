"""`schedule.after`: the charge comes five seconds after the commit, and never without it."""

import pytest
from convexpy import ConvexError
from convexpy.testing import ConvexTest, UserView

from shop.models import Order
from shop.orders import get_order, place_order, process_order


def status(convex: ConvexTest, order_id: str) -> str | None:
    order = convex.run(get_order, order_id=order_id)
    return order.status if order else None


def test_an_order_is_charged_after_five_seconds(convex: ConvexTest, ada: UserView) -> None:
    order_id = ada.run(place_order, item="tea")
    assert [job.name for job in convex.jobs(state="pending")] == ["orders:charge"]
    convex.advance(seconds=4.999)
    assert status(convex, order_id) == "processing"
    convex.advance(seconds=0.001)
    assert status(convex, order_id) == "paid"


def test_an_order_that_waited_is_charged_after_it_is_processed(convex: ConvexTest, ada: UserView) -> None:
    with convex.db() as db:
        db.add(Order(id="o1", user_id="ada", item="tea", cents=420, ordered_at=convex.now))
    ada.run(process_order, order_id="o1")
    convex.advance(seconds=5)
    assert status(convex, "o1") == "paid"


def test_an_order_is_not_charged_twice(convex: ConvexTest, ada: UserView, capsys: pytest.CaptureFixture[str]) -> None:
    order_id = ada.run(place_order, item="tea")
    with pytest.raises(ConvexError, match="CONFLICT: The order is processing"):
        ada.run(process_order, order_id=order_id)
    convex.advance(minutes=1)
    assert capsys.readouterr().out.count("[bank] 4.20 €") == 1


def test_an_order_that_is_gone_is_not_charged(
    convex: ConvexTest, ada: UserView, capsys: pytest.CaptureFixture[str]
) -> None:
    order_id = ada.run(place_order, item="tea")
    with convex.db() as db:
        db.delete(db.get_one(Order, order_id))
    convex.advance(seconds=5)
    assert [job.state.kind for job in convex.jobs(name="orders:charge")] == ["success"]
    assert "[bank]" not in capsys.readouterr().out


@pytest.mark.parametrize(("order_id", "code"), [("o2", "FORBIDDEN"), ("o3", "NOT_FOUND")])
def test_a_call_that_fails_schedules_nothing(convex: ConvexTest, ada: UserView, order_id: str, code: str) -> None:
    with convex.db() as db:
        db.add(Order(id="o2", user_id="bob", item="tea", cents=420, ordered_at=convex.now))
    with pytest.raises(ConvexError, match=code):
        ada.run(process_order, order_id=order_id)
    assert convex.jobs(name="orders:charge") == []


def test_nobody_orders_without_signing_in(convex: ConvexTest) -> None:
    with pytest.raises(ConvexError, match="UNAUTHORIZED: Not authenticated"):
        convex.run(place_order, item="tea")
    with pytest.raises(ConvexError, match="UNAUTHORIZED: Not authenticated"):
        convex.as_user("stranger").run(place_order, item="tea")


def test_a_free_order_is_refused(ada: UserView) -> None:
    with pytest.raises(ConvexError, match="BAD_REQUEST"):
        ada.run(place_order, item="tea", cents=0)
