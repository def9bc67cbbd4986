"""A bad handler harms its own job and nobody else's, and leaves nothing half-written."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import pytest

from . import checker
from .process import Place, Running, wait_until
from .stations import PAY

LIMIT = {"mutation_time_limit": 1.0}
# A handler that cannot be interrupted costs its limit, and one second until its thread is given up.
BOUND_SECONDS = 6.0

FAILING = {
    "raises": "ValueError: on purpose",
    "loops": "TIMEOUT",
    "loops_and_swallows": "TIMEOUT",
    "sleeps": "TIMEOUT",
    "runs_a_long_statement": "TIMEOUT",
    "returns_the_wrong_type": "output validation failed",
    "exits": "SystemExit: 3",
    "interrupts": "KeyboardInterrupt",
    "stops_iterating": "StopIteration",
    "recurses": "RecursionError",
    "commits": "nothing of this may stay",
    "swallows_a_failed_flush": "UNIQUE constraint failed",
    "swallows_a_failed_statement": "begin_nested",
    "breaks_a_promise_that_commit_checks": "FOREIGN KEY constraint failed",
}
FAILING_ACTIONS = {
    "action_raises": "ValueError: on purpose",
    "action_exits": "SystemExit: 3",
    "action_exits_in_a_task": "SystemExit: 3",
    "action_cancels_itself": "",
    "sync_action_exits": "SystemExit: 3",
    "sync_action_stops_iterating": "StopIteration",
    "action_returns_the_wrong_type": "output validation failed",
}


@pytest.mark.parametrize("in_company", [False, True])
@pytest.mark.parametrize("name", FAILING)
def test_a_bad_mutation_fails_alone_and_leaves_nothing(name: str, in_company: bool, tmp_path: Path) -> None:
    place = Place(tmp_path)
    company = {"together": (f"bad:{name}", PAY), "own_claims": False} if in_company else {}
    with place.child(settings=LIMIT, **company) as child:
        child.ready().call("bad:plan", function=f"bad:{name}", label="bad", good=3)
        wait_until(lambda: checker.is_quiet(place.database, 4), "all jobs are over", BOUND_SECONDS)
        others_go_on(place, child)
    assert checker.states(place.database, "bad") == ["failed"]
    assert FAILING[name] in error_of(place, "bad")
    assert effects(place, "bad") == 0
    assert checker.states(place.database, "bad/child") == []
    assert checker.judge(place.database, place.journal).stuck == 0


def test_who_hangs_in_company_keeps_no_turn_from_the_groups_that_follow(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with place.child(settings=LIMIT, together=("bad:sleeps", PAY), own_claims=False) as child:
        child.ready()
        for n in range(3):  # one more than there are turns
            child.call("bad:plan", function="bad:sleeps", label=f"bad{n}", good=3)
            wait_until(lambda: checker.is_quiet(place.database, 4 * (n + 1)), "all jobs are over", BOUND_SECONDS)  # noqa: B023
    assert [checker.states(place.database, f"bad{n}") for n in range(3)] == [["failed"]] * 3
    assert checker.judge(place.database, place.journal).stuck == 0


def test_a_direct_call_that_hangs_holds_up_other_processes_for_its_time_limit_only(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with place.child(settings=LIMIT) as hanging, place.child() as other:
        other.ready()
        hanging.ready().tell("call", "bad:sleeps", {"label": "hangs"})
        wait_until(lambda: place.lines("hold") != [], "it has the turn to write")
        other.call("work:order", label="order", pays=5, sends=2)
        wait_until(lambda: checker.is_quiet(place.database, 7), "all jobs are over", BOUND_SECONDS)
        hanging.kill()
    assert effects(place, "hangs") == 0
    assert checker.judge(place.database, place.journal, {"order": 7}).broken == []


@pytest.mark.parametrize("name", FAILING_ACTIONS)
def test_a_bad_action_fails_alone_and_is_not_run_again(name: str, tmp_path: Path) -> None:
    place = Place(tmp_path)
    with place.child() as child:
        for n in range(3):  # more than once: a loop or a thread that it broke would be missed by the next
            child.ready().call("bad:plan", function=f"bad:{name}", label=f"bad{n}", good=1)
            wait_until(partial(checker.is_quiet, place.database, 2 * n + 2), "all jobs are over", BOUND_SECONDS)
        others_go_on(place, child)
    for n in range(3):
        assert checker.states(place.database, f"bad{n}") == ["failed"]
        assert FAILING_ACTIONS[name] in error_of(place, f"bad{n}")
    assert len(place.lines("start")) == 3 + 2


def test_jobs_behind_one_that_kills_its_process_are_done(tmp_path: Path) -> None:
    place, cure = Place(tmp_path), tmp_path / "cure"
    environ = {"FAULTS_CURE": str(cure)}
    with place.child(environ=environ) as child:
        child.ready().tell("call", "bad:plan", {"function": "bad:kills_its_process", "label": "poison", "good": 10})
        assert child.wait() == 3
    starts = 1
    while goods(place) < 10 and starts < 30:
        with place.child(environ=environ) as child:
            starts += 1
            wait_until(lambda: child.wait(0) is not None or goods(place) == 10, "it dies again, or the others are done")
            child.kill()
    assert goods(place) == 10
    assert checker.states(place.database, "poison") == ["pending"]
    cure.touch()
    with place.child(environ=environ):
        wait_until(lambda: checker.is_quiet(place.database), "the cured job runs at last", 2 * BOUND_SECONDS)
    assert checker.judge(place.database, place.journal).lost == 0
    assert effects(place, "poison") == 1


def test_an_action_that_kills_its_process_is_failed_at_the_next_start(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with place.child() as child:
        plan = {"function": "bad:action_kills_its_process", "label": "poison", "good": 5}
        child.ready().tell("call", "bad:plan", plan)
        assert child.wait() == 3
    started = time.monotonic()
    with place.child():
        wait_until(lambda: checker.is_quiet(place.database, 6), "all jobs are over", BOUND_SECONDS)
    assert time.monotonic() - started < BOUND_SECONDS
    assert checker.states(place.database, "poison") == ["failed"]
    assert "died before it finished" in error_of(place, "poison")
    assert len(place.lines("start")) == 1


def test_a_failed_statement_in_a_savepoint_undoes_that_part_only(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with place.child() as child:
        child.ready().call("bad:plan", function="bad:fails_in_a_savepoint", label="fine")
        wait_until(lambda: checker.is_quiet(place.database, 1), "all jobs are over", BOUND_SECONDS)
    assert checker.states(place.database, "fine") == ["success"]
    assert (effects(place, "fine"), effects(place, "fine/undone")) == (1, 0)


@pytest.mark.parametrize("name", ["swallows_a_full_database", "makes_its_connection_read_only"])
def test_a_database_error_that_is_caught_half_writes_nothing_and_the_job_runs_again(name: str, tmp_path: Path) -> None:
    place = Place(tmp_path)
    with place.child() as child:
        child.ready().call("bad:plan", function=f"bad:{name}", label="once", good=3)
        wait_until(lambda: checker.is_quiet(place.database, 4), "all jobs are over", BOUND_SECONDS)
        others_go_on(place, child, pays=500)  # enough to make the file grow
    assert checker.states(place.database, "once") == ["success"]
    assert effects(place, "once") == 1
    assert checker.value(place.database, "SELECT count(*) FROM uniques") == 0
    assert checker.value(place.database, "SELECT attempts FROM _scheduled_functions WHERE name LIKE 'bad:%'") == 2
    verdict = checker.judge(place.database, place.journal, {"after": 502})
    assert (verdict.lost, verdict.doubled, verdict.stuck) == (0, 0, 0)


def others_go_on(place: Place, child: Running, pays: int = 2) -> None:
    """What comes after a bad handler runs as if nothing had been."""
    before = checker.value(place.database, "SELECT count(*) FROM _scheduled_functions")
    child.call("work:order", label="after", pays=pays, sends=2)
    wait_until(lambda: checker.is_quiet(place.database, before + pays + 2), "later jobs are over", 2 * BOUND_SECONDS)
    late = checker.rows(place.database, "SELECT * FROM _scheduled_functions WHERE args LIKE '%\"after/%'")
    assert [row["state_kind"] for row in late] == ["success"] * (pays + 2)


def error_of(place: Place, label: str) -> str:
    query = "SELECT state_error FROM _scheduled_functions WHERE json_extract(args, '$.label') = ?"
    return str(checker.value(place.database, query, label))


def effects(place: Place, label: str) -> int:
    return int(checker.value(place.database, "SELECT count(*) FROM effects WHERE label = ?", label))


def goods(place: Place) -> int:
    return int(checker.value(place.database, "SELECT count(*) FROM effects WHERE label LIKE 'poison/good%'"))
