"""Notifications of commits between processes by LISTEN and NOTIFY: coalesced, and outside the user's transactions."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from sqlalchemy import URL

from ...fork import in_child
from ...settings import Settings
from ..timer import Timer
from .connection import connect_arguments, cut_off, cut_off_silent, execute
from .sockets import SOCKETS

CHANNEL: Final = "convexpy"
# NOTIFY takes a lock on the whole cluster when it commits, so many commits share one.
PAUSE_SECONDS: Final = 0.005
PING_SECONDS: Final = 30.0
TIMEOUT_SECONDS: Final = 5.0
logger = logging.getLogger("convexpy.database")


class PostgresNotifier:
    """Sends on a committed transaction's connection or on a thread, and listens on a connection of its own."""

    def __init__(self, url: URL, settings: Settings, timer: Timer, execute_statement: Callable[[str], None]) -> None:
        """``execute_statement`` executes on one of the framework's connections."""
        self._url = url
        self._timer = timer
        self._settings = settings
        self._execute_statement = execute_statement
        self._closed = threading.Event()
        self._begin()
        in_child.add(self._begin)

    def _begin(self) -> None:
        self._process_id = secrets.token_hex(4)  # the payload: a listener skips what its own process sent
        self._statement = f"NOTIFY {CHANNEL}, '{self._process_id}'"
        self._mutex = threading.Lock()
        self._wake_sender = threading.Event()
        self._is_pending = False
        self._sent_at = 0.0
        self._stopped = threading.Event()
        self._sender: threading.Thread | None = None
        self._listener: threading.Thread | None = None
        self._driver: Any = None

    def notify(self, driver: Any = None) -> None:
        if driver is not None and self._send_on(driver):
            return
        self._is_pending = True
        self._wake_sender.set()
        if self._sender is None:
            with self._mutex:
                if self._sender is None:
                    self._sender = threading.Thread(target=self._send_pending, name="convexpy-notify", daemon=True)
                    self._sender.start()

    def _send_on(self, driver: Any) -> bool:
        """Send on a connection that has just committed. False: the last one was just sent, or this one failed."""
        if time.monotonic() - self._sent_at < PAUSE_SECONDS:
            return False
        self._sent_at = time.monotonic()
        try:
            execute(driver, self._statement)
        except Exception as error:
            logger.debug("a notification could not be sent: %s", error)
            return False
        return True

    def listen(self, callback: Callable[[], None]) -> None:
        self._stopped.clear()
        listener = threading.Thread(target=self._receive, args=(callback,), name="convexpy-listener", daemon=True)
        listener.start()
        self._listener = listener  # set after start(): if a signal handler interrupts it, stop() has nothing to join

    def stop(self) -> None:
        self._stopped.set()
        if self._driver is not None:
            cut_off(self._driver)
        if self._listener is not None:
            self._listener.join(timeout=TIMEOUT_SECONDS)
            self._listener = None

    def close(self) -> None:
        self.stop()
        self._closed.set()
        self._wake_sender.set()
        if self._sender is not None:
            self._sender.join(timeout=TIMEOUT_SECONDS)

    def _send_pending(self) -> None:
        failures = 0
        while True:
            self._wake_sender.wait()
            self._wake_sender.clear()
            if not self._is_pending:
                if self._closed.is_set():
                    return
                continue
            self._is_pending = False
            try:
                self._sent_at = time.monotonic()
                self._execute_statement(self._statement)
                failures = 0
            except Exception as error:
                failures += 1
                logger.debug("a notification could not be sent: %s", error)
            self._closed.wait(PAUSE_SECONDS if not failures else self._settings.backoff(failures).total_seconds())
            if self._closed.is_set():
                self._wake_sender.set()  # what is pending is still sent, then the thread ends

    def _receive(self, callback: Callable[[], None]) -> None:
        failures = 0
        while not self._stopped.is_set():
            began = time.monotonic()
            try:
                self._receive_on_one_connection(callback)
            except Exception as error:
                if self._stopped.is_set():
                    return
                failures = failures + 1 if time.monotonic() - began < PING_SECONDS else 1
                logger.info("the listening connection broke, connecting again: %s", str(error).strip())
                self._stopped.wait(self._settings.backoff(failures).total_seconds())

    def _receive_on_one_connection(self, callback: Callable[[], None]) -> None:
        self._driver = driver = connect_driver(self._url, self._settings)
        try:
            driver.execute(f"LISTEN {CHANNEL}")
            callback()  # for commits before LISTEN
            while not self._stopped.is_set():
                notifications = list(driver.notifies(timeout=PING_SECONDS, stop_after=1))
                if any(notification.payload != self._process_id for notification in notifications):
                    callback()
                if notifications:
                    continue
                with self._timer.limit(TIMEOUT_SECONDS, partial(cut_off_silent, driver)):
                    driver.execute("SELECT 1")  # only a round trip shows that the connection is alive
        finally:
            self._driver = None
            driver.close()


def connect_driver(url: URL, settings: Settings) -> Any:
    """A psycopg connection outside every pool."""
    import psycopg

    arguments, options = url.get_dialect()().create_connect_args(url)
    options.update(connect_arguments(url, settings))
    driver = psycopg.connect(*arguments, autocommit=True, **options)
    SOCKETS.add(driver)
    return driver
