"""Processes of a contestant: one that does what it is asked, and those that work."""

from __future__ import annotations

import json
import select
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from .marks import FOLDER
from .place import Place
from .process import ROOT, end, start

PATIENCE = 300.0


class Failed(Exception):
    """A measurement that gives no figure, and why."""


class Child:
    """A script of a contestant that answers."""

    def __init__(self, python: Path, module: str, place: Place, role: str) -> None:
        self._log: IO[bytes] = TemporaryFile()  # noqa: SIM115
        command = [str(python), "-m", f"tests.bench.peers.{module}", place.to_json(), role]
        self._process = start(command, {FOLDER: place.marks}, self._log, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, command: str, *arguments: Any) -> Any:
        """Have it do something; returns what it found.

        Raises:
            Failed: It failed, or did not answer in time.
        """
        self.tell(json.dumps([command, *arguments]))
        answer = json.loads(self.line())
        if "error" in answer:
            raise Failed(f"{command}: {answer['error']}")
        return answer["result"]

    def tell(self, line: str) -> None:
        if self._process.stdin is None:
            return  # it was told everything when it was started
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise Failed(f"the process ended: {self.last_words()}") from None

    def line(self) -> str:
        """Its next line."""
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], PATIENCE)[0]:
            raise Failed(f"no answer within {PATIENCE:.0f} seconds: {self.last_words()}")
        line = self._process.stdout.readline().decode()
        if not line:
            raise Failed(f"the process ended: {self.last_words()}")
        return line

    def check_alive(self) -> None:
        if self._process.poll() is not None:
            raise Failed(f"the worker ended with {self._process.returncode}: {self.last_words()}")

    def last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return (lines or ["it said nothing"])[-1][:300]

    def end(self) -> None:
        end(self._process)
        self._log.close()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


class CommandLine(Child):
    """``convexpy worker``, as operators start it."""

    def __init__(self, python: Path, place: Place, *options: str) -> None:
        self._log = TemporaryFile()  # noqa: SIM115
        settings = {
            FOLDER: place.marks,
            "CONVEXPY_FUNCTIONS": "tests.bench.app",
            "CONVEXPY_DATABASE": place.url,
            "CONVEXPY_SQLITE_SYNCHRONOUS": place.synchronous,
            **{f"CONVEXPY_{name.upper()}": str(value) for name, value in place.options.get("settings", {}).items()},
        }
        command = [str(python), "-m", "convexpy", "worker", "--project", str(ROOT), *options]
        self._process = start(command, settings, self._log)


@contextmanager
def ended(*children: Child) -> Iterator[None]:
    """End these processes when the block is left."""
    try:
        yield
    finally:
        for child in children:
            child.end()
