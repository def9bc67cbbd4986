"""A function that keeps meeting conflicts runs one at a time, and one call that hangs holds up no other for ever."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from convexpy.runtime.lanes import Lanes

from convexpy.runtime import lanes as module

PATIENCE_SECONDS = 10.0


@pytest.fixture(autouse=True)
def hot_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HOT_SECONDS", 600.0)


@contextmanager
def another_call(lanes: Lanes) -> Iterator[threading.Event]:
    """A call of the same function on another thread, and whether it has come through."""
    through = threading.Event()

    def call() -> None:
        with lanes.pass_through("busy"):
            through.set()

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    yield through
    thread.join(PATIENCE_SECONDS)


def test_calls_of_a_busy_function_take_turns() -> None:
    lanes = Lanes(PATIENCE_SECONDS * 2)
    lanes.conflict("busy")
    with another_call(lanes) as first:
        assert first.wait(PATIENCE_SECONDS)
    lane = lanes.pass_through("busy")
    lane.__enter__()
    with another_call(lanes) as second:
        assert not second.wait(0.05)
        lane.__exit__(None, None, None)
        assert second.wait(PATIENCE_SECONDS)


def test_whoever_waits_for_too_long_goes_on_beside_the_one_that_hangs() -> None:
    lanes = Lanes(0.05)
    lanes.conflict("busy")
    with lanes.pass_through("busy"), another_call(lanes) as through:
        assert through.wait(PATIENCE_SECONDS)


def test_a_call_that_raises_lets_the_next_one_in() -> None:
    lanes = Lanes(PATIENCE_SECONDS * 2)
    lanes.conflict("busy")
    with suppress(ValueError), lanes.pass_through("busy"):
        raise ValueError("on purpose")
    with another_call(lanes) as through:
        assert through.wait(PATIENCE_SECONDS)
