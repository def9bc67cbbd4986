"""``_system/crons``, ``_system/functions`` and ``_system/conflicts``: what there is, and a cron that is run by hand."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from support.apps import app_of

from convexpy import ConvexError, Crons, MutationCtx, Settings, internal_mutation, mutation
from convexpy._system import conflicts, functions
from convexpy._system import crons as system_crons
from convexpy.database.conflicts import ConflictRecord, add_conflicts
from convexpy.testing import ConvexTest

ran: list[datetime] = []


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()


@internal_mutation(aliases=["old:sweep"])
def sweep(ctx: MutationCtx, label: str = "all") -> None:
    ran.append(ctx.now)


@mutation
def run_and_fail(ctx: MutationCtx) -> None:
    ctx.run_mutation(system_crons.run, name="sweep")
    raise ConvexError("CONFLICT", "after all not")


crons = Crons()
crons.cron("sweep", "0 9 * * *", sweep, label="old")


def milliseconds(when: datetime) -> int:
    return round(when.timestamp() * 1000)


def test_a_cron_is_listed_with_its_next_slot_and_its_last_run(convex: ConvexTest) -> None:
    convex.run_due()
    (cron,) = convex.run(system_crons.list)
    assert (cron.next_time.hour, cron.last_time, cron.last_state) == (9, None, None)
    convex.advance(days=1)
    slot = cron.next_time
    (document,) = convex.call("_system/crons:list")
    assert str(document.pop("place")).endswith(f"{__name__}.py:{line_of_cron()}")
    days = [milliseconds(slot + timedelta(days=number)) for number in range(1, 6)]
    assert document.pop("nextSlots") == [{"time": time, "leftOut": False} for time in days]
    assert document == {
        "name": "sweep",
        "schedule": "cron 0 9 * * *",
        "words": "Every day at 09:00 UTC",
        "function": f"{__name__}:sweep",
        "args": {"label": "old"},
        "nextTime": milliseconds(slot + timedelta(days=1)),
        "nextRun": milliseconds(slot + timedelta(days=1)),
        "pause": None,
        "lastTime": milliseconds(slot),
        "lastState": "success",
    }


def line_of_cron() -> int:
    with open(__file__, encoding="utf-8") as file:
        return next(number for number, line in enumerate(file, 1) if line.startswith("crons.cron("))


def test_a_cron_is_run_by_hand_once_at_a_time_and_keeps_its_slots(convex: ConvexTest) -> None:
    convex.run_due()
    (before,) = convex.run(system_crons.list)
    job_id = convex.call("_system/crons:run", {"name": "sweep"})
    with pytest.raises(ConvexError, match="at most one run at a time") as running:
        convex.run(system_crons.run, name="sweep")
    convex.run_due()
    (after,) = convex.run(system_crons.list)
    assert (running.value.code, ran, after.last_state) == ("CONFLICT", [convex.now], "success")
    assert (after.next_time, after.last_time) == (before.next_time, before.last_time)
    job = convex.job(job_id)
    assert job is not None
    assert (job.cron, job.args) == ("sweep", {"label": "old"})


def test_a_run_by_hand_is_undone_with_the_mutation_that_calls_it(convex: ConvexTest) -> None:
    convex.run_due()
    with pytest.raises(ConvexError, match="after all not"):
        convex.run(run_and_fail)
    convex.run(system_crons.run, name="sweep")
    convex.run_due()
    assert len(ran) == 1


def test_an_unknown_cron_is_refused_with_those_there_are(convex: ConvexTest) -> None:
    with pytest.raises(ConvexError, match=r"there is no cron 'swep'\. There is: 'sweep'") as unknown:
        convex.run(system_crons.run, name="swep")
    assert unknown.value.code == "NOT_FOUND"


def test_a_pause_is_shown_with_what_it_leaves_out_and_audited(convex: ConvexTest) -> None:
    convex.run_due()
    (before,) = convex.run(system_crons.list)
    slot = before.next_time
    until = slot + timedelta(days=2, hours=1)
    asked = {"name": "sweep", "until": milliseconds(until)}
    preview = convex.call("_system/crons:preview", asked)
    assert preview == {"leftOut": 3, "more": False, "nextRun": milliseconds(slot + timedelta(days=3))}
    paused = {"time": milliseconds(convex.now), "until": asked["until"], "by": "local", "note": "moving"}
    assert convex.call("_system/crons:pause", {**asked, "note": " moving "}) == paused
    (cron,) = convex.call("_system/crons:list")
    assert cron["pause"] == paused
    assert [each["leftOut"] for each in cron["nextSlots"]] == [True, True, True, False, False]
    assert (cron["nextTime"], cron["nextRun"]) == (milliseconds(slot), preview["nextRun"])
    convex.run(system_crons.resume, name="sweep")
    (after,) = convex.run(system_crons.list)
    assert (after.pause, after.next_run) == (None, slot)
    entries = convex.call("_system/audit:list")["entries"]
    assert [(entry["action"], entry["target"]) for entry in entries] == [
        ("resume", "cron sweep"),
        ("pause", "cron sweep"),
    ]
    assert "moving" in entries[1]["details"]


def test_the_plan_of_a_day_counts_slots_up_to_a_limit(convex: ConvexTest) -> None:
    with ConvexTest(app_of(sweep, crons=minutely())) as busy:
        busy.run_due()
        (plan,) = busy.run(system_crons.plan)
        assert (len(plan.slots), plan.more) == (100, True)
        found = busy.run(system_crons.preview, name="busy", until=busy.now + timedelta(days=1))
        assert (found.left_out, found.more) == (100, True)
    convex.run_due()
    (plan,) = convex.run(system_crons.plan)
    assert (len(plan.slots), plan.more) == (1, False)


def minutely() -> Crons:
    crons = Crons()
    crons.interval("busy", timedelta(minutes=1), sweep)
    return crons


@pytest.mark.parametrize("name", ["pause", "preview", "resume"])
def test_a_pause_of_an_unknown_cron_is_refused(convex: ConvexTest, name: str) -> None:
    convex.run_due()
    until = {} if name == "resume" else {"until": milliseconds(convex.now + timedelta(days=1))}
    with pytest.raises(ConvexError, match=r"there is no cron 'swep'\. There is: 'sweep'"):
        convex.call(f"_system/crons:{name}", {"name": "swep", **until})


def test_functions_are_listed_with_their_schemas(convex: ConvexTest) -> None:
    first, second = convex.call("_system/functions:list")
    assert [first["name"], second["name"]] == [f"{__name__}:run_and_fail", f"{__name__}:sweep"]
    assert (second["kind"], second["visibility"], second["aliases"]) == ("mutation", "internal", ["old:sweep"])
    assert second["arguments"]["properties"]["label"]["type"] == "string"
    assert second["result"] == {"type": "null"}
    assert [info.name for info in convex.run(functions.list)] == [first["name"], second["name"]]


def test_conflicts_are_listed_the_most_frequent_first(convex: ConvexTest) -> None:
    records = [ConflictRecord("a", "b", "items", 1, convex.now), ConflictRecord("a", None, None, 3, convex.now)]
    with convex.convex.database.write_internal() as connection:
        add_conflicts(connection, records)
    assert [conflict.times for conflict in convex.run(conflicts.list)] == [3, 1]
    when, found = milliseconds(convex.now), convex.call("_system/conflicts:list")
    assert all("a" in conflict.pop("advice") for conflict in found)
    assert found == [
        {"function": "a", "other": None, "table": None, "times": 3, "lastTime": when, "lost": [], "won": []},
        {"function": "a", "other": "b", "table": "items", "times": 1, "lastTime": when, "lost": [], "won": []},
    ]


@pytest.mark.parametrize("wrong", [{"name": 5}, {}])
def test_wrong_arguments_are_refused_as_a_users_are(wrong: dict[str, Any]) -> None:
    with ConvexTest(__import__(__name__), settings=Settings()) as convex, pytest.raises(ConvexError) as refused:
        convex.call("_system/crons:run", wrong)
    assert refused.value.code == "BAD_REQUEST"
