"""A thread that calls its ticks: each in time, none held up by one that fails, and a wake is never lost."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from support.waiting import PATIENCE_SECONDS, wait_until

from convexpy import Settings
from convexpy.database.database import connect
from convexpy.dispatch import periodic_thread
from convexpy.dispatch.periodic_thread import PeriodicThread

LONG = 10 * PATIENCE_SECONDS
SETTINGS = Settings(retry_first=0.01, retry_longest=0.05)


class Tick:
    """Counts its calls, asks for the next one after ``seconds``, and fails as long as it should."""

    def __init__(self, seconds: float = LONG) -> None:
        self.calls = 0
        self.seconds = seconds
        self.error: Exception | None = None

    def __call__(self) -> float:
        self.calls += 1
        if self.error is not None:
            raise self.error
        return self.seconds

    def wait_for(self, calls: int) -> None:
        wait_until(lambda: self.calls >= calls, f"the tick is called {calls} times")


class GatedTick:
    """Waits within its call until it may end."""

    def __init__(self) -> None:
        self.has_begun = threading.Event()
        self.may_end = threading.Event()
        self.has_ended = threading.Event()
        self.calls = 0

    def __call__(self) -> float:
        self.calls += 1
        self.has_begun.set()
        self.may_end.wait(PATIENCE_SECONDS)
        self.has_ended.set()
        return LONG


@contextmanager
def running(*ticks: Callable[[], float]) -> Iterator[PeriodicThread]:
    thread = PeriodicThread("test", SETTINGS, *ticks)
    thread.start()
    try:
        yield thread
    finally:
        thread.stop()


def test_every_tick_is_called_at_the_start_and_after_its_seconds() -> None:
    often, once = Tick(0.001), Tick()
    with running(often, once):
        often.wait_for(20)
        once.wait_for(1)
    assert once.calls == 1


def test_a_wake_calls_only_the_tick_that_it_names() -> None:
    first, second = Tick(), Tick()
    with running(first, second) as thread:
        second.wait_for(1)
        for calls in range(2, 5):
            thread.wake(1)
            second.wait_for(calls)
        thread.wake()
        first.wait_for(2)
    assert (first.calls, second.calls) == (2, 4)


def test_a_wake_during_the_tick_brings_another_one() -> None:
    tick = GatedTick()
    with running(tick) as thread:
        assert tick.has_begun.wait(PATIENCE_SECONDS)
        thread.wake()
        tick.may_end.set()
        wait_until(lambda: tick.calls == 2, "the tick is called once more")


def test_a_wake_during_another_tick_is_not_lost() -> None:
    gated, other = GatedTick(), Tick()
    with running(other, gated) as thread:
        assert gated.has_begun.wait(PATIENCE_SECONDS)
        assert other.calls == 1
        thread.wake(0)
        gated.may_end.set()
        other.wait_for(2)
    assert gated.calls == 1


def test_many_wakes_from_many_threads_are_never_lost() -> None:
    """A tick that begins after the wake: what was true at the wake is seen."""
    done = 0
    seen: list[int] = []

    def tick() -> float:
        seen.append(done)
        return LONG

    with running(tick, Tick(0.0001)) as thread:
        for number in range(1, 300):
            done = number
            thread.wake()
            wait_until(lambda number=number: seen[-1:] == [number], "the tick sees what came before the wake")


def test_a_failing_tick_is_tried_again_and_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    failing, other = Tick(0.001), Tick(0.001)
    failing.error = ValueError("on purpose")
    with caplog.at_level(logging.CRITICAL, "convexpy.dispatch"), running(failing, other):
        failing.wait_for(5)
        before = other.calls
        other.wait_for(before + 5)
        failing.error = None
        before = failing.calls
        failing.wait_for(before + 5)


def test_a_stop_waits_for_the_tick_that_is_under_way() -> None:
    gated, after = GatedTick(), Tick()
    thread = PeriodicThread("test", SETTINGS, gated, after)
    thread.start()
    assert gated.has_begun.wait(PATIENCE_SECONDS)
    threading.Timer(0.05, gated.may_end.set).start()
    thread.stop()
    assert gated.has_ended.is_set()
    assert after.calls == 0  # nothing begins after the stop


def test_a_thread_that_was_stopped_can_be_started_again() -> None:
    tick = Tick()
    thread = PeriodicThread("test", SETTINGS, tick)
    for calls in (1, 2):
        thread.start()
        thread.wake()
        tick.wait_for(calls)
        thread.stop()


def test_a_tick_that_never_ends_does_not_keep_a_stop_waiting(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(periodic_thread, "PATIENCE_SECONDS", 0.05)
    tick = GatedTick()
    thread = PeriodicThread("test", SETTINGS, tick)
    thread.start()
    assert tick.has_begun.wait(PATIENCE_SECONDS)
    thread.stop()
    assert not tick.has_ended.is_set()
    assert "is left behind" in caplog.text
    tick.may_end.set()


def interrupt(thread: threading.Thread) -> None:
    raise KeyboardInterrupt


def test_what_a_signal_kept_from_starting_can_be_stopped(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    thread, opened = PeriodicThread("test", SETTINGS, Tick()), connect(database, Settings())
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", interrupt)
        for start in (thread.start, opened.commits.watch):
            with pytest.raises(KeyboardInterrupt):
                start()
    thread.stop()
    opened.close()


def test_a_tick_that_does_not_end_is_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    tick = GatedTick()
    with running(tick) as thread:
        assert tick.has_begun.wait(PATIENCE_SECONDS)
        assert not thread.is_stuck
        monkeypatch.setattr(periodic_thread, "STUCK_SECONDS", 0.0)
        wait_until(lambda: thread.is_stuck, "the thread is stuck")
        tick.may_end.set()
        wait_until(lambda: not thread.is_stuck, "the thread goes on")
