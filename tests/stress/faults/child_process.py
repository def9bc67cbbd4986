"""A child process as its parent holds it: started, given commands, frozen, killed; and how to wait for something."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from types import TracebackType
from typing import Any, Self

from convexpy import Settings
from convexpy.app import Convex

from .app.models import Base
from .child_server import APP, ChildConfig, serve

# What a test may take; what it should take is a fraction of a second.
PATIENCE_SECONDS = 30.0
# Backoff and recovery as always, only faster, so that a run of many faults ends.
QUICK: dict[str, Any] = {"retry_first": 0.05, "retry_longest": 1.0, "poll_interval": 1.0, "lock_timeout": 10.0}


class Died(Exception):
    """The child is gone, whatever ended it."""


class CommandFailed(Exception):
    """The child could not carry out a command."""


def wait_until(condition: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> float:
    """Look again and again until it is so. How long it took.

    Raises:
        TimeoutError: It did not come to be.
    """
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > seconds:
            raise TimeoutError(f"not within {seconds:g} s: {what}")
        time.sleep(0.004)
    return time.monotonic() - started


@cache
def forks() -> Any:
    """Where children come from: a process that has imported everything and started nothing."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([serve.__module__, f"{__package__}.fork_server"])
    # The fork server of Python 3.11 looks for what it preloads on PYTHONPATH only.
    here, before = str(Path(__file__).parents[len(serve.__module__.split(".")) - 1]), os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in (here, before) if path)
    try:
        multiprocessing.forkserver.ensure_running()  # type: ignore[attr-defined]
    finally:
        os.environ["PYTHONPATH"] = before
    return context


@cache
def template() -> Path:
    """A database with the framework's tables and the app's."""
    path = Path(mkdtemp(prefix="faults-template-")) / "app.db"
    from sqlalchemy import create_engine

    with Convex(f"sqlite:///{path}", functions=APP, settings=Settings(sqlite_synchronous="NORMAL")) as convex:
        convex.migrate()
    engine = create_engine(f"sqlite:///{path}")
    Base.metadata.create_all(engine)
    engine.dispose()
    return path


class Sandbox:
    """A folder with a fresh database and a journal, for one scenario."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.database = folder / "app.db"
        self.journal = folder / "journal"
        self.journal.touch()
        shutil.copyfile(template(), self.database)

    def child(self, **config: Any) -> ChildProcess:
        """Start a process on this database."""
        settings = {**QUICK, **config.pop("settings", {})}
        return ChildProcess(ChildConfig(self.database, self.journal, settings=settings, **config))

    def lines(self, what: str) -> list[str]:
        """The jobs of the journal's lines of one kind."""
        return [line.split()[1] for line in self.journal.read_text().splitlines() if line.split()[0] == what]


class ChildProcess:
    """One child process. As a context manager it is stopped cleanly, or killed if it does not stop."""

    def __init__(self, config: ChildConfig) -> None:
        self.config = config
        self._pipe, theirs = forks().Pipe()
        self._process = forks().Process(target=serve, args=(config, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self._ready = False

    @property
    def pid(self) -> int:
        return int(self._process.pid)

    @property
    def exit_code(self) -> int | None:
        return self._process.exitcode  # type: ignore[no-any-return]

    def ready(self) -> Self:
        """Wait until it runs."""
        if not self._ready:
            self._ready = True
            self._receive(PATIENCE_SECONDS)
        return self

    def send(self, command: str, *args: Any) -> None:
        """Give a command without waiting for the answer; ``answer`` is due later."""
        self.ready()
        try:
            self._pipe.send((command, *args))
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Died from error

    def answer(self, seconds: float = PATIENCE_SECONDS) -> Any:
        return self._receive(seconds)

    def ask(self, command: str, *args: Any) -> Any:
        self.send(command, *args)
        return self.answer()

    def call(self, name: str, **values: Any) -> Any:
        """Call a function of the app in the child."""
        return self.ask("call", name, values)[0]

    def timed_call(self, name: str, **values: Any) -> float:
        """The same. How many seconds it took there."""
        return float(self.ask("call", name, values)[1])

    def open(self, gate: str) -> None:
        """Let through what waits at a gate, even while the child is stopping."""
        self.send("open", gate)

    def _receive(self, seconds: float) -> Any:
        try:
            if not self._pipe.poll(seconds):
                raise TimeoutError(f"the child {self.pid} did not answer within {seconds:g} s")
            kind, value = self._pipe.recv()
        except (EOFError, ConnectionResetError) as error:
            log = self.config.database.with_suffix(".log")
            raise Died(f"the child {self.pid} is gone; its log is {log}") from error
        if kind == "error":
            raise CommandFailed(value)
        return value

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        self.wait()

    def wait(self, seconds: float = PATIENCE_SECONDS) -> int | None:
        """Wait until it is gone. Its exit code, or None if it is still there."""
        self._process.join(seconds)
        return self.exit_code

    def where(self) -> str:
        """What it has logged, and where each of its threads is: for errors that say that it does not end."""
        self._signal(signal.SIGUSR1)
        self.wait(1.0)
        return self.config.database.with_suffix(".log").read_text("utf-8", "replace")

    def stop(self) -> None:
        """Stop cleanly."""
        self.send("stop")
        if self.wait() is None:
            raise TimeoutError(f"the child {self.pid} did not stop:\n{self.where()}")

    def _signal(self, number: int) -> None:
        # The fork server collects a child that ends by itself, and tells this process afterwards.
        if self._process.is_alive():
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and self._process.is_alive():
                self.stop()
        except Died:
            pass
        finally:
            if self._process.is_alive():
                self.kill()
            self._process.join()
            self._pipe.close()
            self._process.close()
