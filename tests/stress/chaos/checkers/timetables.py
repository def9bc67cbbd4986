"""An oracle for crons: the slots of a timetable, found by stepping through the minutes one at a time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

MINUTE: Final = 60_000_000
FARTHEST: Final = 9 * 366 * 24 * 60  # minutes; 29 February is at most eight years away
RANGES: Final = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
NAMES: Final = {
    3: ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    4: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
}
Following = Callable[[int], int]


def microseconds(moment: float) -> int:
    """A time as a whole number, so that slots can be compared."""
    return round(moment * 1_000_000)


def following(schedule: str) -> Following:
    """For ``interval 60s`` or ``cron 0 9 * * *``: a function from one slot to the next, in microseconds."""
    kind, _, rest = schedule.partition(" ")
    if kind == "interval":
        period = microseconds(float(rest.removesuffix("s")))
        return lambda slot: slot + period
    if kind == "cron":
        is_slot = matcher(rest)
        return lambda slot: next_minute(is_slot, slot)
    raise ValueError(f"{schedule!r} is no timetable: it begins with 'interval' or 'cron'")


def next_minute(is_slot: Callable[[datetime], bool], slot: int) -> int:
    minute = slot // MINUTE
    for _ in range(FARTHEST):
        minute += 1
        if is_slot(datetime.fromtimestamp(minute * 60, UTC)):
            return minute * MINUTE
    raise ValueError("no minute of the next nine years is a slot")


def matcher(expression: str) -> Callable[[datetime], bool]:
    """Whether a minute is a slot. Of two restricted day fields, one is enough."""
    minutes, hours, days, months, weekdays = (values(word, index) for index, word in enumerate(expression.split()))
    weekdays = {weekday % 7 for weekday in weekdays}
    either_will_do = len(days) < 31 and len(weekdays) < 7

    def is_slot(moment: datetime) -> bool:
        if moment.minute not in minutes or moment.hour not in hours or moment.month not in months:
            return False
        by_day, by_weekday = moment.day in days, moment.isoweekday() % 7 in weekdays
        return by_day or by_weekday if either_will_do else by_day and by_weekday

    return is_slot


def values(word: str, index: int) -> set[int]:
    """What a field lists: ``*``, ``5``, ``1-5``, ``*/15``, ``mon``, and any of these with commas between."""
    low, high = RANGES[index]
    found: set[int] = set()
    for item in word.split(","):
        span, _, step = item.partition("/")
        first, _, last = span.partition("-")
        begin = low if first == "*" else number(first, index)
        end = high if first == "*" or (step and not last) else number(last or first, index)
        found.update(range(begin, end + 1, int(step or 1)))
    return found


def number(word: str, index: int) -> int:
    names = NAMES.get(index, [])
    return names.index(word) + RANGES[index][0] if word in names else int(word)
