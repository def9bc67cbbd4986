"""A worker process: it runs what is scheduled until it is told to stop, or killed."""

from __future__ import annotations

import threading
from contextlib import suppress
from multiprocessing.connection import Connection

from convexpy.testing.process import Willing

from convexpy.dispatch.batch_policy import BatchPolicy
from convexpy.dispatch.claim_cursor import ClaimCursor

from .orders import Orders, Terminated, begin, open_app, patiently, told
from .wrong_clock import WrongClock


def work(orders: Orders, pipe: Connection) -> None:
    """The main function of the process."""
    begin(orders)
    if orders.together:
        setattr(BatchPolicy, "may_share", Willing.may_share)  # noqa: B010
    if orders.far:
        begin_where_the_last_ended()
    with suppress(Terminated):
        clock = WrongClock()
        with open_app(orders) as convex:
            patiently(convex.start)
            try:
                pipe.send("ready")
                listen(pipe, clock)
            finally:
                convex.stop()


def begin_where_the_last_ended() -> None:
    """Let claims do so always, and not only while looks take long."""
    setattr(ClaimCursor, "is_long", staticmethod(lambda seconds: True))  # noqa: B010


def listen(pipe: Connection, clock: WrongClock) -> None:
    """Move the clock as told, until the pipe ends."""
    with suppress(EOFError, ConnectionResetError):
        while True:
            command, value = told(pipe)
            if command == "clock":
                clock.ahead = value
                pipe.send("moved")
            elif command == "threads":
                pipe.send({thread.name: thread.native_id for thread in threading.enumerate()})
            elif command == "stop":
                return
