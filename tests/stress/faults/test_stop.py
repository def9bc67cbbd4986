"""A process is asked to stop: what runs may finish, what waits is given back, and the next process does the rest."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from . import checker
from .child_process import ChildProcess, Sandbox, wait_until
from .job_moves import Moment
from .other_program import OtherProgram

BOUND_SECONDS = 60.0
# The mutation at the gate "park" goes on when the others are given back: before that they would be run.
GIVE_BACK: tuple[str, Moment] = ("give back", "enter")
CLAIMED = "SELECT count(*) FROM _convexpy_queue WHERE worker IS NOT NULL AND kind = 'mutation'"


def seconds_to_stop(child: ChildProcess) -> float:
    """SIGTERM, and how long until the process is gone."""
    started = time.monotonic()
    child.terminate()
    code = child.wait(3 * BOUND_SECONDS)
    assert code == 0, "it left with another code" if code is not None else f"it did not leave:\n{child.where()}"
    return time.monotonic() - started


def holding(sandbox: Sandbox, child: ChildProcess, **work: int) -> None:
    """Give work that waits at a gate, and wait until it does."""
    child.ready().call("work:order_held", label="held", gate="gate", **work)
    held, started = work.get("holds", 0), work.get("sends", 0)
    wait_until(lambda: len(sandbox.lines("hold")) >= held and len(sandbox.lines("start")) >= started, "all of it runs")


def finish_the_rest(sandbox: Sandbox, jobs: int) -> checker.Verdict:
    with sandbox.child():
        wait_until(lambda: checker.is_quiet(sandbox.database, jobs), "the next process does the rest", BOUND_SECONDS)
    return checker.judge(sandbox.database, sandbox.journal)


def test_at_a_stop_the_running_mutation_ends_and_claims_are_given_back(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    with sandbox.child(open_gate_at=GIVE_BACK) as child:
        child.ready().call("work:order_held", label="held", gate="park", holds=1, pays=40)
        wait_until(lambda: sandbox.lines("hold") != [], "a mutation runs, and others are claimed behind it")
        child.terminate()
        assert child.wait(BOUND_SECONDS) == 0
    assert checker.states(sandbox.database, "held/hold0") == ["success"]
    assert checker.value(sandbox.database, CLAIMED) == 0
    pending = "SELECT count(*) FROM _scheduled_functions WHERE state_kind = 'pending' AND attempts = 0"
    assert checker.value(sandbox.database, pending) > 0
    assert finish_the_rest(sandbox, 41).broken == []


def test_claims_are_given_back_at_once_and_not_after_the_grace_of_actions(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    with sandbox.child(settings={"stop_grace": 600.0}, open_gate_at=GIVE_BACK) as child:
        holding(sandbox, child, sends=1)
        child.call("work:order_held", label="more", gate="park", holds=1, pays=40)
        wait_until(lambda: sandbox.lines("hold") != [], "a mutation runs, and others are claimed behind it")
        child.terminate()
        wait_until(lambda: checker.value(sandbox.database, CLAIMED) == 0, "they are given back", BOUND_SECONDS)
        assert child.exit_code is None, "the action still has its grace"
        with sandbox.child() as other:
            left = "SELECT count(*) FROM _convexpy_queue WHERE kind = 'mutation'"
            wait_until(lambda: checker.value(sandbox.database, left) == 0, "another process does them", BOUND_SECONDS)
            child.open("gate")
            assert child.wait(BOUND_SECONDS) == 0
            other.stop()
    assert checker.states(sandbox.database, "held/send0") == ["success"]
    assert checker.judge(sandbox.database, sandbox.journal).broken == []


@pytest.mark.parametrize("sync", [False, True])
def test_an_action_that_ends_within_the_grace_is_a_success(sync: bool, tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    with sandbox.child() as child:
        holding(sandbox, child, sends=3, sync=sync)
        child.terminate()
        child.open("gate")
        assert child.wait(BOUND_SECONDS) == 0
    assert checker.is_quiet(sandbox.database, 3)
    verdict = checker.judge(sandbox.database, sandbox.journal)
    assert (verdict.states, verdict.broken) == ({"success": 3}, [])


@pytest.mark.parametrize("sync", [False, True])
def test_an_action_past_the_grace_is_failed_and_the_process_ends(sync: bool, tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    with sandbox.child(settings={"stop_grace": 0.2}) as child:
        holding(sandbox, child, sends=20, sync=sync)
        assert seconds_to_stop(child) < BOUND_SECONDS
    verdict = checker.judge(sandbox.database, sandbox.journal)
    assert verdict.states == {"failed": 20}
    errors = {row[0] for row in checker.rows(sandbox.database, "SELECT state_error FROM _scheduled_functions")}
    assert len(errors) == 1
    assert "stopped before this action finished" in errors.pop()
    assert finish_the_rest(sandbox, 20).broken == []


def test_a_mutation_that_hangs_does_not_keep_the_process_alive(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    with sandbox.child(settings={"stop_grace": 0.2, "mutation_time_limit": 1.0}) as child:
        child.ready().call("bad:plan", function="bad:sleeps", label="hangs", good=5)
        wait_until(lambda: checker.value(sandbox.database, CLAIMED) > 0, "it is claimed")
        assert seconds_to_stop(child) < BOUND_SECONDS
    with sandbox.child(settings={"mutation_time_limit": 1.0}):
        wait_until(lambda: checker.is_quiet(sandbox.database, 6), "the next process does the rest", 2 * BOUND_SECONDS)
    assert checker.states(sandbox.database, "hangs") == ["failed"]
    assert checker.judge(sandbox.database, sandbox.journal).doubled == 0


@pytest.mark.parametrize("name", ["action_ignores_its_cancellation", "action_blocks_the_event_loop"])
def test_an_action_that_cannot_be_stopped_does_not_keep_the_process_alive(name: str, tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    with sandbox.child(settings={"stop_grace": 0.2}) as child:
        child.ready().call("bad:plan", function=f"bad:{name}", label="bad")
        wait_until(lambda: len(sandbox.lines("start")) == 1, "it runs")
        assert seconds_to_stop(child) < 2 * BOUND_SECONDS
    with sandbox.child():
        wait_until(lambda: checker.is_quiet(sandbox.database, 1), "the next process fails it", BOUND_SECONDS)
    assert checker.states(sandbox.database, "bad") == ["failed"]


def test_a_process_stops_while_others_hold_the_database(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    with sandbox.child(settings={"stop_grace": 0.2, "lock_timeout": 0.3}) as child:
        holding(sandbox, child, sends=5)
        with OtherProgram(sandbox.database, "hold"):
            assert seconds_to_stop(child) < 2 * BOUND_SECONDS
    verdict = finish_the_rest(sandbox, 5)
    assert (verdict.states, verdict.broken) == ({"failed": 5}, [])


def test_jobs_that_became_due_while_nothing_ran_run_at_start(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    with sandbox.child(runs=False) as child:
        child.ready().call("work:order", label="order", pays=5, sends=5, children=1, delay=50)
        due = "SELECT max(due_time) FROM _convexpy_queue"
        wait_until(lambda: checker.value(sandbox.database, due) / 1e6 < time.time(), "all are overdue")
    assert not checker.is_quiet(sandbox.database)
    verdict = finish_the_rest(sandbox, 20)
    assert (verdict.states, verdict.broken) == ({"success": 20}, [])
