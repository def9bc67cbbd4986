"""Faults by a seed: which fault strikes, at which step of a transaction, and a log of them."""

from __future__ import annotations

import logging
import random
import sqlite3
import threading
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, Final, Literal

from ..clock import Clock
from ..settings import Settings

logger = logging.getLogger("convexpy.testing")

Step = Literal["begin", "statement", "before COMMIT", "after COMMIT"]
Fault = Literal["conflict", "failure", "no answer", "crash", "freeze", "clock"]
Odds = Mapping[Step, Mapping[Fault, float]]

# How likely each fault is at each step. A job passes some twenty steps, and every third job meets a fault.
FOR_A_WORKER: Final[Odds] = {
    "begin": {"conflict": 0.015, "crash": 0.01, "freeze": 0.008, "clock": 0.01},
    "statement": {"conflict": 0.004, "failure": 0.002, "crash": 0.004},
    "before COMMIT": {"conflict": 0.02, "crash": 0.015},
    "after COMMIT": {"crash": 0.015, "no answer": 0.01},
}
# The process that calls is the test itself, which lives on.
FOR_A_DIRECT_CALL: Final[Odds] = {
    "begin": {"conflict": 0.05},
    "statement": {"conflict": 0.03, "failure": 0.01},
    "before COMMIT": {"conflict": 0.15},
    "after COMMIT": {},
}
FAILURES: Final[Mapping[Fault, str]] = {
    "conflict": "a conflict",
    "failure": "a failure of the database",
    "no answer": "it was committed, and the answer is lost",
}
MOST_IN_A_ROW: Final = 2
LONGEST_STEP: Final = timedelta(seconds=1)


class Crash(BaseException):
    """The process is gone, as after ``kill -9``: nothing of what it was doing may reach the database any more."""


class SimulatedProcess:
    """One process that runs jobs, from its start to its crash."""

    def __init__(self) -> None:
        self.is_dead = False
        self.task = "start"
        self.clock_error = timedelta(0)

    def begin(self, task: str) -> None:
        """It begins another task, and its clock is right again."""
        self.task, self.clock_error = task, timedelta(0)


# The process that this code belongs to. Tasks and threads inherit it, so what a crashed process left stays crashed.
PROCESS: Final[ContextVar[SimulatedProcess | None]] = ContextVar("convexpy_process", default=None)


def check_alive() -> SimulatedProcess | None:
    """The process that this code belongs to; None for a direct call, whose process is the test itself.

    Raises:
        Crash: That process has died.
    """
    process = PROCESS.get()
    if process is not None and process.is_dead:
        raise Crash("this process died before")
    return process


class Chaos:
    """Draws faults. With the same seed and the same work, the same faults strike at the same steps."""

    def __init__(self, seed: int, clock: Clock, settings: Settings) -> None:
        self.seed = seed
        self.settings = retrying_at_once(settings)
        self.rng = random.Random(seed)
        self.log: list[str] = []
        self.is_awake = False
        self.freeze: Callable[[], None] = lambda: None
        self.may_step_ahead = False
        self._clock = clock
        self._most_in_a_row = min(MOST_IN_A_ROW, settings.mutation_retries)
        self._mutex = threading.Lock()
        self._thread = threading.local()

    def reach(self, step: Step, move: str, dialect: str, logged: bool) -> None:
        """A fault may strike here. A logged transaction resolves lost answers within the database's own code.

        Raises:
            Crash: The process died here, or had died before.
            Exception: What a database raises for a conflict or a failure of its own.
        """
        process = check_alive()
        fault = self._draw(step, process)
        if fault is None or (fault == "no answer" and logged):
            return
        if fault in FAILURES:
            self._thread.in_a_row = self._in_a_row() + 1
            self._record(FAILURES[fault], step, move, process)
            raise database_error(fault, dialect)
        assert process is not None
        if fault == "crash":
            process.is_dead = True
            self._record("the process dies", step, move, process)
            raise Crash("this process died here")
        if fault == "clock":
            process.clock_error = self._step()
            self._record(f"the clock steps by {process.clock_error.total_seconds():+.3f} s", step, move, process)
        else:
            self._record("the process freezes until another one took over", step, move, process)
            self.freeze()

    def went_well(self) -> None:
        """A transaction of this thread ended as it would have without us."""
        self._thread.in_a_row = 0

    def record(self, text: str) -> None:
        """Add a line to the log."""
        self.log.append(f"{self._clock.now():%F %T.%f}  {text}")
        logger.warning("chaos=%d: %s", self.seed, text)

    def explain(self, error: BaseException) -> None:
        """Say with an error by which seed it came, and what had gone wrong before."""
        before = "\n".join(f"  {line}" for line in self.log) or "  nothing: jobs ran in another order"
        error.add_note(f"with chaos={self.seed}, which repeats it. What went wrong before:\n{before}")

    def _draw(self, step: Step, process: SimulatedProcess | None) -> Fault | None:
        if not self.is_awake:
            return None
        odds = (FOR_A_WORKER if process else FOR_A_DIRECT_CALL)[step]
        with self._mutex:
            rest = self.rng.random()
        for fault, likelihood in odds.items():
            rest -= likelihood
            if rest < 0:
                is_enough = fault in FAILURES and self._in_a_row() >= self._most_in_a_row
                return None if is_enough else fault
        return None

    def _step(self) -> timedelta:
        """Back, as a correction by the network does. Ahead only where no job minds to be early."""
        with self._mutex:
            share = self.rng.uniform(-1, 1) if self.may_step_ahead else self.rng.uniform(-1, 0)
        return LONGEST_STEP * share

    def _in_a_row(self) -> int:
        """How many transactions of this thread failed in a row by faults. A call has only so many retries."""
        return int(getattr(self._thread, "in_a_row", 0))

    def _record(self, what: str, step: Step, move: str, process: SimulatedProcess | None) -> None:
        task = process.task if process else "direct call"
        of = " of" if move and "COMMIT" in step else ""
        self.record(f"{what}: {task}, {step}{of} {move}".rstrip())


def retrying_at_once(settings: Settings) -> Settings:
    """Retries without a wait, unless one was asked for: what is due at a moment is then also over at that moment."""
    waits = {"retry_first", "conflict_first"} - settings.model_fields_set
    return settings.model_copy(update=dict.fromkeys(waits, timedelta(0)))


def database_error(fault: Fault, dialect: str) -> Exception:
    """The driver's error for a conflict or for a failure of the database."""
    if dialect == "postgresql":
        from psycopg import errors

        kind: Any = errors.SerializationFailure if fault == "conflict" else errors.AdminShutdown
        return kind(f"a {fault} made by chaos")  # type: ignore[no-any-return]
    error = sqlite3.OperationalError("database is locked" if fault == "conflict" else "disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_BUSY if fault == "conflict" else sqlite3.SQLITE_IOERR
    return error
