"""``_system/errors``: failures are grouped by where they come from, and the jobs of a group are run again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from convexpy import ConvexError, JobId, MutationCtx, internal_mutation, mutation
from convexpy._system import errors, jobs
from convexpy._system.traceback import parse_trace
from convexpy.database import tables
from convexpy.database.jobs import RETRY
from convexpy.database.tables import audit
from convexpy.runtime.events import describe, trace_of
from convexpy.runtime.failure_origin import PROCESS_ENDED, origin_of
from convexpy.testing import ConvexTest

broken: set[str] = set()
ran: list[str] = []


@pytest.fixture(autouse=True)
def everything_is_broken() -> None:
    broken.update(("a", "b", "c"))
    ran.clear()


class OutOfStock(ConvexError):
    def __init__(self, item: str) -> None:
        super().__init__("CONFLICT", f"there is no {item}")


@internal_mutation
def work(ctx: MutationCtx, label: str) -> None:
    if label == "b" and label in broken:
        raise OutOfStock(label)
    if label in broken:
        raise ValueError(f"{label} failed: at once")
    ran.append(label)


@mutation
def plan(ctx: MutationCtx, labels: list[str]) -> list[JobId]:
    return [ctx.schedule.now(work, label=label) for label in labels]


def failed(convex: ConvexTest, *labels: str) -> list[JobId]:
    """Jobs that have failed, each at a time of its own."""
    convex.convex.calls.collect_runs()
    ids = []
    for label in labels:
        ids += convex.run(plan, labels=[label])
        convex.advance(seconds=1)
    convex.convex.calls.collector.flush()
    return ids


def group(convex: ConvexTest, exception: str = "ValueError") -> errors.ErrorSummary:
    (found,) = [each for each in convex.run(errors.list) if each.exception == exception]
    return found


def test_failures_are_grouped_by_function_exception_and_place(convex: ConvexTest) -> None:
    failed(convex, "a", "c", "b", "a")
    with pytest.raises(ValueError, match="a failed"):
        convex.run(work, label="a")
    convex.convex.calls.collector.flush()
    listed = convex.run(errors.list)
    assert [(each.function, each.exception, each.times, each.total) for each in listed] == [
        (f"{__name__}:work", "ValueError", 4, 4),
        (f"{__name__}:work", "OutOfStock", 1, 1),
    ]
    assert (listed[0].message, listed[1].message) == ("a failed: at once", "there is no b")
    assert listed[0].place != listed[1].place
    assert listed[0].place is not None
    assert listed[0].place.endswith(" in work")
    assert (listed[0].first_time, listed[0].last_time) == (convex.now - timedelta(seconds=4), convex.now)
    assert (sum(listed[0].trend), len(listed[0].trend)) == (4, 60)


def test_a_trend_has_the_failures_of_each_part(convex: ConvexTest) -> None:
    convex.advance(seconds=60 - convex.now.timestamp() % 60)
    failed(convex, "a")
    convex.advance(minutes=3)
    failed(convex, "a", "a")
    assert [*group(convex).trend[-4:]] == [1, 0, 0, 2]
    (day,) = convex.run(errors.list, minutes=24 * 60)
    assert (sum(day.trend), len(day.trend), day.times) == (3, 60, 3)
    convex.advance(hours=2)
    assert convex.run(errors.list) == []
    (day,) = convex.run(errors.list, minutes=24 * 60)
    assert (day.times, sum(day.trend[-5:])) == (3, 0)


def test_a_group_is_shown_with_its_traceback_and_its_jobs(convex: ConvexTest) -> None:
    first, _, last = failed(convex, "a", "b", "c")
    fingerprint = group(convex).fingerprint
    detail = convex.run(errors.get, fingerprint=fingerprint)
    assert detail is not None
    assert (detail.job_id, detail.replayable, detail.times) == (first, 2, 2)
    (raised,) = detail.trace
    own = [frame for frame in raised.frames if frame.is_own]
    assert [(frame.function, frame.code) for frame in own] == [("work", 'raise ValueError(f"{label} failed: at once")')]
    assert (raised.text, raised.link, own[0].file.endswith(f"{__name__}.py")) == (
        "ValueError: a failed: at once",
        None,
        True,
    )
    assert [job.id for job in convex.run(errors.jobs, fingerprint=fingerprint)] == [last, first]
    assert (convex.run(errors.get, fingerprint="0"), convex.run(errors.jobs, fingerprint="0")) == (None, [])


def test_a_group_is_replayed_after_a_while_and_only_once(convex: ConvexTest) -> None:
    first, _, last = failed(convex, "a", "b", "c")
    fingerprint = group(convex).fingerprint
    replay = convex.run(errors.replay, fingerprint=fingerprint)
    assert (replay.jobs, replay.time) == (2, convex.now + timedelta(seconds=10))
    broken.clear()
    convex.advance(seconds=9)
    assert ran == []
    convex.advance(seconds=1)
    assert ran == ["a", "c"]
    again = [job.request or "" for job in convex.jobs("success", f"{__name__}:work")]
    assert sorted(again) == sorted(RETRY + job_id for job_id in (first, last))
    with pytest.raises(ConvexError, match="no failed job of this group is left") as refused:
        convex.run(errors.replay, fingerprint=fingerprint)
    assert refused.value.code == "CONFLICT"
    broken.add("a")
    failed(convex, "a")
    assert convex.run(errors.replay, fingerprint=fingerprint).jobs == 1


def test_a_replay_that_is_undone_leaves_everything_to_be_replayed(convex: ConvexTest) -> None:
    failed(convex, "a")
    fingerprint = group(convex).fingerprint
    convex.run(jobs.cancel, job_id=convex.run(errors.replay, fingerprint=fingerprint).job_id)
    broken.clear()
    convex.advance(minutes=1)
    assert ran == []
    assert convex.run(errors.replay, fingerprint=fingerprint).jobs == 1


def test_a_replay_is_in_the_audit_log_and_an_unknown_group_is_refused(convex: ConvexTest) -> None:
    failed(convex, "a")
    convex.run(errors.replay, fingerprint=group(convex).fingerprint)
    with convex.convex.database.read_internal() as connection:
        rows = connection.execute(select(audit.c.action, audit.c.target)).all()
    assert [tuple(row) for row in rows] == [("replay", f"{__name__}:work")]
    with pytest.raises(ConvexError, match="there is no group of errors"):
        convex.run(errors.replay, fingerprint="unknown")


def test_a_job_whose_function_is_gone_is_left_out_of_a_replay(convex: ConvexTest) -> None:
    first, _ = failed(convex, "a", "c")
    replay = convex.run(errors.replay, fingerprint=group(convex).fingerprint)
    broken.clear()
    with convex.convex.database.write_internal() as connection:
        connection.execute(update(tables.jobs).where(tables.jobs.c.id == first).values(args={"unknown": 1}))
    convex.advance(seconds=10)
    assert (replay.jobs, ran) == (2, ["c"])


def test_groups_are_purged_a_week_after_their_last_failure(convex: ConvexTest) -> None:
    failed(convex, "a", "b")
    convex.advance(days=6)
    failed(convex, "a")
    convex.advance(days=1, minutes=5)
    convex.convex.worker.retention.purge()
    with convex.convex.database.write_internal() as connection:
        assert connection.execute(select(tables.errors.c.exception)).scalars().all() == ["ValueError"]
        times = connection.execute(select(tables.error_minutes.c.times)).scalars().all()
        connection.execute(delete(tables.errors))
    assert times == [1]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("no: more"), ("ValueError", "no: more")),
        (KeyError(), ("KeyError", "")),
        (ConvexError("NOT_FOUND", "nothing\n  at home"), ("NOT_FOUND", "nothing\n  at home")),
    ],
)
def test_the_origin_of_a_failure_is_in_its_text(error: Exception, expected: tuple[str, str]) -> None:
    try:
        raise error
    except Exception as raised:
        origin, message = origin_of("f:f", describe(raised))
    assert (origin.exception, message) == expected
    assert origin.place is not None
    assert origin.place.startswith(__file__)


def test_a_failure_without_an_exception_says_that_its_process_ended() -> None:
    text = "the process died. It may have run in part"
    origin, message = origin_of("f:f", text)
    assert (origin.exception, origin.place, message) == (PROCESS_ENDED, None, text)
    assert origin.fingerprint != origin_of("f:g", text)[0].fingerprint


def test_a_traceback_has_the_cause_before_what_it_caused() -> None:
    def fail(kind: Any) -> None:
        raise kind("two\nlines")

    try:
        try:
            fail(KeyError)
        except KeyError as error:
            raise RuntimeError("second") from error
    except RuntimeError as error:
        first, second = parse_trace(trace_of(error))
    assert (first.text, first.link) == (r"KeyError: 'two\nlines'", None)
    assert [frame.function for frame in first.frames][-1] == "fail"
    assert second.text == "RuntimeError: second"
    assert second.link is not None
    assert "direct cause" in second.link
    assert [each.text for each in parse_trace("nothing that is known")] == ["nothing that is known"]
