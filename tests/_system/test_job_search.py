"""``_system/jobs:search`` and ``counts``: the list of the page of jobs, by any filter, page by page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from convexpy import ConvexError, JobId, MutationCtx, internal_mutation, mutation
from convexpy._system import jobs
from convexpy._system.job_lists import Filter
from convexpy.database.job_filter import JobFilter
from convexpy.database.job_search import search
from convexpy.testing import ConvexTest


@mutation
def plan(ctx: MutationCtx, label: str, seconds: float = 1.0, what: str = "work") -> JobId:
    function = {"work": work, "other": other}[what]
    return ctx.schedule.after(seconds * 1000, function, label=label)


@internal_mutation
def work(ctx: MutationCtx, label: str) -> None:
    if label == "bad":
        raise ValueError("the till is empty")


@internal_mutation
def other(ctx: MutationCtx, label: str) -> None: ...


def name(function: str) -> str:
    return f"{__name__}:{function}"


def labels(convex: ConvexTest, **options: Any) -> list[str]:
    return [job.args for job in convex.run(jobs.search, **options).jobs]


def given(label: str) -> str:
    return f'{{"label":"{label}"}}'


@pytest.fixture
def filled(convex: ConvexTest) -> ConvexTest:
    """Two that are over, one that failed, two that wait."""
    for label, seconds in (("first", 1), ("bad", 2), ("second", 3)):
        convex.run(plan, label=label, seconds=seconds)
    convex.run(plan, label="later", seconds=7200)
    convex.run(plan, label="soon", seconds=60, what="other")
    convex.advance(seconds=10)
    return convex


def test_pending_jobs_come_soonest_first_then_the_latest_end(filled: ConvexTest) -> None:
    page = filled.run(jobs.search)
    assert [(job.state, job.args) for job in page.jobs] == [
        ("pending", given("soon")),
        ("pending", given("later")),
        ("success", given("second")),
        ("failed", given("bad")),
        ("success", given("first")),
    ]
    assert (page.cursor, page.is_cut, page.has_more_pending) == (None, False, False)
    assert str(page.jobs[3].error).startswith("ValueError: the till is empty")
    assert page.jobs[0].origin is not None
    assert page.jobs[0].origin.function == name("plan")


def test_pages_go_on_by_key_and_meet_each_job_once(filled: ConvexTest) -> None:
    filters = Filter(), Filter(functions=(name("work"), name("other"))), Filter(text="label")
    for filter in filters:
        met, cursor = [], None
        for _ in range(10):
            page = filled.run(jobs.search, cursor=cursor, limit=2, filter=filter)
            assert len(page.jobs) <= 2
            met += [job.args for job in page.jobs]
            if (cursor := page.cursor) is None:
                break
        assert met == [given(label) for label in ("soon", "later", "second", "bad", "first")], filter


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ({"states": ["failed"]}, ["bad"]),
        ({"states": ["pending", "failed"]}, ["soon", "later", "bad"]),
        ({"functions": ["test_job_search:other"]}, ["soon"]),
        ({"functions": ["test_job_search:work"], "states": ["pending"]}, ["later"]),
        ({"modules": ["test_job_search"], "left_out": ["test_job_search:work"]}, ["soon"]),
        ({"modules": ["nothing"]}, []),
        ({"left_out": ["test_job_search"]}, []),
        ({"text": "SECO"}, ["second"]),
        ({"text": "till is"}, ["bad"]),
        ({"text": "100%"}, []),
        ({"cron": "hourly"}, []),
    ],
)
def test_a_filter_leaves_what_fits(filled: ConvexTest, filter: dict[str, Any], expected: list[str]) -> None:
    document = filled.call("_system/jobs:search", {"filter": filter})
    assert [job["args"] for job in document["jobs"]] == [given(label) for label in expected]
    counts = filled.call("_system/jobs:counts", {"filter": filter})
    assert sum(each["count"] for each in counts.values()) == len(expected)
    assert not any(each["more"] for each in counts.values())


def test_a_range_of_time_is_of_ends_and_of_due_times(filled: ConvexTest) -> None:
    begin = filled.now - timedelta(seconds=10)
    around = Filter(since=begin + timedelta(seconds=2), until=begin + timedelta(seconds=61))
    assert labels(filled, filter=around) == [given("soon"), given("second"), given("bad")]
    assert labels(filled, filter=Filter(since=begin + timedelta(seconds=3))) == [
        given("soon"),
        given("later"),
        given("second"),
    ]
    counts = filled.run(jobs.counts, filter=around)
    assert {state: count.count for state, count in counts.items() if count.count} == {
        "pending": 1,
        "success": 1,
        "failed": 1,
    }


def test_so_many_pending_ones_as_are_asked_for_then_what_is_over(filled: ConvexTest) -> None:
    page = filled.run(jobs.search, most_pending=1)
    assert [job.args for job in page.jobs] == [given(each) for each in ("soon", "second", "bad", "first")]
    assert page.has_more_pending


def test_a_search_looks_at_so_many_and_says_where_it_goes_on(
    filled: ConvexTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convexpy.database.job_search.MOST_LOOKED_AT", 3)
    assert not filled.run(jobs.search, filter=Filter(text="soon"), most_pending=5).is_cut
    page = filled.run(jobs.find, filter=Filter(text="first"), most_pending=5)
    assert (page.is_cut, page.cursor is not None) == (False, False)
    page = filled.run(jobs.find, filter=Filter(text="first"))
    assert (page.jobs, page.is_cut, page.cursor is not None) == ([], True, True)
    rest = filled.run(jobs.search, filter=Filter(text="first"), cursor=page.cursor)
    assert [job.args for job in rest.jobs] == [given("first")]


def test_counts_end_at_a_bound(filled: ConvexTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convexpy.database.job_counts.MOST_COUNTED", 1)
    for filter in (Filter(), Filter(functions=(name("work"), name("other")))):
        counts = filled.run(jobs.counts, filter=filter)
        assert (counts["pending"].count, counts["pending"].more) == (1, True)


@pytest.mark.parametrize("cursor", ["", "x", "[]", '["pending", "2030-01-01T00:00:00+00:00", "x", "y"]'])
def test_what_is_no_cursor_is_refused(convex: ConvexTest, cursor: str) -> None:
    with pytest.raises(ConvexError, match="no cursor"):
        convex.run(jobs.search, cursor=cursor)


def test_what_was_scheduled_later_can_be_left_out(filled: ConvexTest) -> None:
    with filled.convex.database.read_internal() as connection:
        assert search(connection, JobFilter(states=("pending",), position=0), filled.now).rows == []


def test_figures_and_the_strip_are_of_the_hour_around_now(filled: ConvexTest) -> None:
    figures = filled.run(jobs.figures)
    assert (len(figures.minutes), len(figures.delays), figures.oldest_due) == (60, 60, None)
    assert max(delay for delay in figures.delays if delay is not None) < 1
    strip = filled.run(jobs.strip)
    assert len(strip) == 80
    assert [minute.due for minute in strip if minute.due] == [1]
