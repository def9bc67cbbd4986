"""A process is frozen (SIGSTOP) past the heartbeat's timeout: what others took over is not its own any more."""

from __future__ import annotations

import fcntl
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from . import checker
from .moves import Moment
from .process import Place, Refused, Running, wait_until
from .stations import PAY

BOUND_SECONDS = 6.0
NERVOUS = {"heartbeat_interval": 0.1, "heartbeat_timeout": 0.6, "lock_timeout": 0.5, "mutation_retries": 1}


@contextmanager
def frozen_at(place: Place, park_at: tuple[str, Moment], **work: int) -> Iterator[tuple[Running, Running]]:
    """A process that is frozen at this place of a victim's way, and another one beside it."""
    with place.child(settings=NERVOUS, park_at=park_at, own_claims=False, together=()) as frozen:
        frozen.ready().call("work:order", label="victim", children=1, **work)
        wait_until(lambda: place.lines("parked") != [], "the process is there")
        wait_until(lambda: is_frozen_between_transactions(place, frozen), "it is frozen outside of any transaction")
        try:
            with place.child(settings=NERVOUS) as other:
                yield frozen, other
        finally:
            frozen.thaw()


def is_frozen_between_transactions(place: Place, running: Running) -> bool:
    """Freeze it, unless it has the turn to write at this very moment."""
    running.freeze()
    with place.database.with_name("app.db.lock").open("ab") as turn:
        try:
            fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            running.thaw()
            return False
        return True


def thaw(frozen: Running) -> None:
    """Let it go on, and make sure that it is as good as new."""
    frozen.thaw()
    frozen.open("park")
    frozen.call("work:order", label="afterwards", pays=3, sends=3)


@pytest.mark.parametrize(("move", "kind"), [("hand mutation", "pays"), ("hand action", "sends")])
def test_what_a_frozen_process_had_claimed_is_run_by_another_and_only_there(
    move: str, kind: str, tmp_path: Path
) -> None:
    place = Place(tmp_path)
    with frozen_at(place, (move, "enter"), **{kind: 4}) as (frozen, other):
        wait_until(lambda: checker.is_quiet(place.database, 8), "the other one does the work", BOUND_SECONDS)
        thaw(frozen)
        wait_until(lambda: checker.is_quiet(place.database, 14), "all jobs are over", BOUND_SECONDS)
        other.stop()
    verdict = checker.judge(place.database, place.journal, {"victim": 4, "afterwards": 6})
    assert verdict.broken == []
    assert verdict.states == {"success": 14}


@pytest.mark.parametrize(("move", "moment"), [("inside", "done"), ("end action", "enter")])
def test_an_action_of_a_frozen_process_is_failed_and_stays_so(move: str, moment: Moment, tmp_path: Path) -> None:
    place = Place(tmp_path)
    with frozen_at(place, (move, moment), sends=1) as (frozen, other):
        wait_until(lambda: checker.states(place.database, "victim/send0") == ["failed"], "it is failed", BOUND_SECONDS)
        thaw(frozen)
        wait_until(lambda: checker.is_quiet(place.database, 7), "all jobs are over", BOUND_SECONDS)
        other.stop()
    assert checker.states(place.database, "victim/send0") == ["failed"]
    assert checker.judge(place.database, place.journal, {"victim": 1, "afterwards": 6}).broken == []
    victim = "SELECT id FROM _scheduled_functions WHERE args LIKE '%victim/send0\"%'"
    assert place.lines("start").count(checker.value(place.database, victim)) == 1


@pytest.mark.parametrize("moment", ["done", "before", "after"])
@pytest.mark.parametrize(("move", "together"), [("take mutation", ()), ("finish all", (PAY,))])
def test_a_process_frozen_inside_a_transaction_doubles_nothing(
    move: str, together: tuple[str, ...], moment: Moment, tmp_path: Path
) -> None:
    place = Place(tmp_path)
    ways: dict[str, Any] = {"own_claims": False, "together": together, "park_at": (move, moment)}
    with place.child(settings=NERVOUS) as other:
        other.ready()
        with place.child(settings=NERVOUS, **ways) as frozen:
            frozen.ready().call("work:order", label="victim", pays=4, children=1)
            wait_until(lambda: place.lines("parked") != [] or checker.is_quiet(place.database, 8), "it got one of them")
            frozen.freeze()
            held_up = moment != "after" and place.lines("parked") != []
            try:
                if held_up:  # it has the turn to write, and nobody can take that away
                    with pytest.raises(Refused, match="CONFLICT"):
                        other.call("work:order", label="refused", pays=1)
            finally:
                thaw(frozen)
            wait_until(lambda: checker.is_quiet(place.database, 14), "all jobs are over", BOUND_SECONDS)
    assert checker.judge(place.database, place.journal, {"victim": 4, "afterwards": 6}).broken == []


def test_a_process_that_was_given_up_claims_nothing_under_its_old_name(tmp_path: Path) -> None:
    """It comes back, claims at once, and dies: nobody would look for jobs of a worker that is already buried."""
    place = Place(tmp_path)
    park_at, die_at = ("dispatch mutation", "enter"), ("claim mutation", "after")
    with place.child(settings={"heartbeat_interval": 60.0}, park_at=park_at, die_at=die_at) as child:
        child.ready().call("work:order", label="victim", pays=3)
        wait_until(lambda: place.lines("parked") != [], "it is about to claim")
        checker.execute(place.database, "DELETE FROM _convexpy_workers")  # as others do who think that it is dead
        child.open("park")
        child.wait()
    with place.child():
        wait_until(lambda: checker.is_quiet(place.database, 3), "the next process does the work", BOUND_SECONDS)
    assert checker.judge(place.database, place.journal, {"victim": 3}).broken == []


def test_what_a_process_that_was_given_up_claims_from_birth_is_found(tmp_path: Path) -> None:
    """It has not heard yet that it is buried, schedules for itself, and dies."""
    place = Place(tmp_path)
    with place.child(settings={"heartbeat_interval": 60.0}, die_at=("own mutation", "after")) as child:
        child.ready()
        checker.execute(place.database, "DELETE FROM _convexpy_workers")  # as others do who think that it is dead
        child.tell("call", "work:order", {"label": "victim", "pays": 2})
        assert child.wait() == -signal.SIGKILL
    claimed = "SELECT count(*) FROM _convexpy_queue WHERE worker NOT IN (SELECT id FROM _convexpy_workers)"
    assert checker.value(place.database, claimed) > 0
    with place.child():
        wait_until(lambda: checker.is_quiet(place.database, 2), "the next process does the work", BOUND_SECONDS)
    assert checker.judge(place.database, place.journal).broken == []
