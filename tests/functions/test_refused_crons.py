"""Declaring crons: what is refused when the app loads, and how the refusal reads."""

from __future__ import annotations

import inspect
import math
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from reports import count, send, stranger, sync, tidy

from convexpy.functions.crons import Crons
from convexpy.functions.references import api, internal
from convexpy.functions.registry import Registry

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def this_line() -> int:
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


def problem_of(crons: Crons, registry: Registry, **settings: float) -> str:
    """The one thing that is wrong, without its place and name."""
    (problem,) = crons.resolve(registry, **settings)
    place, _, complaint = problem.partition(": cron ")
    assert Path(place.rpartition(":")[0]).name == "test_refused_crons.py"
    return complaint.partition(": ")[2]


def test_an_interval_under_the_minimum_is_refused(registry: Registry) -> None:
    crons = Crons()
    crons.interval("a", timedelta(seconds=59, microseconds=999_999), tidy)
    problem = problem_of(crons, registry)
    assert "0:00:59.999999 is shorter than the minimum, 0:01:00" in problem
    assert "min_cron_interval" in problem
    assert crons.resolve(registry, 59.5) == []


def test_an_interval_of_exactly_the_minimum_is_allowed(registry: Registry) -> None:
    crons = Crons()
    crons.interval("a", MINUTE, tidy)
    crons.interval("b", minutes=1, function=tidy)
    assert crons.resolve(registry) == []


@pytest.mark.parametrize("period", [timedelta(0), -HOUR, timedelta.max, 3600, 1.5, True, None, {"hours": 2}])
def test_a_period_that_is_not_a_positive_timedelta_is_refused(registry: Registry, period: Any) -> None:
    crons = Crons()
    crons.interval("a", period, tidy)
    assert "period" in problem_of(crons, registry, min_interval_seconds=0.001)


@pytest.mark.parametrize("hours", [-1, math.nan, math.inf, -math.inf, True, "2", None, Decimal(2)])
def test_a_unit_that_is_not_a_positive_number_is_refused(registry: Registry, hours: Any) -> None:
    crons = Crons()
    crons.interval("a", tidy, hours=hours)
    assert problem_of(crons, registry).startswith(f"hours is {hours!r}")


@pytest.mark.parametrize("units", [{}, {"hours": 0}, {"days": 10**400}, {"days": 1e300}, {"seconds": 1e-9}])
def test_units_that_add_up_to_nothing_or_to_forever_are_refused(registry: Registry, units: Any) -> None:
    crons = Crons()
    crons.interval("a", tidy, **units)
    assert "period" in problem_of(crons, registry)


def test_a_positive_sum_does_not_excuse_a_negative_unit(registry: Registry) -> None:
    crons = Crons()
    crons.interval("a", tidy, hours=2, minutes=-30)
    assert "minutes is -30" in problem_of(crons, registry)


@pytest.mark.parametrize("expression", ["", "9 * * *", "0 0 9 * * *", "0 0 9 * * * 2026", "@daily", "R * * * *"])
def test_an_expression_without_five_plain_fields_is_refused(registry: Registry, expression: str) -> None:
    crons = Crons()
    crons.cron("a", expression, tidy)
    assert "Write '" in (problem := problem_of(crons, registry)) or "For example" in problem


def test_the_error_of_an_expression_shows_where_and_what_would_work(registry: Registry) -> None:
    crons = Crons()
    crons.cron("daily report", "0 25 * * *", tidy)
    assert problem_of(crons, registry) == (
        "'25' is not a valid hour: it takes 0-23, with `,` for lists, `-` and `/`\n"
        "    0 25 * * *\n"
        "      ^^\n"
        "    For example, '0 9 * * *' runs every day at 09:00 UTC"
    )


@pytest.mark.parametrize("minute", [60, -1, 1.0, "5", True, None])
def test_a_minute_that_is_not_one_is_refused(registry: Registry, minute: Any) -> None:
    for declare in ("hourly", "daily", "weekly", "monthly"):
        crons = Crons()
        rest = {"hour": 8, "weekday": "monday", "day": 1}
        wanted = inspect.signature(getattr(crons, declare)).parameters
        kwargs = {name: value for name, value in rest.items() if name in wanted}
        getattr(crons, declare)("a", function=tidy, minute=minute, **kwargs)
        assert problem_of(crons, registry) == f"minute is {minute!r}: it must be a whole number from 0 to 59"


@pytest.mark.parametrize("hour", [24, -1, 7.0, "7", False, None])
def test_an_hour_that_is_not_one_is_refused(registry: Registry, hour: Any) -> None:
    crons = Crons()
    crons.daily("a", hour=hour, function=tidy)
    assert problem_of(crons, registry) == f"hour is {hour!r}: it must be a whole number from 0 to 23"


@pytest.mark.parametrize("day", [0, 32, -1, 1.0, "1", True, None])
def test_a_day_that_is_not_one_is_refused(registry: Registry, day: Any) -> None:
    crons = Crons()
    crons.monthly("a", day=day, hour=1, function=tidy)
    assert problem_of(crons, registry) == f"day is {day!r}: it must be a whole number from 1 to 31"


def test_a_misspelt_weekday_is_refused_with_the_one_that_was_meant(registry: Registry) -> None:
    for wrong, meant in (("mondag", "monday"), ("Tues", "tuesday"), ("sun", "sunday")):
        crons = Crons()
        crons.weekly("a", weekday=wrong, hour=1, function=tidy)  # type: ignore[arg-type]
        assert problem_of(crons, registry) == f"weekday is {wrong!r}: did you mean {meant!r}?"


@pytest.mark.parametrize("weekday", [1, None, True, "", "xyz"])
def test_a_weekday_that_resembles_none_is_refused_with_all_seven(registry: Registry, weekday: Any) -> None:
    crons = Crons()
    crons.weekly("a", weekday=weekday, hour=1, function=tidy)
    assert problem_of(crons, registry).endswith(
        "use one of sunday, monday, tuesday, wednesday, thursday, friday, saturday"
    )


def test_a_duplicate_cron_name_is_refused_with_the_place_of_the_first(registry: Registry) -> None:
    crons = Crons()
    crons.interval("sync", HOUR, tidy)
    crons.hourly("sync", sync)
    crons.hourly("Sync", sync)
    problem = problem_of(crons, registry)
    assert problem.startswith("the name is taken, by ")
    assert f"test_refused_crons.py:{this_line() - 5}" in problem


def test_a_broken_cron_keeps_its_name_taken(registry: Registry) -> None:
    crons = Crons()
    crons.cron("sync", "bad", tidy)
    crons.interval("sync", HOUR, tidy)
    assert [problem.split(": ")[2].split(",")[0] for problem in crons.resolve(registry)] == [
        "it has 1 field and needs exactly five",
        "the name is taken",
    ]


@pytest.mark.parametrize(
    "name", ["", " ", "a\nb", "a\x00b", "tab\t", "\x1b[31mred", "zero\u200bwidth", "\ud800", "x" * 201, None, 5, ["a"]]
)
def test_a_name_that_is_empty_or_cannot_be_shown_is_refused(registry: Registry, name: Any) -> None:
    crons = Crons()
    crons.interval(name, HOUR, tidy)
    problem = problem_of(crons, registry)
    assert problem.startswith("its name ")
    assert problem.isprintable()
    assert crons.definitions == {}


@pytest.mark.parametrize("target", [count, api.reports.count, "reports:count"])
def test_a_query_is_refused(registry: Registry, target: Any) -> None:
    crons = Crons()
    crons.interval("a", HOUR, target)
    assert problem_of(crons, registry) == (
        "'reports:count' is a query, and a query changes nothing. Pass a mutation or an action"
    )


@pytest.mark.parametrize("target", ["reports:snd", internal.reports.snd])
def test_an_unknown_function_is_refused_with_the_nearest_name(registry: Registry, target: Any) -> None:
    crons = Crons()
    crons.interval("a", HOUR, target, to="all")
    assert "Did you mean 'reports:send'?" in problem_of(crons, registry)


def test_a_function_of_another_app_an_undecorated_one_and_none_are_refused(registry: Registry) -> None:
    def plain(ctx: Any) -> None: ...

    texts = {stranger: "not part of the app's package", plain: "decorate it", None: "has no function"}
    for target, text in texts.items():
        crons = Crons()
        crons.cron("a", "0 9 * * *", target)  # type: ignore[arg-type]
        assert text in problem_of(crons, registry)
        crons = Crons()
        crons.interval("a", hours=1, function=target)  # type: ignore[call-overload]
        assert text in problem_of(crons, registry)


def test_a_reference_with_the_wrong_door_is_refused(registry: Registry) -> None:
    crons = Crons()
    crons.interval("a", HOUR, api.reports.send, to="all")
    assert "write `internal" in problem_of(crons, registry)


@pytest.mark.parametrize(
    ("args", "kwargs", "text"),
    [
        ((), {}, "to: Field required"),
        ((), {"to": 5}, "to: Input should be a valid string"),
        ((), {"to": "all", "copis": 2}, "did you mean 'copies'?"),
        (("all", 1, 2), {}, "too many positional arguments"),
        ((), {"to": "a\x00b"}, "NUL"),
        ((), {"to": "\ud800"}, "to"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(
    registry: Registry, args: tuple[Any, ...], kwargs: dict[str, Any], text: str
) -> None:
    crons = Crons()
    declare: Any = crons.interval
    declare("a", HOUR, send, *args, **kwargs)
    problem = problem_of(crons, registry)
    assert problem.startswith("reports:send: ")
    assert text in problem


def test_units_beside_a_timedelta_are_arguments_of_the_function(registry: Registry) -> None:
    crons = Crons()
    crons.interval("a", HOUR, tidy, hours=2)  # type: ignore[call-overload]
    assert "hours" in problem_of(crons, registry)
