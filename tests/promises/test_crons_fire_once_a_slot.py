"""Crons: each slot fires once, at most one run at a time, and what is missed is skipped and said so.

==== ======================================================================================
C1   test_only_the_file_named_crons_counts, test_a_misnamed_or_empty_crons_file_is_a_warning
C2   test_an_interval_runs_when_it_first_appears_and_keeps_its_phase, test_a_bad_interval_is_refused
C3   test_a_cron_expression_runs_at_its_matches_and_not_at_once, test_a_bad_expression_is_refused
C4   test_hourly_daily_weekly_and_monthly
C5   test_less_than_a_minute_is_refused_unless_a_setting_allows_it, test_six_fields_are_refused
C6   test_a_bad_name_is_refused
C7   test_what_a_cron_runs_is_checked_when_the_app_loads
C8   test_after_downtime_the_stored_slot_runs_once, test_a_cron_never_runs_twice_at_a_time, test_each_slot_fires_once
C9   test_definitions_are_compared_by_name
C10  test_a_failed_run_never_stops_a_cron, test_a_cron_tries_internal_errors_again
C11  test_both_day_fields_mean_either
C12  test_every_run_is_a_row_with_the_name_of_its_cron
==== ======================================================================================
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from app.models import Order
from stage import START, Unlucky, a_conflict, a_disk_error, app_of

from convexpy import (
    ActionCtx,
    Convex,
    Crons,
    LoadError,
    MutationCtx,
    QueryCtx,
    Settings,
    action,
    internal,
    mutation,
    query,
)
from convexpy.testing import ConvexTest

promise = pytest.mark.promise
ran: list[datetime] = []
unlucky = Unlucky()
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()
    unlucky.reset()


@mutation
def work(ctx: MutationCtx, label: str = "") -> None:
    unlucky.strike()
    ran.append(ctx.now)


@action
async def act(ctx: ActionCtx, label: str = "") -> None:
    unlucky.strike()
    ran.append(ctx.now)


@query
def look(ctx: QueryCtx) -> None: ...


def crons_of(declare: Callable[[Crons], object]) -> Crons:
    crons = Crons()
    declare(crons)
    return crons


def app_with(declare: Callable[[Crons], object]) -> Any:
    return app_of(work, act, look, crons=crons_of(declare))


def history(convex: ConvexTest, name: str) -> list[tuple[str, datetime]]:
    """How each slot ended, the earliest first."""
    jobs = convex.convex.system.jobs(cron=name, limit=1000)
    return [(job.state.kind, job.scheduled_time) for job in sorted(jobs, key=lambda job: job.scheduled_time)]


# ---------------------------------------------------------------------------------------------- intervals


@promise("C2")
@pytest.mark.parametrize(
    "declare",
    [
        lambda crons: crons.interval("x", timedelta(hours=2), work),
        lambda crons: crons.interval("x", work, hours=2),
        lambda crons: crons.interval("x", timedelta(minutes=120), act, label="a"),
        lambda crons: crons.interval("x", hours=1, minutes=60, function=work),
    ],
    ids=["timedelta", "hours", "action", "units"],
)
def test_an_interval_runs_when_it_first_appears_and_keeps_its_phase(declare: Any) -> None:
    with ConvexTest(app_with(declare), now=START) as convex:
        assert ran == []
        convex.run_due()
        assert ran == [START]
        convex.advance(hours=1, minutes=59)
        assert ran == [START]
        convex.advance(hours=6)
        assert ran == [START + 2 * n * HOUR for n in range(4)]


@promise("C2")
def test_the_phase_counts_from_the_slot_and_not_from_the_end_of_the_run() -> None:
    @mutation
    def slow(ctx: MutationCtx) -> None:
        ran.append(ctx.now)
        clocks[0].move_to(ctx.now + timedelta(seconds=20))

    crons = crons_of(lambda crons: crons.interval("slow", MINUTE, slow))
    with ConvexTest(app_of(slow, crons=crons), now=START) as convex:
        clocks = [convex.clock]
        convex.advance(minutes=3)
        assert ran == [START + n * MINUTE for n in range(4)]


@promise("C2")
@pytest.mark.parametrize("period", [timedelta(0), timedelta(seconds=-60), timedelta(days=40_000), 7200, None])
def test_a_bad_interval_is_refused(period: Any) -> None:
    assert_refused(lambda crons: crons.interval("odd", period, work), "cron 'odd'")


@promise("C5")
def test_less_than_a_minute_is_refused_unless_a_setting_allows_it() -> None:
    app = app_with(lambda crons: crons.interval("fast", work, seconds=59))
    with pytest.raises(LoadError, match=r"cron 'fast': .*min_cron_interval"), ConvexTest(app):
        pass
    allowed = Settings(min_cron_interval=timedelta(seconds=10))
    with ConvexTest(app, settings=allowed, now=START) as convex:
        convex.advance(seconds=60)
        assert ran == [START, START + timedelta(seconds=59)]
    with ConvexTest(app_with(lambda crons: crons.interval("minute", work, minutes=1))):
        pass


# ---------------------------------------------------------------------------------------------- expressions


@promise("C3")
@pytest.mark.parametrize(
    ("expression", "first_three"),
    [
        ("* * * * *", ["2030-01-07 12:01", "2030-01-07 12:02", "2030-01-07 12:03"]),
        ("*/15 * * * *", ["2030-01-07 12:15", "2030-01-07 12:30", "2030-01-07 12:45"]),
        ("0 * * * *", ["2030-01-07 13:00", "2030-01-07 14:00", "2030-01-07 15:00"]),
        ("0 0 * * *", ["2030-01-08 00:00", "2030-01-09 00:00", "2030-01-10 00:00"]),
        ("0 9 * * *", ["2030-01-08 09:00", "2030-01-09 09:00", "2030-01-10 09:00"]),
        ("0 9 * * 1-5", ["2030-01-08 09:00", "2030-01-09 09:00", "2030-01-10 09:00"]),
        ("0 0 1 * *", ["2030-02-01 00:00", "2030-03-01 00:00", "2030-04-01 00:00"]),
        ("0 12 * * 0", ["2030-01-13 12:00", "2030-01-20 12:00", "2030-01-27 12:00"]),
    ],
)
def test_a_cron_expression_runs_at_its_matches_and_not_at_once(expression: str, first_three: list[str]) -> None:
    with ConvexTest(app_with(lambda crons: crons.cron("x", expression, work)), now=START) as convex:
        convex.run_due()
        assert ran == []
        convex.advance(datetime.fromisoformat(f"{first_three[-1]}Z") - START)
    assert [f"{moment:%F %R}" for moment in ran] == first_three
    assert {moment.tzinfo for moment in ran} == {UTC}


@promise("C11")
def test_both_day_fields_mean_either() -> None:
    with ConvexTest(app_with(lambda crons: crons.cron("x", "0 0 13 * 5", work)), now=START) as convex:
        convex.advance(days=14)
    assert [f"{moment:%a %d}" for moment in ran] == ["Fri 11", "Sun 13", "Fri 18"]


@promise("C4")
def test_hourly_daily_weekly_and_monthly() -> None:
    def declare(crons: Crons) -> None:
        crons.hourly("sync", minute=30, function=work)
        crons.daily("digest", hour=7, minute=15, function=work)
        crons.weekly("invoice", weekday="monday", hour=8, minute=0, function=work)
        crons.monthly("close books", day=1, hour=0, minute=5, function=work)

    with ConvexTest(app_with(declare), now=START) as convex:
        slots = {cron.name: cron.next_time for cron in convex.convex.system.crons()}
    assert {name: f"{slot:%F %R}" for name, slot in slots.items()} == {
        "sync": "2030-01-07 12:30",
        "digest": "2030-01-08 07:15",
        "invoice": "2030-01-14 08:00",
        "close books": "2030-02-01 00:05",
    }


# ---------------------------------------------------------------------------------------------- refused


def assert_refused(declare: Callable[[Crons], object], *words: str) -> None:
    with pytest.raises(LoadError) as refused, ConvexTest(app_with(declare)):
        pass
    (problem,) = refused.value.problems
    assert f"{Path(__file__).name}:" in problem
    for word in words:
        assert word in problem


@promise("C3")
@pytest.mark.parametrize("expression", ["", "x", "0 9 * *", "60 * * * *", "0 9 * * mon-", "0 0 31 2 *", "@daily", None])
def test_a_bad_expression_is_refused(expression: Any) -> None:
    assert_refused(lambda crons: crons.cron("odd", expression, work), "cron 'odd'")


@promise("C5")
@pytest.mark.parametrize("expression", ["0 0 9 * * *", "*/10 * * * * *"])
def test_six_fields_are_refused(expression: str) -> None:
    assert_refused(lambda crons: crons.cron("odd", expression, work), "cron 'odd'", "exactly five")


@promise("C6")
@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "bell\a", None])
def test_a_bad_name_is_refused(name: Any) -> None:
    assert_refused(lambda crons: crons.interval(name, HOUR, work), f"cron {name!r}")


@promise("C6")
def test_a_name_that_is_taken_is_refused_with_both_places() -> None:
    def declare(crons: Crons) -> None:
        crons.interval("same", HOUR, work)
        crons.cron("same", "0 9 * * *", act)

    with pytest.raises(LoadError) as refused, ConvexTest(app_with(declare)):
        pass
    (problem,) = refused.value.problems
    assert problem.count(Path(__file__).name) == 2


@promise("C7")
@pytest.mark.parametrize(
    ("declare", "word"),
    [
        (lambda crons: crons.interval("odd", HOUR, look), "is a query"),
        (lambda crons: crons.interval("odd", HOUR, work, label=5), "label"),
        (lambda crons: crons.interval("odd", HOUR, work, lable="x"), "lable"),
        (lambda crons: crons.cron("odd", "0 9 * * *", internal.nowhere.nothing), "nowhere:nothing"),
        (lambda crons: crons.cron("odd", "0 9 * * *", "nowhere:nothing"), "nowhere:nothing"),
        (lambda crons: crons.cron("odd", "0 9 * * *", print), "not a function of the app"),
    ],
    ids=["query", "wrong type", "misspelt", "reference", "name", "undecorated"],
)
def test_what_a_cron_runs_is_checked_when_the_app_loads(declare: Any, word: str) -> None:
    assert_refused(declare, "cron 'odd'", word)


def test_every_problem_is_reported_not_only_the_first() -> None:
    def declare(crons: Crons) -> None:
        crons.interval("one", timedelta(0), work)
        crons.cron("two", "nonsense", look)  # type: ignore[arg-type]

    with pytest.raises(LoadError) as refused, ConvexTest(app_with(declare)):
        pass
    assert "cron 'one'" in str(refused.value)
    assert "nonsense" in str(refused.value)
    assert "is a query" in str(refused.value)


def test_a_reference_stands_for_a_function_that_cannot_be_imported(shop: ConvexTest) -> None:
    with shop.db() as db:
        db.add_all([Order(id="o1"), Order(id="o2", status="stale")])
    shop.advance(hours=21)  # to 09:00 on the next day
    assert ("success", datetime(2030, 1, 8, 9, tzinfo=UTC)) in history(shop, "daily report")
    with shop.db() as db:
        assert db.get(Order, "o2") is None


# ---------------------------------------------------------------------------------------------- files


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """Writes a package of functions and gives its name."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(**files: str) -> str:
        folder = tmp_path / "package_under_test"
        folder.mkdir(exist_ok=True)
        for name, content in {"__init__": "", **files}.items():
            (folder / f"{name}.py").write_text(content)
        return folder.name

    yield write
    for name in [name for name in sys.modules if name.partition(".")[0] == "package_under_test"]:
        del sys.modules[name]


FUNCTIONS = "from convexpy import mutation\n@mutation\ndef work(ctx): ...\n"
CRONS = "from convexpy import Crons\nfrom .jobs import work\ncrons = Crons()\ncrons.interval('x', work, hours=1)\n"


@promise("C1")
def test_only_the_file_named_crons_counts(package: Callable[..., str]) -> None:
    name = package(jobs=FUNCTIONS + CRONS.replace("from .jobs import work\n", ""), crons=CRONS)
    with ConvexTest(name) as convex:
        assert [cron.name for cron in convex.convex.system.crons()] == ["x"]
        assert str(convex.convex.system.crons()[0].place).endswith("package_under_test/crons.py:4")
        convex.run_due()
        assert len(convex.jobs()) == 1


@promise("C1")
@pytest.mark.parametrize(
    ("files", "advice"),
    [
        ({"cron": CRONS}, "Rename this file to crons.py"),
        ({"crons": "CRONS = []\n"}, "has no Crons object"),
    ],
)
def test_a_misnamed_or_empty_crons_file_is_a_warning(
    package: Callable[..., str], database: str, files: dict[str, str], advice: str
) -> None:
    name = package(jobs=FUNCTIONS, **files)
    with pytest.warns(UserWarning, match=advice):
        convex = Convex(database, functions=name)
    with convex:
        assert convex.app.crons.definitions == {}
        assert advice in convex.app.warnings[0]


@promise("C1")
def test_an_app_without_crons_is_no_warning(package: Callable[..., str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with ConvexTest(package(jobs=FUNCTIONS)) as convex:
            assert convex.convex.app.warnings == []


# ---------------------------------------------------------------------------------------------- once a slot


@promise("C8")
@pytest.mark.parametrize(
    ("declare", "late", "then"),
    [
        (lambda crons: crons.interval("x", HOUR, work), "13:00", ["16:30", "17:00", "18:00"]),
        (lambda crons: crons.cron("x", "0 * * * *", work), "13:00", ["16:30", "17:00", "18:00"]),
    ],
    ids=["interval", "expression"],
)
def test_after_downtime_the_stored_slot_runs_once(database: str, declare: Any, late: str, then: list[str]) -> None:
    with ConvexTest(app_with(declare), database_url=database, now=START) as before:
        before.run_due()
    ran.clear()
    with ConvexTest(app_with(declare), database_url=database, now=START + 4.5 * HOUR) as after:
        after.advance(hours=2)
        runs = [slot for kind, slot in history(after, "x") if kind == "success" and slot > START]
        assert f"{runs[0]:%R}" == late
        skipped = [job for job in after.jobs(state="canceled") if job.cron == "x"]
        assert len(skipped) == 1
        assert "nothing was running then" in str(skipped[0].state.error)
    assert [f"{moment:%R}" for moment in ran] == then


@promise("C8")
def test_a_cron_never_runs_twice_at_a_time_and_says_what_it_skipped(database: str) -> None:
    @action
    async def slow(ctx: ActionCtx) -> None:
        ran.append(ctx.now)
        if len(ran) == 1:  # while it runs, two and a half minutes pass, and the crons go on
            convexes[0].clock.move_to(ctx.now + 2.5 * MINUTE)
            while convexes[0].convex.service.crons.tick() == 0.0:
                pass

    crons = crons_of(lambda crons: crons.interval("slow", MINUTE, slow))
    with ConvexTest(app_of(slow, crons=crons), database_url=database, now=START) as convex:
        convexes = [convex]
        convex.advance(minutes=5)
        assert ran == [START, *(START + n * MINUTE for n in (3, 4, 5))]
        skipped = convex.jobs(state="canceled")
        assert {job.cron for job in skipped} == {"slow"}
        assert any("the run before was not over" in str(job.state.error) for job in skipped)


@promise("C8")
def test_a_cron_waits_for_its_run_to_be_tried_again(database: str) -> None:
    unlucky.reset(*(a_disk_error() for _ in range(9)))  # about 25 to 50 s of backoff
    settings = Settings(min_cron_interval=timedelta(seconds=1))
    declare = lambda crons: crons.interval("x", timedelta(seconds=5), work)  # noqa: E731
    with ConvexTest(app_with(declare), database_url=database, now=START, settings=settings) as convex:
        convex.advance(seconds=120)
        states = [kind for kind, _ in history(convex, "x")]
        assert states[0] == "success"
        assert 4 <= states.count("canceled") <= 11
        assert len(ran) + states.count("canceled") == 25


@promise("C8")
def test_each_slot_fires_once_however_many_workers_there_are(database: str) -> None:
    app = app_with(lambda crons: crons.interval("x", MINUTE, work))
    with ConvexTest(app, database_url=database, now=START) as convex:
        others = [Convex(database, functions=app, clock=convex.clock) for _ in range(3)]
        try:
            for other in others:
                other.migrate()
                other.service.prepare(other.app)
            for _ in range(5):
                due = [other.service.crons for other in (*others, convex.convex)]
                rows = [(clock, clock_rows(clock, convex)) for clock in due]  # all look before anyone fires
                for clock, found in rows:
                    for row in found:
                        clock._fire(row, convex.now)
                convex.run_due()
                convex.clock.move_to(convex.now + MINUTE)
        finally:
            for other in others:
                other.close()
        assert ran == [START + n * MINUTE for n in range(5)]
        assert history(convex, "x") == [("success", START + n * MINUTE) for n in range(5)]


def clock_rows(clock: Any, convex: ConvexTest) -> list[Any]:
    from convexpy.database import crons

    with clock._database.read() as held:
        return crons.due_crons(held.connection, convex.now)


# ---------------------------------------------------------------------------------------------- definitions


@promise("C9")
def test_definitions_are_compared_by_name(database: str) -> None:
    def first(crons: Crons) -> None:
        crons.interval("kept", 3 * HOUR, work, label="old arguments")
        crons.cron("changed", "0 9 * * *", work)
        crons.interval("removed", HOUR, work)

    def second(crons: Crons) -> None:
        crons.interval("kept", timedelta(minutes=180), act, label="new arguments")
        crons.cron("changed", "0 15 * * *", work)
        crons.cron("new", "0 16 * * *", work)

    with ConvexTest(app_with(first), database_url=database, now=START) as convex:
        convex.run_due()
        slots = {cron.name: f"{cron.next_time:%d %R}" for cron in convex.convex.system.crons()}
        assert slots == {"kept": "07 15:00", "changed": "08 09:00", "removed": "07 13:00"}
    with ConvexTest(app_with(second), database_url=database, now=START + 0.5 * HOUR) as convex:
        slots = {cron.name: f"{cron.next_time:%d %R}" for cron in convex.convex.system.crons()}
        assert slots == {"kept": "07 15:00", "changed": "07 15:00", "new": "07 16:00"}
        convex.advance(hours=3)
        (newest, *_) = convex.convex.system.jobs(cron="kept")
        assert (newest.name, newest.args) == ("made:act", {"label": "new arguments"})
        assert [kind for kind, _ in history(convex, "removed")] == ["success"]


@promise("C9")
def test_renaming_a_cron_is_removing_it_and_adding_another(database: str) -> None:
    with ConvexTest(app_with(lambda c: c.interval("old", HOUR, work)), database_url=database, now=START) as convex:
        convex.run_due()
    later = START + HOUR / 2
    with ConvexTest(app_with(lambda c: c.interval("new", HOUR, work)), database_url=database, now=later) as convex:
        convex.run_due()
        assert [cron.name for cron in convex.convex.system.crons()] == ["new"]
    assert ran == [START, later]


# ---------------------------------------------------------------------------------------------- runs


@promise("C10")
@pytest.mark.parametrize("function", [work, act], ids=["mutation", "action"])
def test_a_failed_run_never_stops_a_cron(function: Any) -> None:
    unlucky.reset(ValueError("the first run"), ValueError("the second run"))
    with ConvexTest(app_with(lambda crons: crons.interval("x", MINUTE, function)), now=START) as convex:
        convex.advance(minutes=2)
        assert [kind for kind, _ in history(convex, "x")] == ["failed", "failed", "success"]
        assert unlucky.strikes == 3


@promise("C10")
def test_a_cron_tries_internal_errors_again_in_a_mutation_and_never_in_an_action() -> None:
    def declare(crons: Crons) -> None:
        crons.interval("m", HOUR, work)
        crons.cron("a", "30 * * * *", act)

    unlucky.reset(a_conflict(), a_conflict())
    with ConvexTest(app_with(declare), now=START) as convex:
        convex.advance(minutes=29)
        assert [(kind, slot) for kind, slot in history(convex, "m")] == [("success", START)]
        unlucky.reset(a_conflict())
        convex.advance(minutes=2)
        assert [kind for kind, _ in history(convex, "a")] == ["failed"]
        assert unlucky.strikes == 1


@promise("C12")
def test_every_run_is_a_row_with_the_name_of_its_cron() -> None:
    with ConvexTest(app_with(lambda crons: crons.cron("x", "0 * * * *", act, "by position")), now=START) as convex:
        convex.advance(hours=2)
        for job, hours in zip(reversed(convex.jobs()), (1, 2), strict=True):
            assert (job.cron, job.name, job.args) == ("x", "made:act", {"label": "by position"})
            assert (job.scheduled_time, job.state.kind) == (START + hours * HOUR, "success")
            assert job.to_json()["cron"] == "x"


def test_a_cron_can_be_run_by_hand_besides_its_slots() -> None:
    with ConvexTest(app_with(lambda crons: crons.cron("x", "0 9 * * *", work)), now=START) as convex:
        convex.convex.system.run_cron("x")
        convex.run_due()
        assert ran == [START]
        convex.advance(hours=21)
        assert ran == [START, START + 21 * HOUR]
