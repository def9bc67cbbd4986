"""Misfortune by a seed: what goes wrong, at which station of a transaction, and a diary of it."""

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

Station = Literal["begin", "statement", "before COMMIT", "after COMMIT"]
Misfortune = Literal["conflict", "failure", "no answer", "crash", "freeze", "clock"]
Odds = Mapping[Station, Mapping[Misfortune, float]]

# How likely each misfortune is at each station. A job passes some twenty, and every third job meets something.
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
FAILURES: Final[Mapping[Misfortune, str]] = {
    "conflict": "a conflict",
    "failure": "a failure of the database",
    "no answer": "it was committed, and the answer is lost",
}
MOST_IN_A_ROW: Final = 2
LONGEST_STEP: Final = timedelta(seconds=1)


class Crash(BaseException):
    """The process is gone, as after ``kill -9``: nothing of what it was doing may reach the database any more."""


class Life:
    """One process that runs jobs, from its start to its crash."""

    def __init__(self) -> None:
        self.is_over = False
        self.task = "start"
        self.clock_error = timedelta(0)

    def begin(self, task: str) -> None:
        """It turns to something else, and its clock is right again."""
        self.task, self.clock_error = task, timedelta(0)


# Whose work this is. Tasks and threads inherit it, so what a crashed process left running stays crashed.
LIFE: Final[ContextVar[Life | None]] = ContextVar("convexpy_life", default=None)


def check_alive() -> Life | None:
    """Whose work this is; None for a direct call, whose process is the test itself.

    Raises:
        Crash: It is the work of a process that has died.
    """
    life = LIFE.get()
    if life is not None and life.is_over:
        raise Crash("this process died before")
    return life


class Chaos:
    """The dice. With the same seed and the same work, the same things go wrong at the same places."""

    def __init__(self, seed: int, clock: Clock, settings: Settings) -> None:
        self.seed = seed
        self.settings = retrying_at_once(settings)
        self.dice = random.Random(seed)
        self.diary: list[str] = []
        self.is_awake = False
        self.freeze: Callable[[], None] = lambda: None
        self.may_step_ahead = False
        self._clock = clock
        self._most_in_a_row = min(MOST_IN_A_ROW, settings.mutation_retries)
        self._mutex = threading.Lock()
        self._thread = threading.local()

    def reach(self, station: Station, move: str, dialect: str, logged: bool) -> None:
        """Something may go wrong here. Who is logged finds out about lost answers within the database's own code.

        Raises:
            Crash: The process died here, or had died before.
            Exception: What a database raises for a conflict or a failure of its own.
        """
        life = check_alive()
        misfortune = self._draw(station, life)
        if misfortune is None or (misfortune == "no answer" and logged):
            return
        if misfortune in FAILURES:
            self._thread.in_a_row = self._in_a_row() + 1
            self._note(FAILURES[misfortune], station, move, life)
            raise database_error(misfortune, dialect)
        assert life is not None
        if misfortune == "crash":
            life.is_over = True
            self._note("the process dies", station, move, life)
            raise Crash("this process died here")
        if misfortune == "clock":
            life.clock_error = self._step()
            self._note(f"the clock steps by {life.clock_error.total_seconds():+.3f} s", station, move, life)
        else:
            self._note("the process freezes until another one took over", station, move, life)
            self.freeze()

    def toss(self, likelihood: float) -> bool:
        """Whether something happens that is as likely as that."""
        with self._mutex:
            return self.dice.random() < likelihood

    def went_well(self) -> None:
        """A transaction of this thread ended as it would have without us."""
        self._thread.in_a_row = 0

    def note(self, text: str) -> None:
        """Write something into the diary."""
        self.diary.append(f"{self._clock.now():%F %T.%f}  {text}")
        logger.warning("chaos=%d: %s", self.seed, text)

    def blame(self, error: BaseException) -> None:
        """Say with an error by which seed it came, and what had gone wrong before."""
        before = "\n".join(f"  {line}" for line in self.diary) or "  nothing: jobs ran in another order"
        error.add_note(f"with chaos={self.seed}, which repeats it. What went wrong before:\n{before}")

    def _draw(self, station: Station, life: Life | None) -> Misfortune | None:
        if not self.is_awake:
            return None
        odds = (FOR_A_WORKER if life else FOR_A_DIRECT_CALL)[station]
        with self._mutex:
            rest = self.dice.random()
        for misfortune, likelihood in odds.items():
            rest -= likelihood
            if rest < 0:
                is_enough = misfortune in FAILURES and self._in_a_row() >= self._most_in_a_row
                return None if is_enough else misfortune
        return None

    def _step(self) -> timedelta:
        """Back, as a correction by the network does. Ahead only where no job minds to be early."""
        with self._mutex:
            share = self.dice.uniform(-1, 1) if self.may_step_ahead else self.dice.uniform(-1, 0)
        return LONGEST_STEP * share

    def _in_a_row(self) -> int:
        """How many transactions of this thread failed by our doing, one after the other. A call tries only so often."""
        return int(getattr(self._thread, "in_a_row", 0))

    def _note(self, what: str, station: Station, move: str, life: Life | None) -> None:
        whose = life.task if life else "direct call"
        of = " of" if move and "COMMIT" in station else ""
        self.note(f"{what}: {whose}, {station}{of} {move}".rstrip())


def retrying_at_once(settings: Settings) -> Settings:
    """Retries without a wait, unless one was asked for: what is due at a moment is then also over at that moment."""
    waits = {"retry_first", "conflict_first"} - settings.model_fields_set
    return settings.model_copy(update=dict.fromkeys(waits, timedelta(0)))


def database_error(misfortune: Misfortune, dialect: str) -> Exception:
    """The error of the driver by which a database says that others were in the way, or that it failed itself."""
    if dialect == "postgresql":
        from psycopg import errors

        kind: Any = errors.SerializationFailure if misfortune == "conflict" else errors.AdminShutdown
        return kind(f"a {misfortune} made by chaos")  # type: ignore[no-any-return]
    error = sqlite3.OperationalError("database is locked" if misfortune == "conflict" else "disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_BUSY if misfortune == "conflict" else sqlite3.SQLITE_IOERR
    return error
