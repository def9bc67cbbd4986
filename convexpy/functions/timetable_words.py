"""A timetable in words: exact, or the expression itself where no short sentence would be."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from .timetable import DAY_OF_MONTH, DAY_OF_WEEK, Interval, Timetable, expanded

UNITS: Final = (
    ("day", timedelta(days=1)),
    ("hour", timedelta(hours=1)),
    ("minute", timedelta(minutes=1)),
    ("second", timedelta(seconds=1)),
)
WEEKDAYS: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
EVERY_DAY: Final = "Every day"
SHORTEST_MONTH: Final = 28
MOST_ITEMS: Final = 4
"""Of one list in a sentence; with more, the expression says it better."""


def in_words(timetable: Timetable) -> str:
    """``Every 2 hours``, ``Every day at 09:00 UTC``; or the expression, if words would be long or wrong."""
    if isinstance(timetable, Interval):
        return period_in_words(timetable.period)
    return expression_in_words(timetable.expression) or timetable.expression


def period_in_words(period: timedelta) -> str:
    """``Every day``, ``Every 90 minutes``: in the largest unit that divides it."""
    for unit, size in UNITS:
        count, rest = divmod(period, size)
        if count and not rest:
            return every(count, unit)
    return f"Every {period.total_seconds()} seconds"


def expression_in_words(expression: str) -> str | None:
    """An expression in its canonical spelling, in words. None: no short sentence says it exactly."""
    words = expression.split()
    of_month, of_week = words[DAY_OF_MONTH], words[DAY_OF_WEEK]
    if {"l", "w"} & set(of_month) or "#" in of_week or "l" in of_week:
        return None
    minutes, hours, days, months, weekdays = (numbers(place, word) for place, word in enumerate(words))
    when = days_in_words(days, months, weekdays)
    if when is None:
        return None
    if when == EVERY_DAY and (often := often_in_words(minutes, hours)) is not None:
        return often
    if minutes is None or hours is None or len(minutes) * len(hours) > MOST_ITEMS:
        return None
    return f"{when} at {listed([f'{hour:02}:{minute:02}' for hour in hours for minute in minutes])} UTC"


def numbers(place: int, word: str) -> list[int] | None:
    """The values of a field in order. None: every value."""
    values = expanded(place, word) or ()
    return None if list(values) == ["*"] else sorted({int(str(value)) for value in values})


def often_in_words(minutes: list[int] | None, hours: list[int] | None) -> str | None:
    """What happens several times a day at equal distances. None: it is not so."""
    if hours is None:
        step = 1 if minutes is None else step_of(minutes, 60)
        if minutes is None or step is not None:
            return every(step or 1, "minute")
        return f"Every hour at {listed([f':{minute:02}' for minute in minutes])}" if fits(minutes) else None
    step = step_of(hours, 24)
    if step is None or minutes is None or len(minutes) != 1:
        return None
    return f"{every(step, 'hour')} from 00:{minutes[0]:02} UTC"


def step_of(values: list[int], size: int) -> int | None:
    """The distance of values that lie equally far apart, from 0 and around the end. None: they do not."""
    if len(values) < 2 or size % len(values):
        return None
    step = size // len(values)
    return step if values == list(range(0, size, step)) else None


def days_in_words(days: list[int] | None, months: list[int] | None, weekdays: list[int] | None) -> str | None:
    """``Every day``, ``Every Monday``, ``On the 1st of every month``. None: it takes more words."""
    if weekdays is not None:
        return None if days is not None or months is not None else weekdays_in_words(weekdays)
    if days is None:
        if months is None:
            return EVERY_DAY
        return f"{EVERY_DAY} in {listed([MONTHS[month - 1] for month in months])}" if fits(months) else None
    if months is None:
        if not fits(days):
            return None
        which = "every month" if days[-1] <= SHORTEST_MONTH else "every month that has it"
        return f"On the {listed([ordinal(day) for day in days])} of {which}"
    if len(days) * len(months) > MOST_ITEMS:
        return None
    return f"On {listed([f'{day} {MONTHS[month - 1]}' for month in months for day in days])}"


def weekdays_in_words(weekdays: list[int]) -> str:
    if weekdays == [1, 2, 3, 4, 5]:
        return "From Monday to Friday"
    return f"Every {listed([WEEKDAYS[day] for day in sorted(weekdays, key=lambda day: day or 7)])}"


def fits(values: Sequence[int]) -> bool:
    return len(values) <= MOST_ITEMS


def every(count: int, unit: str) -> str:
    return f"Every {unit}" if count == 1 else f"Every {count:,} {unit}s"


def ordinal(number: int) -> str:
    """``1st``, ``22nd``."""
    ending = "th" if number in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def listed(items: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    *before, last = items
    return f"{', '.join(before)} and {last}" if before else last
