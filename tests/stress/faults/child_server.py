"""What runs in a child process: the app on a database file, with commands that come over a pipe."""

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

import prometheus_client  # noqa: F401  (a process without privileges cannot read it later)
from sqlalchemy import event
from sqlalchemy.pool import Pool

from convexpy import Settings
from convexpy.app import Convex
from convexpy.dispatch import action_pool
from convexpy.dispatch.batch_policy import BatchPolicy

from .app import bad, models, outside, work  # noqa: F401  (imported once, before the fork)
from .job_moves import JobMoves, Moment

APP = f"{__package__}.app"
UNPRIVILEGED_ID = 65534
LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class ChildConfig:
    """What a child process is started with."""

    database: Path
    journal: Path
    functions: str = APP
    settings: dict[str, Any] = field(default_factory=dict)
    die_at: tuple[str, Moment] | None = None
    park_at: tuple[str, Moment] | None = None  # wait there, the first time, until the gate "park" is opened
    open_gate_at: tuple[str, Moment] | None = None  # open that gate there
    record_times: bool = False  # take the time at every step
    checkpoint_always: bool = False  # after every commit
    unprivileged: bool = False  # give up root, to whom no file is read-only
    batchable: tuple[str | None, ...] | None = None  # what shares transactions, for as long as it takes; None: as it is
    runs: bool = True  # dispatch and fire crons; otherwise only answer calls
    environ: dict[str, str] = field(default_factory=dict)


class ChildServer:
    """The app in its process, and the commands that the process carries out."""

    def __init__(self, config: ChildConfig, pipe: Connection) -> None:
        self._config = config
        self._pipe = pipe
        self._steps: list[tuple[str, Moment, str, int]] = []
        self._statements: list[str] = []
        self._parked = False
        self._commands: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()

    def serve(self) -> None:
        """Open the app, run it, and carry out commands until a stop, by the parent, its end or SIGTERM."""
        # As in production, no signal interrupts the engine: SIGTERM is a command like any other.
        signal.signal(signal.SIGTERM, lambda number, frame: self._commands.put(("stop",)))
        faulthandler.register(signal.SIGUSR1, file=2)
        setattr(action_pool, "PATIENCE_SECONDS", 1.0)  # noqa: B010  (tests wait for no slow disk)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.environ.update(self._config.environ)
        if self._config.unprivileged and os.getuid() == 0:
            os.setgid(UNPRIVILEGED_ID)
            os.setuid(UNPRIVILEGED_ID)
        outside.World.journal = self._config.journal
        if self._config.checkpoint_always:
            event.listen(Pool, "checkout", lambda driver, *rest: driver.execute("PRAGMA wal_autocheckpoint = 1"))
        url = f"sqlite:///{self._config.database}"
        with Convex(url, functions=self._config.functions, settings=Settings(**self._config.settings)) as convex:
            self._convex = convex
            self._choose_batches(convex)
            if self._config.die_at or self._config.park_at or self._config.open_gate_at or self._config.record_times:
                JobMoves(self._reached)
            if self._config.runs:
                with convex.running():
                    self._answer()
            else:
                self._answer()

    def _choose_batches(self, convex: Convex) -> None:
        """Let the functions share transactions that are to, and no others."""
        names = self._config.batchable
        if names is not None:
            setattr(BatchPolicy, "may_share", lambda policy, name: name in names)  # noqa: B010
            convex.calls.transactions.batch_seconds = inf

    def _answer(self) -> None:
        threading.Thread(target=self._listen, daemon=True).start()
        self._pipe.send(("ready", None))
        while True:
            try:
                command, *args = self._commands.get(timeout=LOOK_SECONDS)
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
                command = self._pipe.recv()
            except (EOFError, OSError):
                self._commands.put(("stop",))
                return
            if command[0] == "open":
                outside.gates[command[1]].open()
            else:
                self._commands.put(command)

    def do_call(self, name: str, values: dict[str, Any]) -> tuple[Any, float]:
        """Call a function. Its result, and how many seconds it took."""
        started = time.perf_counter()
        result = self._convex.call(name, values)
        return result, time.perf_counter() - started

    def do_steps(self) -> list[tuple[str, Moment, str, int]]:
        """Every step that was reached, with its time in nanoseconds."""
        return self._steps

    def do_held(self) -> int:
        """How many jobs wait or run in the pools of this process."""
        return sum(len(pool.jobs()) for pool in self._convex.worker.dispatcher.pools)

    def do_threads(self) -> dict[str, int]:
        """The threads of this process as the system knows them."""
        return {thread.name: thread.native_id or 0 for thread in threading.enumerate()}

    def do_usage(self) -> tuple[float, int]:
        """CPU seconds of this process so far, and its peak memory in kilobytes."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_utime + usage.ru_stime, usage.ru_maxrss

    def do_trace(self) -> None:
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
        if self._config.record_times:
            self._steps.append((move, moment, label, time.monotonic_ns()))
        if self._config.park_at == (move, moment) and not self._parked:
            self._parked = True
            outside.record("parked", move.replace(" ", "-"))
            outside.gates["park"].wait()
        if self._config.open_gate_at == (move, moment):
            outside.gates["park"].open()
        if self._config.die_at == (move, moment):
            os.kill(os.getpid(), signal.SIGKILL)


def serve(config: ChildConfig, pipe: Connection) -> None:
    """The main function of a child process. What it logs goes to a file beside the database."""
    log = os.open(config.database.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 2)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    ChildServer(config, pipe).serve()
