"""Declaring crons: what may be written, what is refused when the app loads, and how the refusal reads."""

from __future__ import annotations

import inspect
import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import IntEnum
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from convexpy.errors import LoadError
from convexpy.functions.builders import ActionBuilder, MutationBuilder, QueryBuilder
from convexpy.functions.crons import Crons
from convexpy.functions.load import load_app
from convexpy.functions.references import api, internal
from convexpy.functions.registry import Registry

mutation: MutationBuilder[Any] = MutationBuilder()
action: ActionBuilder[Any, Any] = ActionBuilder()
query: QueryBuilder[Any] = QueryBuilder()


@mutation
def tidy(ctx: Any) -> None: ...


@mutation.internal(aliases=["reports:old_send"])
def send(ctx: Any, to: str, copies: int = 1) -> None: ...


@action
async def sync(ctx: Any) -> None: ...


@query
def count(ctx: Any) -> int:
    return 0


@mutation
def stranger(ctx: Any) -> None: ...


@mutation
def awkward(ctx: Any, name: str, hour: int) -> None: ...


NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def registry() -> Registry:
    module = ModuleType("reports")
    for function in (tidy, send, sync, count, awkward):
        setattr(module, function.__name__, function)
    return Registry({"reports": module})


def this_line() -> int:
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


def text_of(crons: Crons, registry: Registry) -> str:
    """The stored timetable of the one cron."""
    assert crons.resolve(registry) == []
    (definition,) = crons.definitions.values()
    return definition.timetable.text


def problem_of(crons: Crons, registry: Registry, **settings: float) -> str:
    """The one thing that is wrong, without its place and name."""
    (problem,) = crons.resolve(registry, **settings)
    place, _, complaint = problem.partition(": cron ")
    assert Path(place.rpartition(":")[0]).name == "test_crons.py"
    return complaint.partition(": ")[2]


# ---- what may be written


def test_an_interval_takes_a_timedelta_or_units_with_the_function_before_or_after(registry: Registry) -> None:
    crons = Crons()
    crons.interval("a", timedelta(hours=2), tidy)
    crons.interval("b", timedelta(hours=2), function=tidy)
    crons.interval("c", hours=2, function=tidy)
    crons.interval("d", tidy, hours=2)
    crons.interval("e", tidy, hours=1.5, minutes=29, seconds=60)
    crons.interval("f", tidy, days=1)
    assert crons.resolve(registry) == []
    texts = [definition.timetable.text for definition in crons.definitions.values()]
    assert texts == ["interval 7200s"] * 5 + ["interval 86400s"]


@pytest.mark.parametrize(
    ("expression", "following"),
    [
        ("* * * * *", "2026-03-10 12:01"),
        ("*/15 * * * *", "2026-03-10 12:15"),
        ("0 * * * *", "2026-03-10 13:00"),
        ("0 0 * * *", "2026-03-11 00:00"),
        ("0 9 * * *", "2026-03-11 09:00"),
        ("0 9 * * 1-5", "2026-03-11 09:00"),
        ("0 0 1 * *", "2026-04-01 00:00"),
    ],
)
def test_a_cron_takes_every_pattern_of_the_guide(registry: Registry, expression: str, following: str) -> None:
    crons = Crons()
    crons.cron("daily report", expression, tidy)
    assert text_of(crons, registry) == f"cron {expression}"
    assert f"{crons.definitions['daily report'].timetable.first(NOON):%F %H:%M}" == following


def test_a_cron_takes_its_function_by_keyword_too(registry: Registry) -> None:
    crons = Crons()
    crons.cron("daily report", "0 9 * * *", function=send, to="all")
    assert text_of(crons, registry) == "cron 0 9 * * *"


def test_the_shorthands_become_cron_expressions(registry: Registry) -> None:
    crons = Crons()
    crons.hourly("sync", minute=30, function=sync)
    crons.hourly("sync on the hour", sync)
    crons.daily("digest", hour=7, minute=15, function=send, to="all")
    crons.daily("early digest", hour=7, function=send, to="all")
    crons.weekly("invoice", weekday="monday", hour=8, minute=0, function=tidy)
    crons.weekly("rest", weekday="sunday", hour=23, minute=59, function=tidy)
    crons.monthly("close books", day=1, hour=0, minute=5, function=tidy)
    crons.monthly("last day of long months", day=31, hour=0, function=tidy)
    assert crons.resolve(registry) == []
    assert [definition.timetable.text for definition in crons.definitions.values()] == [
        "cron 30 * * * *",
        "cron 0 * * * *",
        "cron 15 7 * * *",
        "cron 0 7 * * *",
        "cron 0 8 * * 1",
        "cron 59 23 * * 0",
        "cron 5 0 1 * *",
        "cron 0 0 31 * *",
    ]


def test_a_weekday_may_be_capitalised_and_a_number_may_be_an_int_enum(registry: Registry) -> None:
    crons = Crons()
    crons.weekly("invoice", weekday="Friday", hour=IntEnum("Hours", {"EIGHT": 8}).EIGHT, function=tidy)  # type: ignore
    assert text_of(crons, registry) == "cron 0 8 * * 5"


@pytest.mark.parametrize(
    "target", [send, internal.reports.send, "reports:send", "reports:old_send", internal.reports.old_send]
)
def test_functions_references_names_and_aliases_all_lead_to_the_registered_name(
    registry: Registry, target: Any
) -> None:
    crons = Crons()
    crons.interval("a", timedelta(hours=2), target, to="all")
    crons.interval("b", target, hours=2, to="all")
    crons.interval("c", hours=2, function=target, to="all")
    crons.cron("d", "0 9 * * *", target, to="all")
    crons.daily("e", hour=2, function=target, to="all")
    assert crons.resolve(registry) == []
    assert {definition.function for definition in crons.definitions.values()} == {"reports:send"}


def test_arguments_are_stored_as_the_json_of_a_job_whether_they_were_named_or_not(registry: Registry) -> None:
    crons = Crons()
    crons.interval("named", HOUR, send, to="all", copies=2)
    crons.interval("in order", HOUR, send, "all", 2)
    crons.interval("none", HOUR, tidy)
    assert crons.resolve(registry) == []
    stored = {name: definition.stored_args for name, definition in crons.definitions.items()}
    assert stored == {"named": '{"to":"all","copies":2}', "in order": '{"to":"all","copies":2}', "none": "{}"}


def test_arguments_named_like_parameters_of_a_declaration_pass_through_cron(registry: Registry) -> None:
    crons = Crons()
    crons.cron("x", "0 9 * * *", awkward, name="tea", hour=3)
    assert text_of(crons, registry) == "cron 0 9 * * *"
    assert crons.definitions["x"].stored_args == '{"name":"tea","hour":3}'


def test_a_definition_knows_what_was_written_and_where(registry: Registry) -> None:
    crons = Crons()
    crons.cron("daily report", "0 9 * * *", internal.reports.send, to="all")
    line = this_line() - 1
    assert crons.resolve(registry) == []
    definition = crons.definitions["daily report"]
    assert (definition.name, definition.target, definition.args) == ("daily report", internal.reports.send, ())
    assert definition.kwargs == {"to": "all"}
    assert definition.place.endswith(f"test_crons.py:{line}")


def test_names_in_any_language_are_welcome(registry: Registry) -> None:
    crons = Crons()
    crons.interval("Größe prüfen", HOUR, tidy)
    crons.interval("毎日のレポート", HOUR, tidy)
    assert crons.resolve(registry) == []


# ---- when it is checked


def test_declaring_never_raises_and_every_problem_of_every_cron_is_reported_at_once(registry: Registry) -> None:
    crons = Crons()
    nonsense: Any = crons
    nonsense.cron("a", "not a cron", count)
    nonsense.cron("b", 5, "reports:snd", to="all")
    nonsense.interval("", -HOUR, send, whom="all")
    nonsense.interval("c", hours="2", function=stranger)
    nonsense.weekly("d", weekday=None, hour=99, minute=True, function=None)
    nonsense.interval("e")
    problems = crons.resolve(registry)
    assert [problem.split(": ")[1] for problem in problems] == [
        *["cron 'a'"] * 2,
        *["cron 'b'"] * 2,
        *["cron ''"] * 3,
        *["cron 'c'"] * 2,
        *["cron 'd'"] * 2,
        *["cron 'e'"] * 2,
    ]
    assert crons.definitions == {}


def test_a_problem_begins_with_the_line_of_the_declaration_and_the_name(registry: Registry) -> None:
    crons = Crons()
    first = this_line() + 1
    crons.cron(
        "daily report",
        "0 25 * * *",
        tidy,
    )
    crons.interval("cleanup", hours=0, function=tidy)
    crons.monthly("close books", day=0, hour=1, function=tidy)
    problems = crons.resolve(registry)
    places = [problem.partition(": cron ")[0] for problem in problems]
    here = f"{Path(__file__).relative_to(Path.cwd())}" if Path(__file__).is_relative_to(Path.cwd()) else __file__
    assert places == [f"{here}:{line}" for line in (first, first + 5, first + 6)]
    assert "cron 'daily report': '25' is not a valid hour" in problems[0]


def test_nothing_is_defined_before_the_crons_are_resolved(registry: Registry) -> None:
    crons = Crons()
    crons.interval("a", HOUR, tidy)
    assert crons.definitions == {}


def test_resolving_twice_gives_the_same_as_once(registry: Registry) -> None:
    crons = Crons()
    crons.interval("a", HOUR, tidy)
    crons.cron("b", "bad", tidy)
    once = crons.resolve(registry), dict(crons.definitions)
    assert (crons.resolve(registry), dict(crons.definitions)) == once
    assert list(crons.definitions) == ["a"]


def test_an_app_reports_all_problems_of_its_crons_file_with_their_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "cron_shop"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "reports.py").write_text(
        "from convexpy.functions.builders import MutationBuilder\n"
        "@MutationBuilder()\n"
        "def send(ctx, to: str) -> None: ...\n"
    )
    (package / "crons.py").write_text(
        "from convexpy.functions.crons import Crons\n"
        "from .reports import send\n"
        "crons = Crons()\n"
        "crons.interval('too often', send, seconds=5, to='x')\n"
        "crons.cron('daily report', '0 0 9 * * *', send, to='x')\n"
        "crons.daily('digest', hour=9, function=send)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LoadError) as caught:
        load_app("cron_shop")
    starts = [problem.split(": ")[:2] for problem in caught.value.problems]
    assert starts == [
        ["cron_shop/crons.py:4", "cron 'too often'"],
        ["cron_shop/crons.py:5", "cron 'daily report'"],
        ["cron_shop/crons.py:6", "cron 'digest'"],
    ]


# ---- what is refused


def test_an_interval_under_the_minimum_is_refused_unless_the_minimum_is_lowered(registry: Registry) -> None:
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


def test_a_second_cron_of_the_same_name_is_refused_with_the_place_of_the_first(registry: Registry) -> None:
    crons = Crons()
    crons.interval("sync", HOUR, tidy)
    crons.hourly("sync", sync)
    crons.hourly("Sync", sync)
    problem = problem_of(crons, registry)
    assert problem.startswith("the name is taken, by ")
    assert f"test_crons.py:{this_line() - 5}" in problem


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
