"""A worker process: it runs what is scheduled until it is asked to stop, or killed. Its clock can be set wrong."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from datetime import datetime, timedelta, tzinfo
from multiprocessing.connection import Connection

from convexpy import clock
from convexpy.dispatch import claim_cursor
from convexpy.testing.chaos_worker import AlwaysBatch

from .process_config import ProcessConfig, Terminated, begin, next_command, open_app, patiently

true_time, true_time_ns = time.time, time.time_ns


class WrongClock:
    """Moves the time of day of this process, for everything in it. Clocks that only count seconds go on as they are."""

    def __init__(self) -> None:
        self.ahead = 0.0
        ours = self

        class Moved(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
                return datetime.fromtimestamp(true_time(), tz) + timedelta(seconds=ours.ahead)

        clock.datetime = Moved  # type: ignore[misc]
        time.time = lambda: true_time() + ours.ahead
        time.time_ns = lambda: true_time_ns() + round(ours.ahead * 1e9)


def work(config: ProcessConfig, pipe: Connection) -> None:
    """The main function of the process."""
    begin(config)
    if config.claim_ahead:
        claim_ahead()
    with suppress(Terminated):
        wrong_clock = WrongClock()
        with open_app(config) as convex:
            if config.batch_everything:
                convex.worker.executor.policy = AlwaysBatch()
            patiently(convex.start)
            try:
                pipe.send("ready")
                carry_out_commands(pipe, wrong_clock)
            finally:
                convex.stop()


def claim_ahead() -> None:
    """Let claims begin where the last one ended, always, and not only while scans of the queue take long."""
    setattr(claim_cursor, "is_long", lambda seconds: True)  # noqa: B010


def carry_out_commands(pipe: Connection, wrong_clock: WrongClock) -> None:
    """Until the pipe ends."""
    with suppress(EOFError, ConnectionResetError):
        while True:
            command, value = next_command(pipe)
            if command == "clock":
                wrong_clock.ahead = value
                pipe.send("moved")
            elif command == "threads":
                pipe.send({thread.name: thread.native_id for thread in threading.enumerate()})
            elif command == "stop":
                return
