"""What runs in a child process: the app on a database file, told over a pipe what to do next."""

from __future__ import annotations

import faulthandler
import os
import queue
import resource
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from math import inf
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from convexpy.dispatch.places import KeptPlaces
from convexpy.runtime.together import Together
from sqlalchemy import event
from sqlalchemy.pool import Pool

from convexpy import Settings
from convexpy.app import Convex
from convexpy.dispatch.action_pool import ActionPool
from convexpy.dispatch.batch_policy import BatchPolicy

from .app import bad, models, outside, work  # noqa: F401  (imported once, before the fork)
from .moves import Moment, Moves

APP = f"{__package__}.app"
NOBODY = 65534
LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class Orders:
    """What a child is told at its birth."""

    database: Path
    journal: Path
    functions: str = APP
    settings: dict[str, Any] = field(default_factory=dict)
    die_at: tuple[str, Moment] | None = None
    park_at: tuple[str, Moment] | None = None  # wait there, the first time, until the gate "park" is opened
    go_on_at: tuple[str, Moment] | None = None  # whoever comes here opens that gate
    watch: bool = False  # take the time at every place
    checkpoint_always: bool = False  # after every commit
    nobody: bool = False  # give up root, to whom no file is read-only
    own_claims: bool = True  # what is scheduled for now is claimed from its birth, where there is a place for it
    together: tuple[str, ...] | None = None  # who shares transactions, for as long as it takes; None: as it is
    runs: bool = True  # dispatch and fire crons; otherwise only answer calls
    environ: dict[str, str] = field(default_factory=dict)


class Child:
    """The app in its process, and the commands it understands."""

    def __init__(self, orders: Orders, pipe: Connection) -> None:
        self._orders = orders
        self._pipe = pipe
        self._places: list[tuple[str, Moment, str, int]] = []
        self._statements: list[str] = []
        self._parked = False
        self._told: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()

    def serve(self) -> None:
        """Open the app, run it, and do as told until told to stop, or until the parent or SIGTERM says so."""
        # As in production, no signal strikes where the engine is at work: who is told to stop does so when it can.
        signal.signal(signal.SIGTERM, lambda number, frame: self._told.put(("stop",)))
        faulthandler.register(signal.SIGUSR1, file=2)
        ActionPool.PATIENCE_SECONDS = 1.0  # tests wait for no slow disk
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.environ.update(self._orders.environ)
        if self._orders.nobody and os.getuid() == 0:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        outside.World.journal = self._orders.journal
        if self._orders.checkpoint_always:
            event.listen(Pool, "checkout", lambda driver, *rest: driver.execute("PRAGMA wal_autocheckpoint = 1"))
        url = f"sqlite:///{self._orders.database}"
        with Convex(url, functions=self._orders.functions, settings=Settings(**self._orders.settings)) as convex:
            self._convex = convex
            self._arrange(convex)
            if self._orders.die_at or self._orders.park_at or self._orders.go_on_at or self._orders.watch:
                Moves(self._reached)
            if self._orders.runs:
                with convex.running():
                    self._answer()
            else:
                self._answer()

    def _arrange(self, convex: Convex) -> None:
        """See to it that jobs take the way that they are to take."""
        names = self._orders.together
        if not self._orders.own_claims:
            setattr(KeptPlaces, "keep", lambda places, kind: False)  # noqa: B010
        if names is not None:
            setattr(BatchPolicy, "may_share", lambda habits, name: name in names)  # noqa: B010
            convex.runtime.together = Together(convex.calls, most_seconds=inf)

    def _answer(self) -> None:
        threading.Thread(target=self._listen, daemon=True).start()
        self._pipe.send(("ready", None))
        while True:
            try:
                command, *args = self._told.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                continue  # a signal that the system handed to another thread has interrupted no waiting
            if command == "stop":
                return
            try:
                answer = ("ok", getattr(self, f"do_{command}")(*args))
            except Exception as error:
                answer = ("error", f"{type(error).__name__}: {error}")
            self._pipe.send(answer)

    def _listen(self) -> None:
        """Gates are opened whatever the main thread does, even while it stops the app."""
        while True:
            try:
                told = self._pipe.recv()
            except (EOFError, OSError):
                self._told.put(("stop",))
                return
            if told[0] == "open":
                outside.gates[told[1]].open()
            else:
                self._told.put(told)

    def do_call(self, name: str, values: dict[str, Any]) -> tuple[Any, float]:
        """Call a function. Its result, and how many seconds it took."""
        started = time.perf_counter()
        result = self._convex.call(name, values)
        return result, time.perf_counter() - started

    def do_places(self) -> list[tuple[str, Moment, str, int]]:
        """Every place that was reached, with its time in nanoseconds."""
        return self._places

    def do_inside(self) -> int:
        """How many jobs are in the rooms of this process."""
        return sum(len(room.holds()) for room in self._convex.worker.dispatcher.rooms)

    def do_threads(self) -> dict[str, int]:
        """The threads of this process as the system knows them."""
        return {thread.name: thread.native_id or 0 for thread in threading.enumerate()}

    def do_used(self) -> tuple[float, int]:
        """CPU seconds of this process so far, and its peak memory in kilobytes."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_utime + usage.ru_stime, usage.ru_maxrss

    def do_listen(self) -> None:
        """Keep every statement that SQLite is given from now on, BEGIN and COMMIT included."""

        def trace(driver: Any, *rest: object) -> None:
            driver.set_trace_callback(self._statements.append)

        event.listen(Pool, "checkout", trace)
        writer = getattr(self._convex.database, "_writer", None)
        if writer is not None:
            trace(writer.connection.driver_connection)

    def do_statements(self) -> list[str]:
        return list(self._statements)

    def do_limit_files(self, size: int) -> None:
        """No file of this process may grow beyond so many bytes; -1 lifts the limit."""
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def _reached(self, move: str, moment: Moment, label: str) -> None:
        if self._orders.watch:
            self._places.append((move, moment, label, time.monotonic_ns()))
        if self._orders.park_at == (move, moment) and not self._parked:
            self._parked = True
            outside.record("parked", move.replace(" ", "-"))
            outside.gates["park"].wait()
        if self._orders.go_on_at == (move, moment):
            outside.gates["park"].open()
        if self._orders.die_at == (move, moment):
            os.kill(os.getpid(), signal.SIGKILL)


def serve(orders: Orders, pipe: Connection) -> None:
    """The main function of a child process. What it logs goes to a file beside the database."""
    log = os.open(orders.database.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 2)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    Child(orders, pipe).serve()
