"""Hints for live queries between the processes on one server: sent only while another process subscribes to them.

Whoever subscribes holds a shared advisory lock on its listening connection. A process that commits asks for that lock
in the statement that notifies: if it gets it, nobody subscribes, nothing is sent, and it does not ask again for a
second. So there is no row to keep up to date, and a subscriber that died is forgotten with its connection.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from sqlalchemy import URL

from ...fork import in_child
from ...settings import Settings
from ..commits import Commit
from ..live_reader import LOOK_SECONDS
from ..timer import Timer
from .connection import cut_off, cut_off_silent
from .notifier import TIMEOUT_SECONDS, connect_driver

CHANNEL: Final = "convexpy_live"
LOCK: Final = 0x636F6E766C697665
# A session's own shared lock is not in its way: this says whether another session holds one.
IS_ALONE: Final = f"pg_try_advisory_xact_lock({LOCK})"
SUBSCRIBE: Final = f"SELECT pg_advisory_lock_shared({LOCK})"
# Two snapshots with the same text show the same.
LOOK: Final = "SELECT pg_current_snapshot()::text"
# NOTIFY takes a lock on the whole cluster when it commits, so commits that come within this time share one.
PAUSE_SECONDS: Final = 0.001
logger = logging.getLogger("convexpy.database")


class LiveChannel:
    """Wakes the live readers of this process, and notifies those of others."""

    def __init__(self, url: URL, settings: Settings, timer: Timer, query: Callable[[str], Sequence[Any]]) -> None:
        """``query`` returns the rows of a statement on one of the framework's connections."""
        self._url = url
        self._settings = settings
        self._timer = timer
        self._query = query
        self._notifies = settings.listen_notify
        self._begin()
        in_child.add(self._begin)

    def _begin(self) -> None:
        self._process_id = secrets.token_hex(4)
        self._notify = f"SELECT pg_notify('{CHANNEL}', '{self._process_id}') WHERE NOT {IS_ALONE}"
        self._mutex = threading.Lock()
        self._wakes: list[Callable[[], None]] = []
        self._silent_until = 0.0
        self._is_pending = False
        self._is_closed = False
        self._sender: threading.Thread | None = None
        self._listener: threading.Thread | None = None
        self._stopped = threading.Event()
        self._driver: Any = None

    # Sending.

    def on_commit(self, commit: Commit) -> None:
        """A commit of this process, on the thread that committed. Returns at once."""
        if not commit.writes:
            return
        for wake in tuple(self._wakes):
            wake()
        if self._notifies and not self._is_pending and time.monotonic() >= self._silent_until:
            with self._mutex:
                self._is_pending = True
                if self._sender is None and not self._is_closed:
                    self._sender = threading.Thread(target=self._send, name="convexpy-live-notify", daemon=True)
                    self._sender.start()

    def _send(self) -> None:
        """Notify as long as there is something to say and somebody to hear it."""
        while True:
            with self._mutex:
                if not self._is_pending or time.monotonic() < self._silent_until:
                    self._is_pending, self._sender = False, None
                    return
                self._is_pending = False
            try:
                was_heard = bool(self._query(self._notify))
            except Exception as error:
                logger.debug("a notification of live queries could not be sent: %s", error)
                was_heard = False
            if was_heard:
                time.sleep(PAUSE_SECONDS)
            else:
                self._silent_until = time.monotonic() + LOOK_SECONDS

    # Receiving.

    def subscribe(self, wake: Callable[[], None]) -> None:
        """Call this after every commit of any process that wrote something, or soon."""
        with self._mutex:
            self._wakes.append(wake)
            if self._listener is None:
                self._stopped = stopped = threading.Event()
                self._listener = threading.Thread(
                    target=self._receive, args=(stopped,), name="convexpy-live", daemon=True
                )
                self._listener.start()

    def unsubscribe(self, wake: Callable[[], None]) -> None:
        """Call it no more."""
        with self._mutex:
            if wake in self._wakes:
                self._wakes.remove(wake)
            if self._wakes or self._listener is None:
                return
            listener, self._listener = self._listener, None
            self._stopped.set()
            driver = self._driver
        if driver is not None:
            cut_off(driver)
        if listener is not threading.current_thread():
            listener.join(timeout=TIMEOUT_SECONDS)
        self._silent_until = 0.0

    def close(self) -> None:
        """Wake nobody any more, and send what is pending."""
        for wake in tuple(self._wakes):
            self.unsubscribe(wake)
        with self._mutex:
            sender = self._sender
            self._is_closed = True
        if sender is not None:
            sender.join(timeout=TIMEOUT_SECONDS)

    def _wake_all(self) -> None:
        for wake in tuple(self._wakes):
            wake()

    def _receive(self, stopped: threading.Event) -> None:
        failures = 0
        while not stopped.is_set():
            began = time.monotonic()
            try:
                self._receive_on_one_connection(stopped)
            except Exception as error:
                if stopped.is_set():
                    return
                failures = failures + 1 if time.monotonic() - began < TIMEOUT_SECONDS else 1
                logger.info("the connection that listens for live queries broke: %s", str(error).strip())
                self._wake_all()  # the reader's own may be broken as well
                stopped.wait(self._settings.backoff(failures).total_seconds())

    def _receive_on_one_connection(self, stopped: threading.Event) -> None:
        driver = connect_driver(self._url, self._settings)
        self._driver = driver
        try:
            if self._notifies:
                driver.execute(f"LISTEN {CHANNEL}", prepare=False)
                driver.execute(SUBSCRIBE, prepare=False)
            shown = ""
            while not stopped.is_set():
                looked, before = time.monotonic(), shown
                shown = self._look(driver)
                if shown != before:
                    self._wake_all()
                while not stopped.is_set() and (left := looked + LOOK_SECONDS - time.monotonic()) > 0:
                    if any(each.payload != self._process_id for each in driver.notifies(timeout=left, stop_after=1)):
                        self._wake_all()
        finally:
            self._driver = None
            driver.close()

    def _look(self, driver: Any) -> str:
        """What a snapshot shows now. By the way: whether another process subscribes."""
        statement = f"{LOOK}, {IS_ALONE}" if self._notifies else f"{LOOK}, true"
        with self._timer.limit(TIMEOUT_SECONDS, partial(cut_off_silent, driver)):
            shown, is_alone = driver.execute(statement, prepare=False).fetchone()
        self._silent_until = time.monotonic() + 2 * LOOK_SECONDS if is_alone else 0.0
        return str(shown)
