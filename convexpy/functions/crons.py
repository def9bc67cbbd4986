"""The crons of an app: declared without side effects in ``crons.py``, checked together when the app is loaded."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from types import FrameType, MappingProxyType
from typing import Any, Final, Literal, ParamSpec, TypeAlias, TypeVar, get_args, overload

from ..errors import ConvexError, LoadError
from .declare import Kind, SchedulableFunction
from .references import Reference
from .registry import Registry
from .timetable import BadCron, CronExpression, Interval, Timetable

P = ParamSpec("P")
T = TypeVar("T")
Runs: TypeAlias = SchedulableFunction[Any, P, Any, Any]
Weekday = Literal["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"]
WEEKDAYS: Final[tuple[str, ...]] = get_args(Weekday)
CLOCK: Final = {"minute": (0, 59), "hour": (0, 23), "day": (1, 31)}
LONGEST_NAME: Final = 200


@dataclass(frozen=True)
class Declaration:
    """A call on ``Crons`` as it was written, not checked yet."""

    name: str
    make_timetable: Callable[[], Timetable]
    target: object
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    place: str


@dataclass(frozen=True)
class CronDefinition(Declaration):
    """A checked cron. ``function`` is the name in the registry, ``stored_args`` the JSON text of the arguments."""

    timetable: Timetable
    function: str
    stored_args: str


class Crons:
    """The crons of an app. Create one, ``crons = Crons()``, in your app's ``crons.py``.

    A declaration never fails: mistakes are reported together, with their lines, when the app is loaded. The arguments
    of the function follow by name. If one of them has the name of a parameter here, such as ``hour``, use ``cron``.
    """

    def __init__(self) -> None:
        self._declared: list[Declaration] = []
        self._definitions: dict[str, CronDefinition] = {}

    @property
    def definitions(self) -> Mapping[str, CronDefinition]:
        """The crons by name. Empty until the app is loaded."""
        return MappingProxyType(self._definitions)

    @overload
    def interval(
        self, name: str, period: timedelta, /, function: Runs[P], *args: P.args, **kwargs: P.kwargs
    ) -> None: ...
    @overload
    def interval(
        self,
        name: str,
        /,
        function: Runs[P],
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None: ...
    def interval(self, name: str, /, *args: Any, **kwargs: Any) -> None:
        """Run every ``timedelta(hours=2)``, or every ``hours=2``: at once when it is new, then keeping that phase."""
        by_units = not args or callable(args[0]) or isinstance(args[0], Reference | str)
        self._declare(name, *(every if by_units else every_period)(*args, **kwargs))

    def cron(self, name: str, expression: str, /, function: Runs[P], *args: P.args, **kwargs: P.kwargs) -> None:
        """Run whenever a cron expression matches, in UTC: ``"0 9 * * 1-5"`` is 09:00 on weekdays.

        The five fields are minute, hour, day of month, month and day of week (Sunday is 0). When both day fields are
        restricted, a day that matches one of them is enough.
        """
        self._declare(name, partial(CronExpression, expression), function, args, kwargs)

    def hourly(self, name: str, /, function: Runs[P], minute: int = 0, *args: P.args, **kwargs: P.kwargs) -> None:
        """Run every hour at this minute."""
        self._declare(name, partial(clock, minute=minute), function, args, kwargs)

    def daily(
        self, name: str, /, function: Runs[P], hour: int, minute: int = 0, *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Run every day at this time, UTC."""
        self._declare(name, partial(clock, hour=hour, minute=minute), function, args, kwargs)

    def weekly(
        self,
        name: str,
        /,
        function: Runs[P],
        weekday: Weekday,
        hour: int,
        minute: int = 0,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        """Run every week on this day (``"monday"``) at this time, UTC."""
        self._declare(name, partial(clock, weekday=weekday, hour=hour, minute=minute), function, args, kwargs)

    def monthly(
        self, name: str, /, function: Runs[P], day: int, hour: int, minute: int = 0, *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Run every month on this day at this time, UTC. A month without that day is skipped."""
        self._declare(name, partial(clock, day=day, hour=hour, minute=minute), function, args, kwargs)

    def resolve(self, registry: Registry, min_interval_seconds: float = 60.0) -> list[str]:
        """Check every cron and fill ``definitions``. Returns the problems, with file and line. May be repeated."""
        shortest = timedelta(seconds=min_interval_seconds)
        problems: list[str] = []
        definitions: dict[str, CronDefinition] = {}
        places: dict[str, str] = {}
        for cron in self._declared:
            try:
                definitions[cron.name] = definition_of(cron, registry, shortest, places)
            except LoadError as error:
                problems += error.problems
        self._definitions = definitions
        return problems

    def _declare(
        self,
        name: str,
        make_timetable: Callable[[], Timetable],
        target: object,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        self._declared.append(Declaration(name, make_timetable, target, args, kwargs, place_of_caller()))


CronCall = tuple[Callable[[], Timetable], object, tuple[Any, ...], dict[str, Any]]


def every_period(period: Any, /, function: object = None, *args: Any, **kwargs: Any) -> CronCall:
    return partial(Interval, period), function, args, kwargs


def every(
    function: object = None,
    days: float = 0,
    hours: float = 0,
    minutes: float = 0,
    seconds: float = 0,
    *args: Any,
    **kwargs: Any,
) -> CronCall:
    return partial(interval_of, days=days, hours=hours, minutes=minutes, seconds=seconds), function, args, kwargs


def interval_of(**units: Any) -> Interval:
    """An interval from ``hours=2, minutes=30``. Raises BadCron."""
    try:
        for unit, number in units.items():
            if not isinstance(number, int | float) or isinstance(number, bool) or not 0 <= number < math.inf:
                raise BadCron(f"{unit} is {number!r}: it must be a positive number")
        return Interval(timedelta(**units))
    except OverflowError:
        raise BadCron("the period is longer than a timedelta can be") from None


def clock(**parts: object) -> CronExpression:
    """A cron expression from ``minute``, ``hour``, ``day`` and ``weekday``. Raises BadCron."""
    problems = [problem for part, value in parts.items() if (problem := clock_problem(part, value))]
    if problems:
        raise BadCron("; ".join(problems))
    weekday = WEEKDAYS.index(str(parts["weekday"]).lower()) if "weekday" in parts else "*"
    return CronExpression(f"{parts['minute']} {parts.get('hour', '*')} {parts.get('day', '*')} * {weekday}")


def clock_problem(part: str, value: object) -> str | None:
    if part != "weekday":
        low, high = CLOCK[part]
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return None
        return f"{part} is {value!r}: it must be a whole number from {low} to {high}"
    if isinstance(value, str) and value.lower() in WEEKDAYS:
        return None
    close = get_close_matches(str(value).lower(), WEEKDAYS, n=1)
    return f"weekday is {value!r}: " + (f"did you mean {close[0]!r}?" if close else f"use one of {', '.join(WEEKDAYS)}")


def definition_of(cron: Declaration, registry: Registry, shortest: timedelta, places: dict[str, str]) -> CronDefinition:
    """The definition of a declared cron. Raises LoadError with every problem."""
    problems: list[str] = []
    attempt(problems, partial(check_name, cron, places))
    timetable = attempt(problems, partial(checked_timetable, cron, shortest))
    call = attempt(problems, partial(stored_call, cron, registry))
    if problems or timetable is None or call is None:
        raise LoadError([f"{cron.place}: cron {cron.name!r}: {problem}" for problem in problems])
    return CronDefinition(**vars(cron), timetable=timetable, function=call[0], stored_args=call[1])


def attempt(problems: list[str], step: Callable[[], T]) -> T | None:
    """The result of the step, or None and one more problem."""
    try:
        return step()
    except BadCron as error:
        problems.append(str(error))
    except ConvexError as error:
        problems.append(error.message)
    return None


def check_name(cron: Declaration, places: dict[str, str]) -> None:
    """Refuse a name that is not unique or not printable. ``places`` keeps the place of each name so far."""
    if not isinstance(cron.name, str):
        raise BadCron("its name is not text. Write one, such as 'daily report'")
    if not cron.name.strip():
        raise BadCron("its name is empty. Choose one that says what it does, such as 'daily report'")
    if not cron.name.isprintable():
        raise BadCron("its name has characters that cannot be shown, such as a line break. Leave them out")
    if len(cron.name) > LONGEST_NAME:
        raise BadCron(f"its name has {len(cron.name)} characters. Use at most {LONGEST_NAME}")
    if cron.name in places:
        raise BadCron(f"the name is taken, by {places[cron.name]}. Every cron needs its own")
    places[cron.name] = cron.place


def checked_timetable(cron: Declaration, shortest: timedelta) -> Timetable:
    timetable = cron.make_timetable()
    if isinstance(timetable, Interval) and timetable.period < shortest:
        raise BadCron(
            f"the period {timetable.period} is shorter than the minimum, {shortest}. "
            "Make it longer, or lower the setting `min_cron_interval`"
        )
    return timetable


def stored_call(cron: Declaration, registry: Registry) -> tuple[str, str]:
    """The name of the function and its arguments as JSON text, as a job stores them."""
    if cron.target is None:
        raise BadCron("it has no function. Pass the mutation or action that it runs")
    function = registry.find(cron.target)
    if function.kind is Kind.QUERY:
        raise BadCron(f"{function.name!r} is a query, and a query changes nothing. Pass a mutation or an action")
    values = function.arguments.bind(function.name, cron.args, cron.kwargs)
    return function.name, function.arguments.store(function.name, values)


def place_of_caller() -> str:
    """``shop/crons.py:7``: the line outside this file that declares a cron."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals is globals():
        frame = frame.f_back
    if frame is None:
        return "?"
    path = Path(frame.f_code.co_filename)
    if path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return f"{path}:{frame.f_lineno}"
