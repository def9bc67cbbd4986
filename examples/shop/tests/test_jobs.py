"""`ctx.system`: what became of a job, and what still waits."""

from datetime import timedelta

from convexpy import JobId
from convexpy.testing import ConvexTest, UserView

from shop.jobs import get_job_status, list_pending_jobs
from shop.orders import place_order
from shop.reminders import schedule_reminder


def test_a_job_is_pending_until_it_is_done(convex: ConvexTest, ada: UserView) -> None:
    send_at = convex.now + timedelta(minutes=1)
    job_id = ada.run(schedule_reminder, message="drink your tea", send_at=send_at)
    waiting = convex.run(get_job_status, job_id=job_id)
    assert waiting is not None
    assert (waiting.name, waiting.scheduled_time) == ("reminders:send", send_at)
    assert (waiting.state, waiting.completed_time) == ("pending", None)
    convex.advance(minutes=1)
    done = convex.run(get_job_status, job_id=job_id)
    assert done is not None
    assert (done.state, done.completed_time) == ("success", send_at)


def test_a_job_is_forgotten_seven_days_after_it_is_done(convex: ConvexTest, ada: UserView) -> None:
    job_id = ada.run(schedule_reminder, message="drink your tea", send_at=convex.now + timedelta(minutes=1))
    convex.advance(days=7)
    assert convex.run(get_job_status, job_id=job_id) is not None
    convex.advance(minutes=2)
    assert convex.run(get_job_status, job_id=job_id) is None


def test_a_job_that_never_was_has_no_status(convex: ConvexTest) -> None:
    assert convex.run(get_job_status, job_id=JobId("0" * 32)) is None


def test_pending_jobs_are_listed_soonest_first(convex: ConvexTest, ada: UserView) -> None:
    ada.run(schedule_reminder, message="drink your tea", send_at=convex.now + timedelta(minutes=1))
    ada.run(place_order, item="tea")
    pending = convex.run(list_pending_jobs)
    assert [job.name for job in pending] == ["orders:charge", "reminders:send"]
    assert pending[0].scheduled_time == convex.now + timedelta(seconds=5)
