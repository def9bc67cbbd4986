"""Processes of a system under test: a client that answers commands, and workers that run jobs."""

from __future__ import annotations

import json
import os
import select
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from .config import Config
from .starts import FOLDER

ROOT = Path(__file__).parents[2]
ANSWER_TIMEOUT = 300.0


class MeasurementFailed(Exception):
    """A measurement gives no figure; the message says why."""


class AdapterProcess:
    """A system's adapter script in a process of its own, as a client or as a worker."""

    def __init__(self, python: Path, module: str, config: Config, role: str) -> None:
        self._log: IO[bytes] = TemporaryFile()  # noqa: SIM115
        command = [str(python), "-m", f"tests.bench.adapters.{module}", config.to_json(), role]
        environ = {FOLDER: config.starts}
        self._process = start(command, environ, self._log, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def request(self, command: str, *arguments: Any) -> Any:
        """Call a method of the adapter and return its result.

        Raises:
            MeasurementFailed: The method raised, or did not return in time.
        """
        self.begin(command, *arguments)
        answer = json.loads(self.read_line())
        if "error" in answer:
            raise MeasurementFailed(f"{command}: {answer['error']}")
        return answer["result"]

    def begin(self, command: str, *arguments: Any) -> None:
        """Call a method of the adapter, and do not wait for it."""
        self.send(json.dumps([command, *arguments]))

    def send(self, line: str) -> None:
        if self._process.stdin is None:
            return  # a command line has all its options from the start
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise MeasurementFailed(f"the process ended: {self.last_log_line()}") from None

    def read_line(self) -> str:
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], ANSWER_TIMEOUT)[0]:
            raise MeasurementFailed(f"no answer within {ANSWER_TIMEOUT:.0f} seconds: {self.last_log_line()}")
        line = self._process.stdout.readline().decode()
        if not line:
            raise MeasurementFailed(f"the process ended: {self.last_log_line()}")
        return line

    def check_alive(self) -> None:
        if self._process.poll() is not None:
            raise MeasurementFailed(f"the worker ended with {self._process.returncode}: {self.last_log_line()}")

    def last_log_line(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return (lines or ["its log is empty"])[-1][:300]

    def close(self) -> None:
        end(self._process)
        self._log.close()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


class WorkerCommand(AdapterProcess):
    """``convexpy worker``, as operators start it."""

    def __init__(self, python: Path, config: Config, *options: str) -> None:
        self._log = TemporaryFile()  # noqa: SIM115
        environ = {FOLDER: config.starts, **app_environment(config)}
        command = [str(python), "-m", "convexpy", "worker", "--project", str(ROOT), *options]
        self._process = start(command, environ, self._log)


def app_environment(config: Config) -> dict[str, str]:
    """The environment by which convexpy's command line finds the benchmark's app."""
    return {
        "CONVEXPY_FUNCTIONS": "tests.bench.app",
        "CONVEXPY_DATABASE": config.url,
        "CONVEXPY_SQLITE_SYNCHRONOUS": config.synchronous,
        **{f"CONVEXPY_{name.upper()}": str(value) for name, value in config.options.get("settings", {}).items()},
    }


@contextmanager
def closing(*processes: AdapterProcess) -> Iterator[None]:
    """End these processes when the block is left."""
    try:
        yield
    finally:
        for process in processes:
            process.close()


def start(
    command: list[str],
    environ: dict[str, str],
    log: IO[bytes],
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """Start a process in the repository's folder, where every interpreter finds ``-m tests.bench...``."""
    return subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=log, cwd=ROOT, env={**os.environ, **environ})


def end(process: subprocess.Popen[Any], timeout: float = 15) -> None:
    """Terminate a process, and kill it if it does not end in time."""
    process.terminate()
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
