"""The loop that everything runs on which runs by itself."""

from __future__ import annotations

import threading

import pytest

from convexpy import Settings
from convexpy.database.database import connect
from convexpy.dispatch import periodic_thread
from convexpy.dispatch.periodic_thread import Loop

PATIENCE_SECONDS = 30.0


class Tick:
    """One that goes on until it is told not to."""

    def __init__(self) -> None:
        self.has_begun = threading.Event()
        self.may_end = threading.Event()
        self.has_ended = threading.Event()

    def __call__(self) -> float:
        self.has_begun.set()
        self.may_end.wait(PATIENCE_SECONDS)
        self.has_ended.set()
        return 0.0


def strike(thread: threading.Thread) -> None:
    raise KeyboardInterrupt


def test_a_signal_that_strikes_where_a_thread_is_started_leaves_what_can_be_stopped(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, opened = Loop("test", Tick(), Settings()), connect(database, Settings())
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", strike)
        for start in (running.start, lambda: opened.notifier.listen(lambda: None)):
            with pytest.raises(KeyboardInterrupt):
                start()
    running.stop()
    opened.close()


def test_a_stop_waits_for_the_tick_that_is_under_way() -> None:
    tick = Tick()
    running = Loop("test", tick, Settings())
    running.start()
    assert tick.has_begun.wait(PATIENCE_SECONDS)
    threading.Timer(0.05, tick.may_end.set).start()
    running.stop()
    assert tick.has_ended.is_set()


def test_a_tick_that_never_ends_does_not_keep_the_process_from_ending(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(periodic_thread, "PATIENCE_SECONDS", 0.05)
    tick = Tick()
    running = Loop("test", tick, Settings())
    running.start()
    assert tick.has_begun.wait(PATIENCE_SECONDS)
    running.stop()
    assert not tick.has_ended.is_set()
    assert "test is left behind" in caplog.text
    tick.may_end.set()
