"""`schedule.at`: a chosen time, which must lie in the future."""

from datetime import timedelta

import pytest
from convexpy import ConvexError
from convexpy.testing import ConvexTest, UserView

from shop.reminders import schedule_reminder


def test_a_reminder_is_sent_at_its_time(convex: ConvexTest, ada: UserView, capsys: pytest.CaptureFixture[str]) -> None:
    job_id = ada.run(schedule_reminder, message="drink your tea", send_at=convex.now + timedelta(hours=3))
    convex.advance(timedelta(hours=3, milliseconds=-1))
    assert "drink your tea" not in capsys.readouterr().out
    convex.advance(timedelta(milliseconds=1))
    assert "[mail] to ada: drink your tea" in capsys.readouterr().out
    job = convex.job(job_id)
    assert job is not None
    assert job.completed_time == job.scheduled_time


def test_a_reminder_takes_unix_milliseconds_as_json(convex: ConvexTest, ada: UserView) -> None:
    in_an_hour = convex.now + timedelta(hours=1)
    args = {"message": "drink your tea", "send_at": in_an_hour.timestamp() * 1000}
    job = convex.job(ada.call("reminders:schedule_reminder", args))
    assert job is not None
    assert job.scheduled_time == in_an_hour


@pytest.mark.parametrize("ago", [timedelta(0), timedelta(days=1)])
def test_a_reminder_in_the_past_is_refused(convex: ConvexTest, ada: UserView, ago: timedelta) -> None:
    with pytest.raises(ConvexError, match="BAD_REQUEST: Reminder time must be in the future"):
        ada.run(schedule_reminder, message="too late", send_at=convex.now - ago)
    assert convex.jobs(name="reminders:send") == []
