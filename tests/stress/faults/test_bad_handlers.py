"""A bad handler harms its own job and no other, and leaves nothing half-written."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import pytest

from . import checker
from .child_process import ChildProcess, Sandbox, wait_until
from .steps import PAY

# For handlers that hang.
LIMIT = {"mutation_time_limit": 2.0}
# For those that end by themselves, however busy the machine is.
FAR = {"mutation_time_limit": 60.0}
# A handler that cannot be interrupted costs its limit and a second more, until its thread is given up.
BOUND_SECONDS = 60.0

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


@pytest.mark.parametrize("in_batch", [pytest.param(False, marks=pytest.mark.long), True])
@pytest.mark.parametrize("name", FAILING)
def test_a_bad_mutation_fails_alone_and_leaves_nothing(name: str, in_batch: bool, tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    batch = {"batchable": (f"bad:{name}", PAY)} if in_batch else {}
    limit = LIMIT if FAILING[name] == "TIMEOUT" else FAR
    with sandbox.child(settings=limit, **batch) as child:
        child.ready().call("bad:plan", function=f"bad:{name}", label="bad", good=3)
        wait_until(lambda: checker.is_quiet(sandbox.database, 4), "all jobs are over", BOUND_SECONDS)
        others_go_on(sandbox, child)
    assert checker.states(sandbox.database, "bad") == ["failed"]
    assert FAILING[name] in error_of(sandbox, "bad")
    assert effects(sandbox, "bad") == 0
    assert checker.states(sandbox.database, "bad/child") == []
    assert checker.judge(sandbox.database, sandbox.journal).stuck == 0


def test_a_batch_that_hangs_keeps_no_slot_from_the_next_ones(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    with sandbox.child(settings=LIMIT, batchable=("bad:sleeps", PAY)) as child:
        child.ready()
        for n in range(3):  # more than there are slots for batches
            child.call("bad:plan", function="bad:sleeps", label=f"bad{n}", good=3)
            wait_until(lambda: checker.is_quiet(sandbox.database, 4 * (n + 1)), "all jobs are over", BOUND_SECONDS)  # noqa: B023
    assert [checker.states(sandbox.database, f"bad{n}") for n in range(3)] == [["failed"]] * 3
    assert checker.judge(sandbox.database, sandbox.journal).stuck == 0


def test_a_direct_call_that_hangs_delays_others_by_its_time_limit_only(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    with sandbox.child(settings=LIMIT) as hanging, sandbox.child() as other:
        other.ready()
        hanging.ready().send("call", "bad:sleeps", {"label": "hangs"})
        wait_until(lambda: sandbox.lines("hold") != [], "it has the write lock")
        other.call("work:order", label="order", pays=5, sends=2)
        wait_until(lambda: checker.is_quiet(sandbox.database, 7), "all jobs are over", BOUND_SECONDS)
        hanging.kill()
    assert effects(sandbox, "hangs") == 0
    assert checker.judge(sandbox.database, sandbox.journal, {"order": 7}).broken == []


@pytest.mark.parametrize("name", FAILING_ACTIONS)
def test_a_bad_action_fails_alone_and_is_not_run_again(name: str, tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    with sandbox.child() as child:
        for n in range(3):  # more than once: a loop or a thread that it broke would be missed by the next
            child.ready().call("bad:plan", function=f"bad:{name}", label=f"bad{n}", good=1)
            wait_until(partial(checker.is_quiet, sandbox.database, 2 * n + 2), "all jobs are over", BOUND_SECONDS)
        others_go_on(sandbox, child)
    for n in range(3):
        assert checker.states(sandbox.database, f"bad{n}") == ["failed"]
        assert FAILING_ACTIONS[name] in error_of(sandbox, f"bad{n}")
    assert len(sandbox.lines("start")) == 3 + 2


def test_jobs_behind_one_that_kills_its_process_are_done(tmp_path: Path) -> None:
    sandbox, cure = Sandbox(tmp_path), tmp_path / "cure"
    environ = {"FAULTS_CURE": str(cure)}
    with sandbox.child(environ=environ) as child:
        child.ready().send("call", "bad:plan", {"function": "bad:kills_its_process", "label": "poison", "good": 10})
        assert child.wait() == 3
    starts = 1
    while goods(sandbox) < 10 and starts < 30:
        with sandbox.child(environ=environ) as child:
            starts += 1
            wait_until(
                lambda: child.wait(0) is not None or goods(sandbox) == 10, "it dies again, or the others are done"
            )
            child.kill()
    assert goods(sandbox) == 10
    assert checker.states(sandbox.database, "poison") == ["pending"]
    cure.touch()
    with sandbox.child(environ=environ):
        wait_until(lambda: checker.is_quiet(sandbox.database), "the cured job runs at last", 2 * BOUND_SECONDS)
    assert checker.judge(sandbox.database, sandbox.journal).lost == 0
    assert effects(sandbox, "poison") == 1


def test_an_action_that_kills_its_process_is_failed_at_the_next_start(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    with sandbox.child() as child:
        plan = {"function": "bad:action_kills_its_process", "label": "poison", "good": 5}
        child.ready().send("call", "bad:plan", plan)
        assert child.wait() == 3
    started = time.monotonic()
    with sandbox.child():
        wait_until(lambda: checker.is_quiet(sandbox.database, 6), "all jobs are over", BOUND_SECONDS)
    assert time.monotonic() - started < BOUND_SECONDS
    assert checker.states(sandbox.database, "poison") == ["failed"]
    assert "died before it finished" in error_of(sandbox, "poison")
    assert len(sandbox.lines("start")) == 1


def test_a_failed_statement_in_a_savepoint_undoes_that_part_only(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    with sandbox.child() as child:
        child.ready().call("bad:plan", function="bad:fails_in_a_savepoint", label="fine")
        wait_until(lambda: checker.is_quiet(sandbox.database, 1), "all jobs are over", BOUND_SECONDS)
    assert checker.states(sandbox.database, "fine") == ["success"]
    assert (effects(sandbox, "fine"), effects(sandbox, "fine/undone")) == (1, 0)


@pytest.mark.parametrize("name", ["swallows_a_full_database", "makes_its_connection_read_only"])
def test_a_caught_database_error_half_writes_nothing_and_is_retried(name: str, tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    with sandbox.child() as child:
        child.ready().call("bad:plan", function=f"bad:{name}", label="once", good=3)
        wait_until(lambda: checker.is_quiet(sandbox.database, 4), "all jobs are over", BOUND_SECONDS)
        others_go_on(sandbox, child, pays=500)  # enough to make the file grow
    assert checker.states(sandbox.database, "once") == ["success"]
    assert effects(sandbox, "once") == 1
    assert checker.value(sandbox.database, "SELECT count(*) FROM uniques") == 0
    assert checker.value(sandbox.database, "SELECT attempts FROM _scheduled_functions WHERE name LIKE 'bad:%'") == 2
    verdict = checker.judge(sandbox.database, sandbox.journal, {"after": 502})
    assert (verdict.lost, verdict.doubled, verdict.stuck) == (0, 0, 0)


def others_go_on(sandbox: Sandbox, child: ChildProcess, pays: int = 2) -> None:
    """What comes after a bad handler runs as if nothing had been."""
    before = checker.value(sandbox.database, "SELECT count(*) FROM _scheduled_functions")
    child.call("work:order", label="after", pays=pays, sends=2)
    wait_until(lambda: checker.is_quiet(sandbox.database, before + pays + 2), "later jobs are over", 2 * BOUND_SECONDS)
    late = checker.rows(sandbox.database, "SELECT * FROM _scheduled_functions WHERE args LIKE '%\"after/%'")
    assert [row["state_kind"] for row in late] == ["success"] * (pays + 2)


def error_of(sandbox: Sandbox, label: str) -> str:
    query = "SELECT state_error FROM _scheduled_functions WHERE json_extract(args, '$.label') = ?"
    return str(checker.value(sandbox.database, query, label))


def effects(sandbox: Sandbox, label: str) -> int:
    return int(checker.value(sandbox.database, "SELECT count(*) FROM effects WHERE label = ?", label))


def goods(sandbox: Sandbox) -> int:
    return int(checker.value(sandbox.database, "SELECT count(*) FROM effects WHERE label LIKE 'poison/good%'"))
