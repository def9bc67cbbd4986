"""How many groups of one process run at a time."""

from __future__ import annotations

import threading
import time

import pytest

from convexpy.dispatch import turns
from convexpy.dispatch.turns import Turns

PATIENCE_SECONDS = 30.0


class Holder:
    """A thread that holds a turn until it is told to let go."""

    def __init__(self, turns: Turns, *, alone: bool = False) -> None:
        self.has_it = threading.Event()
        self._may_end = threading.Event()
        self._thread = threading.Thread(target=self._hold, args=(turns, alone), daemon=True)
        self._thread.start()

    def _hold(self, turns: Turns, alone: bool) -> None:
        with turns.all() if alone else turns.one():
            self.has_it.set()
            self._may_end.wait(PATIENCE_SECONDS)

    def end(self) -> None:
        self._may_end.set()
        self._thread.join(PATIENCE_SECONDS)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is given up for being slow."""
    monkeypatch.setattr(turns, "PATIENCE_SECONDS", 10 * PATIENCE_SECONDS)


@pytest.mark.usefixtures("patient")
def test_one_group_runs_at_a_time_at_first() -> None:
    both = Turns(8)
    first = Holder(both)
    assert first.has_it.wait(PATIENCE_SECONDS)
    second = Holder(both)
    assert not second.has_it.wait(0.05)
    first.end()
    assert second.has_it.wait(PATIENCE_SECONDS)
    second.end()


@pytest.mark.usefixtures("patient")
def test_where_groups_wait_for_the_database_there_are_more_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "WINDOW_SECONDS", 0.01)
    far = Turns(3)
    for limit in (2, 3, 3):
        holders = [Holder(far) for _ in range(far.limit)]
        assert all(holder.has_it.wait(PATIENCE_SECONDS) for holder in holders)
        waiting = Holder(far)
        assert not waiting.has_it.wait(0.05)  # meanwhile nobody has computed anything
        holders[0].end()
        assert far.limit == limit
        for holder in (*holders[1:], waiting):
            holder.end()


def test_where_they_compute_there_are_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "WINDOW_SECONDS", 0.0)
    monkeypatch.setattr(turns, "BUSY_SHARE", 0.0)
    near = Turns(8)
    near.limit = 3
    with near.one():
        sum(range(100_000))
    assert near.limit == 2


@pytest.mark.usefixtures("patient")
def test_after_a_conflict_one_runs_alone_and_for_a_while_there_are_no_more_than_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "WINDOW_SECONDS", 0.0)
    both = Turns(8)
    both.limit = 3
    alone = Holder(both, alone=True)
    assert alone.has_it.wait(PATIENCE_SECONDS)
    assert both.limit == 2
    waiting = [Holder(both), Holder(both)]
    assert not any(holder.has_it.wait(0.05) for holder in waiting)
    alone.end()
    for holder in waiting:
        holder.end()
    assert both.limit == 2


def test_one_that_takes_long_keeps_the_others_waiting_for_no_longer_than_a_second() -> None:
    both = Turns(8)
    hangs = Holder(both, alone=True)
    assert hangs.has_it.wait(PATIENCE_SECONDS)
    began = time.monotonic()
    with both.one():
        assert 0.5 < time.monotonic() - began < PATIENCE_SECONDS
    with both.all():
        pass
    hangs.end()
