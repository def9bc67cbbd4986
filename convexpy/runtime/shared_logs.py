"""``SharedLogs``: the log of this process, and of the others as far as they show theirs.

Nothing is written unless somebody looks. The process that is asked says so in the database every ten seconds; another
one finds that out at most every five seconds, and only if it has logged something since, or at its heartbeat, in the
statement that it sends anyway. Then it writes what is new, at most once a second, until nobody has looked for half a
minute.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import islice
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection

from ..clock import Clock
from ..database import log_lines
from ..database.database import Database
from ..database.log_lines import Portion, PortionKey, Watch
from ..database.workers import this_host
from ..errors import text_of
from ..fork import in_child
from .events import Run, RunListeners
from .log_filter import LogFilter
from .log_ring import LogLine, LogRing, RingHandler

logger = logging.getLogger("convexpy.logs")

ROOT: Final = "convexpy"
ASKED_FOR: Final = 15.0
"""Somebody looks by this process for so many seconds after each question."""
WATCH_SECONDS: Final = 10.0
LOOK_SECONDS: Final = 5.0
SHOW_SECONDS: Final = 1.0
PATIENCE_SECONDS: Final = 20.0
MOST_AT_ONCE: Final = 200
"""Lines of one second that are shown to others; the newest."""
MOST_AT_FIRST: Final = 1000
MOST_BYTES: Final = 256 * 1024
"""Of one row, about."""
MOST_ROWS: Final = 60
"""Of one process. Then they are replaced by one with the newest lines."""


class Shown(NamedTuple):
    """What a process shows of its log."""

    process: str
    host: str
    pid: int
    lines: Iterator[LogLine]
    """Those that may fit, the newest first."""


class SharedLogs:
    """The logs of one app. They begin when this process begins to serve or to work."""

    def __init__(self, database: Database, clock: Clock, listeners: RunListeners) -> None:
        self._database = database
        self._clock = clock
        self._listeners = listeners
        self._handled: list[tuple[logging.Logger, RingHandler]] = []
        self._begin()
        in_child.add(self._begin_in_child)

    def _begin(self) -> None:
        self.ring = LogRing()
        self.process = secrets.token_hex(16)
        self._mutex = threading.Lock()
        self._awake = threading.Event()
        self._is_closed = False
        self._thread: threading.Thread | None = None
        self._asked = self._said = float("-inf")
        self._seen = -1
        self._others_look_until: datetime | None = None
        self._shown = self._rows = 0
        self._has_rows = False
        self._known: dict[PortionKey, tuple[Portion, list[LogLine]]] = {}

    def begin(self, package: str) -> None:
        """Keep what is logged from now on, by convexpy and by this package."""
        if not self._handled:
            handler = RingHandler(self._note_record)
            self._listeners.add(self._note_run)
            for name in {ROOT, package.partition(".")[0]}:
                logging.getLogger(name).addHandler(handler)
                self._handled.append((logging.getLogger(name), handler))

    def stop(self) -> None:
        """Keep nothing more, and show nothing more."""
        with self._mutex:
            self._is_closed, thread = True, self._thread
            handled, self._handled = self._handled, []
        for name, handler in handled:
            name.removeHandler(handler)
        self._awake.set()
        if thread is not None:
            thread.join(PATIENCE_SECONDS)

    def seen(self, watched: str | None) -> None:
        """A heartbeat has found out who looks."""
        if watched is not None and self._is_looked_at(Watch.read(watched)):
            self._wake()

    def read(self, connection: Connection, wanted: LogFilter) -> list[Shown]:
        """What all processes show, this one first. They know now that somebody looks."""
        was_asked, self._asked = time.monotonic() - self._asked <= ASKED_FOR, time.monotonic()
        if not was_asked:
            self._wake()
        own = self.ring.newest(wanted.after.get(self.process, 0), wanted.may_be)
        found = [Shown(self.process, this_host().partition(" ")[0], os.getpid(), own)]
        for process, rows in self._others(connection).items():
            found.append(Shown(process, rows[0][0].host, rows[0][0].pid, newest_of(rows)))
        return found

    def _others(self, connection: Connection) -> dict[str, list[tuple[Portion, list[LogLine]]]]:
        """The rows of other processes, the newest first. What was read before is not read again."""
        keys = log_lines.portion_keys(connection, self.process, self._clock.now())
        with self._mutex:
            known = dict(self._known)
        new = log_lines.read_portions(connection, [key for key in keys if key not in known])
        for portion in new:
            known[portion.key] = portion, [LogLine(**line) for line in portion.lines]
        kept = {key: known[key] for key in keys if key in known}
        with self._mutex:
            self._known = kept
        found: dict[str, list[tuple[Portion, list[LogLine]]]] = {}
        for key, row in kept.items():
            found.setdefault(key.process, []).append(row)
        return found

    def _note_run(self, run: Run) -> None:
        self.ring.note_run(run)
        if self._thread is None:
            self._start()

    def _note_record(self, record: logging.LogRecord) -> None:
        self.ring.note_record(record)
        if self._thread is None:
            self._start()

    def _start(self) -> None:
        with self._mutex:
            if self._thread is None and not self._is_closed:
                self._thread = threading.Thread(target=self._run, name="convexpy-logs", daemon=True)
                self._thread.start()

    def _wake(self) -> None:
        """Somebody looks: act at once, if this process keeps a log."""
        self._awake.set()
        if self._handled:
            self._start()

    # The thread. It runs while there is something new, or somebody looks.

    def _run(self) -> None:
        while not self._is_closed:
            try:
                seconds = self.tick()
            except Exception as error:  # the database is away, which others say
                seconds = LOOK_SECONDS
                logger.debug("lines of the log could not be shown to others: %s", text_of(error))
            self._awake.wait(seconds)
            self._awake.clear()
            with self._mutex:
                if self._is_idle:
                    self._thread = None
                    return
        if self._has_rows:
            with suppress(Exception), self._database.write_internal() as connection:
                log_lines.forget_lines(connection, self.process)

    @property
    def _is_idle(self) -> bool:
        """Whether there is nothing new, and nobody looks."""
        is_asked = time.monotonic() - self._asked <= ASKED_FOR
        return not self._is_closed and self.ring.last == self._seen and not is_asked and not self._others_look_until

    def tick(self) -> float:
        """Say that somebody looks, and show what is new if others do. How many seconds until the next time."""
        now = time.monotonic()
        if now - self._asked <= ASKED_FOR and now - self._said >= WATCH_SECONDS:
            with self._database.write_internal() as connection:
                log_lines.write_watch(connection, self.process, self._clock.now())
            self._said = now
        if self._others_look_until is None:
            if self.ring.last == self._seen:
                return LOOK_SECONDS  # nothing new: nobody misses anything
            self._seen = self.ring.last
            with self._database.read_internal() as connection:
                if not self._is_looked_at(log_lines.read_watch(connection)):
                    return LOOK_SECONDS
        self._show()
        return LOOK_SECONDS if self._others_look_until is None else SHOW_SECONDS

    def _is_looked_at(self, watch: Watch | None) -> bool:
        """Whether others look. One who looks by this process sees its log anyway."""
        now = self._clock.now()
        if watch is not None and watch.process != self.process and watch.is_fresh(now):
            self._others_look_until = watch.time + log_lines.WATCHED_FOR
        elif self._others_look_until is not None and now > self._others_look_until:
            self._others_look_until = None
        return self._others_look_until is not None

    def _show(self) -> None:
        """Write what is new, and look whether somebody still looks."""
        anew = self._rows == 0 or self._rows >= MOST_ROWS
        most, after = (MOST_AT_FIRST, 0) if anew else (MOST_AT_ONCE, self._shown)
        lines = documents(islice(self.ring.newest(after), most))
        if not lines:
            with self._database.read_internal() as connection:
                self._is_looked_at(log_lines.read_watch(connection))
            return
        last = max(line["number"] for line in lines)
        with self._database.write_internal() as connection:
            key = PortionKey(self.process, last)
            log_lines.write_lines(connection, key, self._clock.now(), lines, anew=anew)
            watch = log_lines.read_watch(connection)
        self._shown, self._rows, self._has_rows = last, 1 if anew else self._rows + 1, True
        if not self._is_looked_at(watch):
            self._rows = 0  # the next one who looks is shown everything anew

    def _begin_in_child(self) -> None:
        """In a child, nothing of it runs, until it begins."""
        self._begin()


def documents(newest: Iterator[LogLine]) -> list[dict[str, Any]]:
    """Lines as JSON, as many of the newest as one row holds."""
    found, size = [], 0
    for line in newest:
        found.append(line.document())
        size += 200 + len(line.text) + len(line.trace or "")
        if size >= MOST_BYTES:
            break
    return found


def newest_of(rows: Sequence[tuple[Portion, list[LogLine]]]) -> Iterator[LogLine]:
    """The lines of one process, the newest first, each once."""
    before: float = float("inf")
    for _, lines in sorted(rows, key=lambda row: -row[0].key.number):
        for line in lines:
            if line.number < before:
                before = line.number
                yield line
