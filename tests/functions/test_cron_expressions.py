"""When cron expressions fire: they match what they say, by an independent reading too; stored in one spelling."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta, timezone
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convexpy.functions.timetable import BadCron, CronExpression, parse

HOUR = timedelta(hours=1)
NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)  # a Tuesday

moments = st.datetimes(datetime(2020, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))
expressions = st.sampled_from(
    ["* * * * *", "*/15 * * * *", "0 9 * * 1-5", "30 4 1,15 * 5", "0 0 29 2 *", "59 23 31 12 *", "0 0 l * *"]
).map(CronExpression)


def problem_with(expression: object) -> str:
    with pytest.raises(BadCron) as caught:
        CronExpression(expression)  # type: ignore[arg-type]
    return str(caught.value)


def runs(expression: str, start: datetime, count: int) -> list[str]:
    cron, found = CronExpression(expression), [start]
    while len(found) <= count:
        found.append(cron.after(found[-1], found[-1]))
    return [f"{moment:%a %Y-%m-%d %H:%M}" for moment in found[1:]]


# ---- cron expressions: when they run


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("* * * * *", ["Fri 2026-01-30 23:58", "Fri 2026-01-30 23:59", "Sat 2026-01-31 00:00"]),
        ("*/15 * * * *", ["Sat 2026-01-31 00:00", "Sat 2026-01-31 00:15", "Sat 2026-01-31 00:30"]),
        ("0 * * * *", ["Sat 2026-01-31 00:00", "Sat 2026-01-31 01:00", "Sat 2026-01-31 02:00"]),
        ("0 0 * * *", ["Sat 2026-01-31 00:00", "Sun 2026-02-01 00:00", "Mon 2026-02-02 00:00"]),
        ("0 9 * * *", ["Sat 2026-01-31 09:00", "Sun 2026-02-01 09:00", "Mon 2026-02-02 09:00"]),
        ("0 9 * * 1-5", ["Mon 2026-02-02 09:00", "Tue 2026-02-03 09:00", "Wed 2026-02-04 09:00"]),
        ("0 0 1 * *", ["Sun 2026-02-01 00:00", "Sun 2026-03-01 00:00", "Wed 2026-04-01 00:00"]),
    ],
)
def test_the_common_patterns_run_when_the_guide_says(expression: str, expected: list[str]) -> None:
    assert runs(expression, datetime(2026, 1, 30, 23, 57, 30, tzinfo=UTC), 3) == expected


def test_a_cron_expression_never_runs_at_once_even_when_it_matches_now() -> None:
    daily = CronExpression("0 12 * * *")
    assert daily.first(NOON) == NOON + timedelta(days=1)
    assert daily.first(NOON - timedelta(microseconds=1)) == NOON
    assert daily.first(NOON + timedelta(microseconds=1)) == NOON + timedelta(days=1)


def test_the_last_microsecond_before_a_slot_is_before_it_in_any_century() -> None:
    far = datetime(2890, 5, 4, 9, 0, tzinfo=UTC)
    assert CronExpression("0 9 * * *").first(far - timedelta(microseconds=1)) == far


def test_a_late_cron_expression_goes_on_with_the_next_match_after_now() -> None:
    daily = CronExpression("0 9 * * *")
    slot = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
    assert daily.after(slot, NOON) == datetime(2026, 3, 11, 9, 0, tzinfo=UTC)
    assert daily.after(NOON + timedelta(days=30), NOON) == datetime(2026, 4, 10, 9, 0, tzinfo=UTC)


def test_missed_matches_of_an_expression_are_not_counted_but_none_is_known() -> None:
    daily = CronExpression("0 9 * * *")
    slot = datetime(2026, 3, 9, 9, 0, tzinfo=UTC)
    assert daily.missed(slot, slot + timedelta(hours=23)) == 0
    assert daily.missed(slot, slot + timedelta(hours=24)) is None
    assert daily.missed(slot, NOON) is None


def test_a_changed_expression_runs_at_its_next_match_whatever_ran_before() -> None:
    daily = CronExpression("0 9 * * *")
    tomorrow = datetime(2026, 3, 11, 9, 0, tzinfo=UTC)
    assert daily.changed(None, NOON) == tomorrow
    assert daily.changed(NOON - HOUR, NOON) == tomorrow
    fired = tomorrow  # by a clock that is ahead of the one that now sees the change
    assert daily.changed(fired, fired - timedelta(seconds=1)) == daily.after(fired, fired)


def test_either_day_field_is_enough_when_both_are_restricted() -> None:
    assert runs("0 0 13 * 5", datetime(2026, 2, 7, tzinfo=UTC), 4) == [
        "Fri 2026-02-13 00:00",
        "Fri 2026-02-20 00:00",
        "Fri 2026-02-27 00:00",
        "Fri 2026-03-06 00:00",
    ]
    assert runs("0 0 */10 * mon", datetime(2026, 2, 1, tzinfo=UTC), 4) == [
        "Mon 2026-02-02 00:00",
        "Mon 2026-02-09 00:00",
        "Wed 2026-02-11 00:00",
        "Mon 2026-02-16 00:00",
    ]


@pytest.mark.parametrize("everything", ["*", "?", "*/1", "1-31"])
def test_a_day_field_that_lists_every_day_restricts_nothing(everything: str) -> None:
    assert runs(f"0 0 {everything} * mon", NOON, 2) == ["Mon 2026-03-16 00:00", "Mon 2026-03-23 00:00"]


@pytest.mark.parametrize("sunday", ["0", "7", "sun", "SUN"])
def test_sunday_is_zero_and_seven(sunday: str) -> None:
    assert runs(f"0 0 * * {sunday}", NOON, 2) == ["Sun 2026-03-15 00:00", "Sun 2026-03-22 00:00"]


@pytest.mark.parametrize("weekend", ["6-7", "sat-sun", "6,0", "sat,sun"])
def test_a_weekend_may_be_written_as_a_range(weekend: str) -> None:
    assert runs(f"0 0 * * {weekend}", NOON, 3) == [
        "Sat 2026-03-14 00:00",
        "Sun 2026-03-15 00:00",
        "Sat 2026-03-21 00:00",
    ]


def test_a_month_without_the_day_is_skipped() -> None:
    assert runs("0 0 31 * *", NOON, 3) == ["Tue 2026-03-31 00:00", "Sun 2026-05-31 00:00", "Fri 2026-07-31 00:00"]
    assert runs("0 0 29 2 *", NOON, 2) == ["Tue 2028-02-29 00:00", "Sun 2032-02-29 00:00"]


def test_last_days_nearest_weekdays_and_numbered_weekdays_are_understood() -> None:
    assert runs("0 0 L * *", NOON, 2) == ["Tue 2026-03-31 00:00", "Thu 2026-04-30 00:00"]
    assert runs("0 0 15W * *", NOON, 1) == ["Mon 2026-03-16 00:00"]
    assert runs("0 0 * * tue#2", NOON, 1) == ["Tue 2026-04-14 00:00"]
    assert runs("0 0 * * L5", NOON, 1) == ["Fri 2026-03-27 00:00"]


def test_times_in_another_zone_are_the_same_moments() -> None:
    tokyo = NOON.astimezone(timezone(timedelta(hours=9)))  # 21:00 there
    following = CronExpression("0 9 * * *").first(tokyo)
    assert (following, following.tzinfo) == (datetime(2026, 3, 11, 9, 0, tzinfo=UTC), UTC)


@given(expressions, moments, moments)
@settings(deadline=None)
def test_the_next_match_of_any_expression_is_after_now_and_after_the_slot(
    cron: CronExpression, slot: datetime, now: datetime
) -> None:
    following = cron.after(slot, now)
    assert following > max(slot, now)
    assert following.tzinfo is UTC
    assert (following.second, following.microsecond) == (0, 0)
    assert cron.after(following, now) > following
    assert cron.missed(slot, now) == (0 if cron.after(slot, slot) == following else None)


def test_threads_that_share_an_expression_do_not_disturb_each_other() -> None:
    daily = CronExpression("0 9 * * *")
    chance = random.Random(1)
    days = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=chance.randrange(3000)) for _ in range(2000)]
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # so that threads interrupt each other inside one look-up
    try:
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(daily.first, days)) == [day.replace(hour=9) for day in days]
    finally:
        sys.setswitchinterval(usual)


# ---- cron expressions: an independent reading of the five fields


class Written(NamedTuple):
    """One field as text, and the values that the text stands for."""

    text: str
    values: frozenset[int]


def fields(low: int, high: int, names: tuple[str, ...] = (), top: int | None = None) -> st.SearchStrategy[Written]:
    """Fields of every simple shape. ``top`` is a second spelling of ``low``, as 7 is of Sunday."""
    limit = high if top is None else top
    numbers = st.integers(low, limit)
    steps = st.integers(1, high - low + 1)

    def written(text: str, values: Iterator[int] | range | list[int]) -> Written:
        return Written(text, frozenset(low if value == top else value for value in values))

    every = st.one_of(
        st.just(written("*", range(low, high + 1))),
        steps.map(lambda step: written(f"*/{step}", range(low, high + 1, step))),
    )
    ranges = st.tuples(numbers, numbers).filter(lambda ends: ends[0] < ends[1])
    some = st.one_of(
        st.lists(numbers, min_size=1, max_size=3).map(lambda each: written(",".join(map(str, each)), each)),
        ranges.map(lambda ends: written(f"{ends[0]}-{ends[1]}", range(ends[0], ends[1] + 1))),
        st.tuples(ranges, steps).map(
            lambda both: written(f"{both[0][0]}-{both[0][1]}/{both[1]}", range(both[0][0], both[0][1] + 1, both[1]))
        ),
        st.tuples(st.integers(low, high), steps).map(
            lambda both: written(f"{both[0]}/{both[1]}", range(both[0], high + 1, both[1]))
        ),
    )
    named = [written(name, [low + place]) for place, name in enumerate(names)]
    return st.one_of(every, some, st.sampled_from(named)) if named else st.one_of(every, some)


MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
crontabs = st.tuples(fields(0, 59), fields(0, 23), fields(1, 31), fields(1, 12, MONTHS), fields(0, 6, WEEKDAYS, top=7))


def stepped(crontab: tuple[Written, ...], moment: datetime) -> datetime | None:
    """The next match, found by trying one minute after the other, on days that can match at all."""
    minutes, hours, days, months, weekdays = (field.values for field in crontab)
    both = len(days) < 31 and len(weekdays) < 7

    def fits(day: date) -> bool:
        in_month, in_week = day.day in days, day.isoweekday() % 7 in weekdays
        return day.month in months and (in_month or in_week if both else in_month and in_week)

    for offset in range(9 * 366):
        day = moment + timedelta(days=offset)
        if fits(day.date()):
            minute = day.replace(hour=0, minute=0, second=0, microsecond=0)
            for _ in range(24 * 60):
                if minute > moment and minute.hour in hours and minute.minute in minutes:
                    return minute
                minute += timedelta(minutes=1)
    return None


@given(crontabs, st.datetimes(datetime(2020, 1, 1), datetime(2080, 1, 1), timezones=st.just(UTC)))
@settings(max_examples=300, deadline=None)
def test_stepping_through_the_minutes_agrees_with_every_next_match(
    crontab: tuple[Written, ...], moment: datetime
) -> None:
    expression = " ".join(field.text for field in crontab)
    expected = stepped(crontab, moment)
    if expected is None:
        assert "no such date" in problem_with(expression)
    else:
        assert CronExpression(expression).first(moment) == expected


# ---- cron expressions: one spelling


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("0 9 * * *", "cron 0 9 * * *"),
        ("  0\t9  *\n* MON-Fri ", "cron 0 9 * * mon-fri"),
        ("0-59 */1 ? * 0-7", "cron * * * * *"),
    ],
)
def test_an_expression_is_stored_in_one_spelling(expression: str, text: str) -> None:
    assert CronExpression(expression).text == text
    assert parse(text) == CronExpression(expression)


@pytest.mark.parametrize(
    "text", ["", "interval", "interval 5", "interval -5s", "interval 1.0000001s", "cron", "soon 5s"]
)
def test_a_text_that_was_never_stored_is_not_read_as_a_timetable(text: str) -> None:
    with pytest.raises(BadCron):
        parse(text)
