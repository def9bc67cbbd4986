"""A process is frozen (SIGSTOP) past the heartbeat's timeout: what others took over is not its own any more."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from . import checker
from .child_process import ChildProcess, CommandFailed, Sandbox, wait_until
from .job_moves import Moment
from .steps import PAY

BOUND_SECONDS = 60.0
# A busy machine delays no heartbeat for so long.
NERVOUS = {"heartbeat_interval": 0.2, "heartbeat_timeout": 2.0, "lock_timeout": 1.0, "mutation_retries": 1}


@contextmanager
def frozen_at(
    sandbox: Sandbox, park_at: tuple[str, Moment], **work: int
) -> Iterator[tuple[ChildProcess, ChildProcess]]:
    """A process that is frozen at this step of a victim's way, and another one beside it."""
    with sandbox.child(settings=NERVOUS, park_at=park_at, batchable=()) as frozen:
        frozen.ready().call("work:order", label="victim", children=1, **work)
        wait_until(lambda: sandbox.lines("parked") != [], "the process is there")
        wait_until(lambda: is_frozen_between_transactions(sandbox, frozen), "it is frozen outside of any transaction")
        try:
            with sandbox.child(settings=NERVOUS) as other:
                yield frozen, other
        finally:
            frozen.thaw()


def is_frozen_between_transactions(sandbox: Sandbox, running: ChildProcess) -> bool:
    """Freeze it, unless it has the write lock at this very moment."""
    running.freeze()
    with sandbox.database.with_name("app.db.lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            running.thaw()
            return False
        return True


def thaw(frozen: ChildProcess) -> None:
    """Let it go on, and make sure that it is as good as new."""
    frozen.thaw()
    frozen.open("park")
    frozen.call("work:order", label="afterwards", pays=3, sends=3)


@pytest.mark.parametrize(("move", "kind"), [("perform mutation", "pays"), ("run action", "sends")])
def test_claims_of_a_frozen_process_run_in_another_and_only_there(move: str, kind: str, tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    with frozen_at(sandbox, (move, "enter"), **{kind: 4}) as (frozen, other):
        wait_until(lambda: checker.is_quiet(sandbox.database, 8), "the other one does the work", BOUND_SECONDS)
        thaw(frozen)
        wait_until(lambda: checker.is_quiet(sandbox.database, 14), "all jobs are over", BOUND_SECONDS)
        other.stop()
    verdict = checker.judge(sandbox.database, sandbox.journal, {"victim": 4, "afterwards": 6})
    assert verdict.broken == []
    assert verdict.states == {"success": 14}


@pytest.mark.parametrize(("move", "moment"), [("inside", "done"), ("end action", "enter")])
def test_an_action_of_a_frozen_process_is_failed_and_stays_so(move: str, moment: Moment, tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    with frozen_at(sandbox, (move, moment), sends=1) as (frozen, other):
        wait_until(
            lambda: checker.states(sandbox.database, "victim/send0") == ["failed"], "it is failed", BOUND_SECONDS
        )
        thaw(frozen)
        wait_until(lambda: checker.is_quiet(sandbox.database, 7), "all jobs are over", BOUND_SECONDS)
        other.stop()
    assert checker.states(sandbox.database, "victim/send0") == ["failed"]
    assert checker.judge(sandbox.database, sandbox.journal, {"victim": 1, "afterwards": 6}).broken == []
    victim = "SELECT id FROM _scheduled_functions WHERE args LIKE '%victim/send0\"%'"
    assert sandbox.lines("start").count(checker.value(sandbox.database, victim)) == 1


@pytest.mark.parametrize("moment", [pytest.param("done", marks=pytest.mark.long), "before", "after"])
@pytest.mark.parametrize(
    ("move", "batchable"), [("handler 1", ()), ("finish mutation", ()), ("finish mutation", (PAY,))]
)
def test_a_process_frozen_inside_a_transaction_doubles_nothing(
    move: str, batchable: tuple[str, ...], moment: Moment, tmp_path: Path
) -> None:
    sandbox = Sandbox(tmp_path)
    options: dict[str, Any] = {"batchable": batchable, "park_at": (move, moment)}
    with sandbox.child(settings=NERVOUS) as other:
        other.ready()
        with sandbox.child(settings=NERVOUS, **options) as frozen:
            frozen.ready().call("work:order", label="victim", pays=4, children=1)
            wait_until(
                lambda: sandbox.lines("parked") != [] or checker.is_quiet(sandbox.database, 8), "it got one of them"
            )
            frozen.freeze()
            has_lock = moment != "after" and sandbox.lines("parked") != []
            try:
                if has_lock:  # no other process can take the write lock away
                    with pytest.raises(CommandFailed, match="CONFLICT"):
                        other.call("work:order", label="refused", pays=1)
            finally:
                thaw(frozen)
            wait_until(lambda: checker.is_quiet(sandbox.database, 14), "all jobs are over", BOUND_SECONDS)
    assert checker.judge(sandbox.database, sandbox.journal, {"victim": 4, "afterwards": 6}).broken == []


def test_a_process_that_was_given_up_claims_nothing_under_its_old_id(tmp_path: Path) -> None:
    """It comes back, claims at once, and dies: no recovery would look for jobs of a worker that was given up before."""
    sandbox = Sandbox(tmp_path)
    park_at, die_at = ("dispatch mutation", "enter"), ("claim mutation", "after")
    with sandbox.child(settings={"heartbeat_interval": 60.0}, park_at=park_at, die_at=die_at) as child:
        child.ready().call("work:order", label="victim", pays=3)
        wait_until(lambda: sandbox.lines("parked") != [], "it is about to claim")
        checker.execute(sandbox.database, "DELETE FROM _convexpy_workers")  # as other workers do that count it as dead
        child.open("park")
        child.wait()
    with sandbox.child():
        wait_until(lambda: checker.is_quiet(sandbox.database, 3), "the next process does the work", BOUND_SECONDS)
    assert checker.judge(sandbox.database, sandbox.journal, {"victim": 3}).broken == []
