"""Declaring crons: what may be written, and when it is checked."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from pathlib import Path
from typing import Any

import pytest
from reports import awkward, count, send, stranger, sync, tidy

from convexpy.errors import LoadError
from convexpy.functions.crons import Crons
from convexpy.functions.load import load_app
from convexpy.functions.references import internal
from convexpy.functions.registry import Registry

NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


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


# ---- what may be written


def test_an_interval_takes_a_timedelta_or_units_around_the_function(registry: Registry) -> None:
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
def test_functions_references_names_and_aliases_give_the_registered_name(registry: Registry, target: Any) -> None:
    crons = Crons()
    crons.interval("a", timedelta(hours=2), target, to="all")
    crons.interval("b", target, hours=2, to="all")
    crons.interval("c", hours=2, function=target, to="all")
    crons.cron("d", "0 9 * * *", target, to="all")
    crons.daily("e", hour=2, function=target, to="all")
    assert crons.resolve(registry) == []
    assert {definition.function for definition in crons.definitions.values()} == {"reports:send"}


def test_arguments_are_stored_as_the_json_of_a_job_named_or_not(registry: Registry) -> None:
    crons = Crons()
    crons.interval("named", HOUR, send, to="all", copies=2)
    crons.interval("in order", HOUR, send, "all", 2)
    crons.interval("none", HOUR, tidy)
    assert crons.resolve(registry) == []
    stored = {name: definition.stored_args for name, definition in crons.definitions.items()}
    assert stored == {"named": '{"to":"all","copies":2}', "in order": '{"to":"all","copies":2}', "none": "{}"}


def test_arguments_with_the_names_of_parameters_pass_through_cron(registry: Registry) -> None:
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


def test_declarations_never_raise_and_all_problems_are_reported_together(registry: Registry) -> None:
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
