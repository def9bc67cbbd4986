"""Timetables in words: exact ones, and the expression where there are none."""

from __future__ import annotations

from datetime import timedelta

import pytest

from convexpy.functions.timetable import CronExpression, Interval
from convexpy.functions.timetable_words import in_words


@pytest.mark.parametrize(
    ("period", "words"),
    [
        (timedelta(hours=2), "Every 2 hours"),
        (timedelta(days=1), "Every day"),
        (timedelta(days=7), "Every 7 days"),
        (timedelta(minutes=90), "Every 90 minutes"),
        (timedelta(minutes=1), "Every minute"),
        (timedelta(seconds=100_000), "Every 100,000 seconds"),
        (timedelta(milliseconds=1500), "Every 1.5 seconds"),
    ],
)
def test_a_period_is_said_in_the_largest_unit_that_divides_it(period: timedelta, words: str) -> None:
    assert in_words(Interval(period)) == words


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("* * * * *", "Every minute"),
        ("*/15 * * * *", "Every 15 minutes"),
        ("0,30 * * * *", "Every 30 minutes"),
        ("30 * * * *", "Every hour at :30"),
        ("5,20 * * * *", "Every hour at :05 and :20"),
        ("0 */2 * * *", "Every 2 hours from 00:00 UTC"),
        ("15 0-23/6 * * *", "Every 6 hours from 00:15 UTC"),
        ("0 9 * * *", "Every day at 09:00 UTC"),
        ("0 9,18 * * *", "Every day at 09:00 and 18:00 UTC"),
        ("0,30 9 * * *", "Every day at 09:00 and 09:30 UTC"),
        ("0 9 * * mon-fri", "From Monday to Friday at 09:00 UTC"),
        ("0 8 * * 1", "Every Monday at 08:00 UTC"),
        ("0 8 * * 7,6", "Every Saturday and Sunday at 08:00 UTC"),
        ("0 8 * * tue,thu,sun", "Every Tuesday, Thursday and Sunday at 08:00 UTC"),
        ("30 4 1 * *", "On the 1st of every month at 04:30 UTC"),
        ("0 0 2,3,11,22 * *", "On the 2nd, 3rd, 11th and 22nd of every month at 00:00 UTC"),
        ("0 0 31 * *", "On the 31st of every month that has it at 00:00 UTC"),
        ("0 0 1 1,7 *", "On 1 January and 1 July at 00:00 UTC"),
        ("0 0 * feb *", "Every day in February at 00:00 UTC"),
    ],
)
def test_an_expression_is_said_in_words(expression: str, words: str) -> None:
    assert in_words(CronExpression(expression)) == words


@pytest.mark.parametrize(
    "expression",
    [
        "*/7 * * * *",  # every 7 minutes, but for the end of the hour
        "0 9 1 * mon",  # the first, and every Monday
        "0 9 * * mon#1",
        "0 0 l * *",
        "0 9 15w * *",
        "* 9 * * *",
        "0 8 * 3 1",
        "*/10 9-17 * * 1-5",
        "1,2,3,5,8 * * * *",
        "0 */5 * * *",
        "0 1,2,3,5,8 * * *",
        "0 0 1,2,3 1,2 *",
    ],
)
def test_what_words_would_not_say_exactly_stays_an_expression(expression: str) -> None:
    assert in_words(CronExpression(expression)) == CronExpression(expression).expression
