"""The two crons of the shop, and the demo, which runs as a third."""

from datetime import UTC, datetime, timedelta

import pytest
from convexpy import ScheduledFunction
from convexpy.testing import ConvexTest, UserView

from shop.maintenance import CleanupResult, cleanup_stale_data
from shop.models import Base, LoginSession
from shop.orders import place_order
from shop.reports import ReportView, latest


def runs_of(convex: ConvexTest, cron: str) -> list[ScheduledFunction]:
    """The cron's runs, the first one first."""
    return [job for job in reversed(convex.jobs()) if job.cron == cron]


def next_nine(now: datetime) -> datetime:
    nine = now.replace(hour=9, minute=0, second=0, microsecond=0)
    return nine if nine > now else nine + timedelta(days=1)


def test_stale_sessions_are_deleted_a_thousand_at_a_time(convex: ConvexTest) -> None:
    long_ago = convex.now - timedelta(days=30, seconds=1)
    with convex.db() as db:
        db.add(LoginSession(user_id="bob", last_active_at=long_ago))
        db.add_all(LoginSession(user_id="eve", last_active_at=long_ago - timedelta(days=1)) for _ in range(1000))
        db.add(LoginSession(user_id="ada", last_active_at=long_ago + timedelta(minutes=1)))
    assert convex.run(cleanup_stale_data) == CleanupResult(deleted_count=1000)
    with convex.db() as db:
        assert {session.user_id for session in db.query(LoginSession)} == {"ada", "bob"}
    assert convex.run(cleanup_stale_data) == CleanupResult(deleted_count=1)
    assert convex.run(cleanup_stale_data) == CleanupResult(deleted_count=0)
    with convex.db() as db:
        assert [session.user_id for session in db.query(LoginSession)] == ["ada"]


def test_the_cleanup_runs_at_once_and_then_every_two_hours(convex: ConvexTest) -> None:
    began = convex.now
    convex.advance(hours=5)
    runs = runs_of(convex, "cleanup stale data")
    assert [run.scheduled_time - began for run in runs] == [timedelta(hours=hours) for hours in (0, 2, 4)]
    assert {run.state.kind for run in runs} == {"success"}


def test_the_daily_report_is_written_at_nine(convex: ConvexTest, ada: UserView) -> None:
    nine = next_nine(convex.now)
    convex.advance(nine - convex.now)
    assert convex.run(latest) == ReportView(type="daily", data={"orders": 0, "paid": 0, "cents": 0})
    convex.advance(hours=20)
    ada.run(place_order, item="tea")
    convex.advance(hours=4, seconds=-1)
    ada.run(place_order, item="coffee")
    convex.advance(seconds=1)
    assert convex.run(latest) == ReportView(type="daily", data={"orders": 2, "paid": 1, "cents": 420})
    convex.advance(days=1)
    assert convex.run(latest) == ReportView(type="daily", data={"orders": 0, "paid": 0, "cents": 0})
    slots = [run.scheduled_time for run in runs_of(convex, "daily report")]
    assert slots == [nine, nine + timedelta(days=1), nine + timedelta(days=2)]


def test_the_demo_shows_everything_in_half_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    noon = datetime(2030, 1, 1, 12, tzinfo=UTC)
    with ConvexTest("shop", metadata=Base.metadata, now=noon) as convex:
        convex.advance(seconds=25)
        lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
        assert [line.partition(" for order")[0] for line in lines] == [
            "[mail] to ada: Welcome to the shop!",
            "[mail] to ada: tea is in the shop",
            "[bank] 4.20 €",
            "[mail] to ada: drink your tea",
            "[mail] to the boss: orders 1, paid 1, 4.20 €",
        ]
        assert [job.state.kind for job in convex.jobs(name="subscriptions:expire")] == ["canceled"]
        assert convex.jobs(state="pending") == []
        with convex.db() as db:
            assert db.query(LoginSession).count() == 1


def test_the_demo_leaves_a_shop_with_customers_alone(convex: ConvexTest, ada: UserView) -> None:
    convex.advance(days=1)
    assert [run.name for run in runs_of(convex, "open the shop")] == ["demo:open_shop"] * 2
    assert convex.jobs(name="orders:charge") == []
