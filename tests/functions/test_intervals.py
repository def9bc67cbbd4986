"""When intervals fire: in the same phase for ever, however late somebody looks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convexpy.functions.timetable import BadCron, Interval, parse

HOUR = timedelta(hours=1)
NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)  # a Tuesday

moments = st.datetimes(datetime(2020, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))
periods = st.timedeltas(timedelta(microseconds=1), timedelta(days=400))


def test_an_interval_first_runs_at_once_and_then_keeps_its_phase() -> None:
    every_hour = Interval(HOUR)
    assert every_hour.first(NOON) == NOON
    assert every_hour.after(NOON, NOON + timedelta(seconds=3)) == NOON + HOUR


def test_a_late_interval_goes_to_the_next_slot_and_counts_the_missed_ones() -> None:
    every_hour = Interval(HOUR)
    late = NOON + timedelta(hours=3, minutes=20)
    assert every_hour.after(NOON, late) == NOON + 4 * HOUR
    assert every_hour.missed(NOON, late) == 3
    assert every_hour.missed(NOON, NOON + timedelta(minutes=59)) == 0


def test_a_slot_that_comes_exactly_now_is_not_after_now() -> None:
    every_hour = Interval(HOUR)
    assert every_hour.after(NOON, NOON + HOUR) == NOON + 2 * HOUR
    assert every_hour.missed(NOON, NOON + HOUR) == 1


def test_an_interval_before_its_slot_gives_the_slot_that_follows_it() -> None:
    assert Interval(HOUR).after(NOON, NOON - timedelta(days=9)) == NOON + HOUR
    assert Interval(HOUR).missed(NOON, NOON - timedelta(days=9)) == 0


def test_a_thousand_years_of_missed_microseconds_are_skipped_at_once() -> None:
    tiny = Interval(timedelta(microseconds=1))
    late = NOON + timedelta(days=365_000)
    assert tiny.after(NOON, late) == late + tiny.period


def test_a_changed_interval_runs_one_period_after_its_last_run_or_at_once() -> None:
    every_hour = Interval(HOUR)
    assert every_hour.changed(None, NOON) == NOON
    assert every_hour.changed(NOON - timedelta(minutes=10), NOON) == NOON + timedelta(minutes=50)
    assert every_hour.changed(NOON - timedelta(hours=5), NOON) == NOON


@given(periods, moments, moments)
def test_the_next_slot_of_any_interval_is_after_now_in_the_same_phase(
    period: timedelta, slot: datetime, now: datetime
) -> None:
    interval = Interval(period)
    following = interval.after(slot, now)
    assert following > max(slot, now)
    assert (following - slot) % period == timedelta(0)
    assert following - period <= max(slot, now)
    assert following == slot + period * (interval.missed(slot, now) + 1)


@pytest.mark.parametrize(
    ("period", "text"),
    [
        (timedelta(hours=2), "interval 7200s"),
        (timedelta(seconds=90, milliseconds=500), "interval 90.5s"),
        (timedelta(microseconds=1), "interval 0.000001s"),
        (timedelta(seconds=100), "interval 100s"),
    ],
)
def test_an_interval_is_stored_as_its_seconds(period: timedelta, text: str) -> None:
    assert Interval(period).text == text


@given(periods)
def test_every_interval_comes_back_exactly_from_its_stored_text(period: timedelta) -> None:
    assert parse(Interval(period).text) == Interval(period)


@pytest.mark.parametrize("period", [timedelta(0), timedelta(seconds=-1), timedelta.max, 7200, True, "2h", None])
def test_a_period_that_is_not_a_positive_timedelta_is_refused(period: object) -> None:
    with pytest.raises(BadCron, match="period"):
        Interval(period)  # type: ignore[arg-type]
