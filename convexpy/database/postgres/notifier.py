"""Commits of other processes, heard by LISTEN and told by NOTIFY: at most one every few milliseconds, off the path."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from sqlalchemy import URL

from ...settings import Settings
from ..timer import Timer
from .connection import connect_arguments, cut_off, cut_off_silent, execute

CHANNEL: Final = "convexpy"
# A NOTIFY takes a lock of the whole server's when it commits, so many commits share one.
PAUSE_SECONDS: Final = 0.005
PING_SECONDS: Final = 30.0
PATIENCE_SECONDS: Final = 5.0
logger = logging.getLogger("convexpy.database")


class NullNotifier:
    """No signals, for servers and poolers that pass none on: other processes' commits are found by looking."""

    def send(self, driver: Any = None) -> None:
        return

    def watch(self, heard: Callable[[], None]) -> None:
        return

    def stop(self) -> None:
        return

    def close(self) -> None:
        return


class PostgresNotifier:
    """Sends on a thread that coalesces, and listens on a connection of its own that is made again when it breaks."""

    def __init__(self, url: URL, settings: Settings, timer: Timer, execute: Callable[[str], None]) -> None:
        self._url = url
        self._timer = timer
        self._settings = settings
        self._execute = execute
        self._myself = secrets.token_hex(4)
        self._mutex = threading.Lock()
        self._word = f"NOTIFY {CHANNEL}, '{self._myself}'"
        self._to_send = threading.Event()
        self._owes = False
        self._sent = 0.0
        self._stopped = threading.Event()
        self._closed = threading.Event()
        self._sender: threading.Thread | None = None
        self._listener: threading.Thread | None = None
        self._driver: Any = None

    def send(self, driver: Any = None) -> None:
        if driver is not None and self._send_along(driver):
            return
        self._owes = True
        self._to_send.set()
        if self._sender is None:
            with self._mutex:
                if self._sender is None:
                    self._sender = threading.Thread(target=self._send_all, name="convexpy-notify", daemon=True)
                    self._sender.start()

    def _send_along(self, driver: Any) -> bool:
        """Send on a connection that is at hand. False: that was done a moment ago, or it failed."""
        if time.monotonic() - self._sent < PAUSE_SECONDS:
            return False
        self._sent = time.monotonic()
        try:
            execute(driver, self._word)
        except Exception as error:
            logger.debug("a notification could not be sent: %s", error)
            return False
        return True

    def watch(self, heard: Callable[[], None]) -> None:
        self._stopped.clear()
        listener = threading.Thread(target=self._listen, args=(heard,), name="convexpy-listen", daemon=True)
        listener.start()
        self._listener = listener  # a signal may strike in between, and then there is nothing to wait for

    def stop(self) -> None:
        self._stopped.set()
        if self._driver is not None:
            cut_off(self._driver)
        if self._listener is not None:
            self._listener.join(timeout=PATIENCE_SECONDS)
            self._listener = None

    def close(self) -> None:
        self.stop()
        self._closed.set()
        self._to_send.set()
        if self._sender is not None:
            self._sender.join(timeout=PATIENCE_SECONDS)

    def _send_all(self) -> None:
        failures = 0
        while True:
            self._to_send.wait()
            self._to_send.clear()
            if not self._owes:
                if self._closed.is_set():
                    return
                continue
            self._owes = False
            try:
                self._sent = time.monotonic()
                self._execute(self._word)
                failures = 0
            except Exception as error:
                failures += 1
                logger.debug("a notification could not be sent: %s", error)
            self._closed.wait(PAUSE_SECONDS if not failures else self._settings.backoff(failures).total_seconds())
            if self._closed.is_set():
                self._to_send.set()  # what is owed still goes out, and nothing after that

    def _listen(self, heard: Callable[[], None]) -> None:
        failures = 0
        while not self._stopped.is_set():
            began = time.monotonic()
            try:
                self._listen_until_it_breaks(heard)
            except Exception as error:
                if self._stopped.is_set():
                    return
                failures = failures + 1 if time.monotonic() - began < PING_SECONDS else 1
                logger.info("the connection that listens broke and is made again: %s", str(error).strip())
                self._stopped.wait(self._settings.backoff(failures).total_seconds())

    def _listen_until_it_breaks(self, heard: Callable[[], None]) -> None:
        self._driver = driver = connect_driver(self._url, self._settings)
        try:
            driver.execute(f"LISTEN {CHANNEL}")
            heard()  # whatever was committed while nobody listened
            while not self._stopped.is_set():
                notifications = list(driver.notifies(timeout=PING_SECONDS, stop_after=1))
                if any(notification.payload != self._myself for notification in notifications):
                    heard()
                if notifications:
                    continue
                with self._timer.limit(PATIENCE_SECONDS, partial(cut_off_silent, driver)):
                    driver.execute("SELECT 1")  # a connection that is dead says nothing by itself
        finally:
            self._driver = None
            driver.close()


def connect_driver(url: URL, settings: Settings) -> Any:
    """A connection of the driver's, outside of every pool."""
    import psycopg

    arguments, options = url.get_dialect()().create_connect_args(url)
    options.update(connect_arguments(url, settings))
    return psycopg.connect(*arguments, autocommit=True, **options)
