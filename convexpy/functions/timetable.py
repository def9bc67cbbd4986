"""When a cron fires: intervals and cron expressions, as arithmetic on aware UTC times. No database."""

from __future__ import annotations

import re
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from croniter import croniter

MICROSECOND: Final = timedelta(microseconds=1)
LONGEST_PERIOD: Final = timedelta(days=36_525)
SOME_DAY: Final = datetime(2024, 1, 1, tzinfo=UTC)


class BadCron(ValueError):
    """An invalid cron: the problem, its place, and what to write instead."""


@dataclass(frozen=True)
class Interval:
    """Every ``period``, counted from the first run: the phase does not depend on how long runs take.

    Raises:
        BadCron: The period is not a timedelta, not positive, or longer than a century.
    """

    period: timedelta

    def __post_init__(self) -> None:
        if not isinstance(self.period, timedelta):
            raise BadCron(f"{self.period!r} is not a period. Write timedelta(hours=2), or hours=2")
        if self.period <= timedelta(0):
            raise BadCron(f"the period must be positive, not {self.period}. Write timedelta(hours=2), or hours=2")
        if self.period > LONGEST_PERIOD:
            raise BadCron(f"the period {self.period} is longer than a century ({LONGEST_PERIOD.days:,} days)")

    @property
    def text(self) -> str:
        """``"interval 7200s"``: the same for equal periods, and nothing else."""
        seconds, microseconds = divmod(self.period // MICROSECOND, 1_000_000)
        fraction = f".{microseconds:06}".rstrip("0") if microseconds else ""
        return f"interval {seconds}{fraction}s"

    def first(self, now: datetime) -> datetime:
        """The slot of a cron that is new: at once."""
        return now

    def after(self, slot: datetime, now: datetime) -> datetime:
        """The slot that follows ``slot`` and lies after ``now``."""
        return slot + self.period * (self.missed(slot, now) + 1)

    def latest_next(self, now: datetime) -> datetime:
        """The latest slot that can be the next one."""
        return now + self.period

    def first_after(self, moment: datetime, slot: datetime) -> datetime:
        """The first slot after a moment, in phase with a later one."""
        return slot - self.period * ((slot - moment - MICROSECOND) // self.period)

    def missed(self, slot: datetime, now: datetime) -> int:
        """How many slots lie between ``slot`` and ``after(slot, now)``."""
        return max(0, (now - slot) // self.period)

    def changed(self, last: datetime | None, now: datetime) -> datetime:
        """The next slot of a cron whose timetable changed to this one; ``last`` is the slot that fired last."""
        return now if last is None else max(now, last + self.period)


@dataclass(frozen=True)
class CronExpression:
    """Five fields, UTC: minute, hour, day of month, month, day of week (Sunday is 0 and 7).

    When both day fields are restricted a day needs to match only one of them. A field that lists everything counts as
    ``*``. The expression is kept in one spelling: lower case, single spaces, ``*`` for everything.

    Raises:
        BadCron: It is not an expression that ever matches.
    """

    expression: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "expression", checked_expression(self.expression))

    @property
    def text(self) -> str:
        """``"cron 0 9 * * *"``."""
        return f"cron {self.expression}"

    def first(self, now: datetime) -> datetime:
        """The slot of a cron that is new: the next match, strictly after ``now``."""
        return next_match(self.expression, now)

    def after(self, slot: datetime, now: datetime) -> datetime:
        """The slot that follows ``slot`` and lies after ``now``."""
        return next_match(self.expression, max(slot, now))

    def latest_next(self, now: datetime) -> datetime:
        """The latest slot that can be the next one."""
        return next_match(self.expression, now)

    def first_after(self, moment: datetime, slot: datetime) -> datetime:
        """The first slot after a moment. ``slot`` is a later one."""
        return next_match(self.expression, moment)

    def missed(self, slot: datetime, now: datetime) -> int | None:
        """0 if no slot lies between ``slot`` and ``after(slot, now)``; None, not counted, if one or more do."""
        return 0 if next_match(self.expression, slot) > now else None

    def changed(self, last: datetime | None, now: datetime) -> datetime:
        """The next slot of a cron whose timetable changed to this one; after ``last``, even if a clock is behind."""
        return next_match(self.expression, now if last is None else max(last, now))


Timetable: TypeAlias = Interval | CronExpression


@lru_cache(maxsize=1024)
def parse(text: str) -> Timetable:
    """The timetable behind its stored ``text``. Raises BadCron."""
    kind, _, rest = text.partition(" ")
    period = re.fullmatch(r"(\d{1,10})(?:\.(\d{1,6}))?s", rest, re.ASCII)
    if kind == "interval" and period:
        return Interval(timedelta(seconds=int(period[1]), microseconds=int((period[2] or "").ljust(6, "0"))))
    if kind == "cron":
        return CronExpression(rest)
    raise BadCron(f"{text!r} is not a stored timetable")


def next_match(expression: str, moment: datetime) -> datetime:
    """The first match strictly after a moment."""
    # A croniter is a cursor: threads must not share one. It computes in floats: it gets whole minutes.
    cursor = copy(parsed(expression))
    cursor.set_current(moment.astimezone(UTC).replace(second=0, microsecond=0))
    return cursor.get_next(datetime)


@lru_cache(maxsize=1024)
def parsed(expression: str) -> croniter:
    from croniter import croniter

    return croniter(expression, SOME_DAY, day_or=True)


class Field(NamedTuple):
    """One of the five fields: its name, its values, and an expression that shows how to use it."""

    name: str
    low: int
    high: int
    takes: str
    example: str
    meaning: str
    names: tuple[str, ...] = ()

    def number(self, word: str) -> int | None:
        """The value of ``5`` or ``fri``, or None for other words."""
        if word.isdecimal():
            return int(word)
        return self.names.index(word) + self.low if word in self.names else None


MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
DAY_OF_MONTH, MONTH, DAY_OF_WEEK = 2, 3, 4
FIELDS: Final = (
    Field("minute", 0, 59, "0-59", "*/15 * * * *", "every 15 minutes"),
    Field("hour", 0, 23, "0-23", "0 9 * * *", "every day at 09:00 UTC"),
    Field("day of month", 1, 31, "1-31", "0 0 1 * *", "on the first of every month at 00:00 UTC"),
    Field("month", 1, 12, "1-12 or jan-dec", "0 0 1 1,7 *", "on 1 January and 1 July at 00:00 UTC", MONTHS),
    Field("day of week", 0, 6, "0-7 (0 and 7 are Sunday) or sun-sat", "0 9 * * 1-5", "on weekdays at 09:00 UTC", DAYS),
)
ALIASES: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


def checked_expression(expression: object) -> str:
    """The canonical form of an expression. Raises BadCron, with a caret under the invalid part."""
    if not isinstance(expression, str):
        raise BadCron(f"{expression!r} is not a cron expression. Write one as text, such as '0 9 * * *'")
    words = re.findall(r"\S+", expression.lower(), re.ASCII)
    check_count(words)
    for place, field in enumerate(FIELDS):
        problem = field_problem(field, words[place])
        if problem:
            raise invalid(problem, words, [place], field)
    words = ["*" if matches_everything(place, word) else word for place, word in enumerate(words)]
    check_days(words)
    return " ".join(words)


def check_count(words: Sequence[str]) -> None:
    if words and words[0].startswith("@"):
        instead = ALIASES.get(words[0])
        hint = f"Write {instead!r}" if instead else "Write five fields, such as '0 9 * * *'"
        raise BadCron(f"names like {words[0]!r} are not supported. {hint}")
    if len(words) != len(FIELDS):
        names = ", ".join(field.name for field in FIELDS)
        surplus = range(len(FIELDS), len(words))
        problem = f"it has {len(words)} field{'s' if len(words) != 1 else ''} and needs exactly five: {names}"
        raise invalid(problem + ". There are no seconds or years" * bool(surplus), words, surplus, FIELDS[1])


def field_problem(field: Field, word: str) -> str | None:
    """The problem of one field, or None."""
    if word[0] in "hr":
        return f"{word!r} in the {field.name} field stands for a random time. Choose one: it takes {field.takes}"
    for item in word.split(","):
        problem = range_problem(field, item) or step_problem(field, item)
        if problem:
            return problem
    if expanded(FIELDS.index(field), word) is None:
        return f"{word!r} is not a valid {field.name}: it takes {field.takes}, with `,` for lists, `-` and `/`"
    return None


def range_problem(field: Field, item: str) -> str | None:
    """Refuse ``55-5`` and ``5-5``, which croniter reads in an unexpected way."""
    found = re.fullmatch(r"(\w{1,9})-(\w{1,9})(/\d+)?", item, re.ASCII)
    low, high = (field.number(found[1]), field.number(found[2])) if found else (None, None)
    if found is None or low is None or high is None:
        return None
    if low == high:
        return f"the range {item!r} in the {field.name} field has one value. Write {found[1]!r}"
    if found[2] == "sun":
        high = 7  # sat-sun is a weekend, as 6-7 is
    if not field.low <= high < low <= field.high:
        return None
    parts = [(low, field.high), (field.low, high)]
    both = ",".join(str(start) if start == end else f"{start}-{end}" for start, end in parts)
    return f"the range {item!r} in the {field.name} field runs backwards. Write two, such as {both!r}"


def step_problem(field: Field, item: str) -> str | None:
    """Refuse ``*/90``, which would match once an hour and not every 90 minutes."""
    step = re.fullmatch(r".*/(\d{1,9})", item, re.ASCII)
    values = field.high - field.low + 1
    if step is None or int(step[1]) <= values:
        return None
    hint = ". For other periods use `crons.interval`" if values > 12 else ""
    return f"the step of {item!r} is larger than the {field.name} field, which has {values} values{hint}"


def matches_everything(place: int, word: str) -> bool:
    return expanded(place, word) == ["*"]


def expanded(place: int, word: str) -> Sequence[object] | None:
    """The values of one field as croniter reads it, or None if it is invalid."""
    from croniter import CroniterError, croniter

    alone = ["*"] * len(FIELDS)
    alone[place] = word
    try:
        return croniter.expand(" ".join(alone))[0][place]
    except CroniterError:
        return None


def check_days(words: Sequence[str]) -> None:
    """Refuse days that do not exist, and two forms for which croniter does not match "either day field"."""
    from croniter import CroniterBadDateError

    special = "w" in words[DAY_OF_MONTH] or "#" in words[DAY_OF_WEEK] or "l" in words[DAY_OF_WEEK]
    if special and "*" not in (words[DAY_OF_MONTH], words[DAY_OF_WEEK]):
        problem = "`W`, `#` and the last weekday cannot be combined with the other day field. Make it two crons"
        raise invalid(problem, words, [DAY_OF_MONTH, DAY_OF_WEEK], FIELDS[DAY_OF_WEEK])
    try:
        next_match(" ".join(words), SOME_DAY)
    except CroniterBadDateError:
        days = [place for place in (DAY_OF_MONTH, MONTH, DAY_OF_WEEK) if words[place] != "*"]
        raise invalid("there is no such date, so it would never run", words, days, FIELDS[DAY_OF_MONTH]) from None


def invalid(problem: str, words: Sequence[str], at: Collection[int], example: Field) -> BadCron:
    """The problem, the expression with carets under the invalid fields, and a valid expression."""
    shown = ["".join(letter if letter.isprintable() else "?" for letter in word) for word in words]
    carets = " ".join(("^" if place in at else " ") * len(word) for place, word in enumerate(shown))
    lines = [problem, " ".join(shown), carets.rstrip(), f"For example, {example.example!r} runs {example.meaning}"]
    return BadCron("\n    ".join(line for line in lines if line))
