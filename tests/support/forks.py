"""Forked processes that answer, and never return into the test that forked them."""

from __future__ import annotations

import os
import pickle
import select
import signal
import traceback
import warnings
from collections.abc import Callable
from typing import Any

from support.waiting import PATIENCE_SECONDS


def fork() -> int:
    """``os.fork``, which newer versions of Python warn about where there are threads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


class Child:
    """A fork of this process that does some work, answers with its result, and ends at once."""

    def __init__(self, work: Callable[[], Any]) -> None:
        reader, writer = os.pipe()
        self.pid = fork()
        if self.pid == 0:
            answer(writer, work)
        os.close(writer)
        self._reader = reader

    def result(self) -> Any:
        """What its work returned. An error of it is raised here."""
        try:
            ready, _, _ = select.select([self._reader], [], [], PATIENCE_SECONDS)
            assert ready, "the child does not answer"
            with open(self._reader, "rb", closefd=False) as answers:
                error, value = pickle.load(answers)
        finally:
            self.kill()
        assert error is None, error
        return value

    def kill(self) -> None:
        os.close(self._reader)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def answer(writer: int, work: Callable[[], Any]) -> None:
    """In a child: do the work, send its result, and end without what a process does at its end."""
    try:
        given = None, work()
    except BaseException:
        given = traceback.format_exc(), None
    with open(writer, "wb") as answers:
        pickle.dump(given, answers)
    os._exit(0)
