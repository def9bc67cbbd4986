"""``convexpy worker --processes``: one process that starts several workers, watches over them and stops them."""

from __future__ import annotations

import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from socket import socket, socketpair
from typing import Final

from .child_process import FIRST, environment
from .failure import PROBLEM
from .logs import log

LOOK_SECONDS: Final = 1.0
FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 30.0
# Who ran for this long did not end because it cannot run at all.
LONG_ENOUGH_SECONDS: Final = 60.0
# What a worker may need besides its grace. Less than what docs/deployment.md gives the service.
FAREWELL_SECONDS: Final = 15.0


class Worker:
    """One process, from its start to its end."""

    def __init__(self, number: int, command: list[str]) -> None:
        self.line, theirs = socketpair()
        with theirs:
            try:
                self._process = subprocess.Popen(
                    command,
                    env=environment(number, theirs),
                    pass_fds=[theirs.fileno()],
                    process_group=0,  # Ctrl-C is for us, and we pass it on once
                )
            except BaseException:
                self.line.close()
                raise
        self._began = time.monotonic()
        self.runs = False

    @property
    def pid(self) -> int:
        return self._process.pid

    def listen(self) -> None:
        """It said something, which can only be that it runs; or its end of the line is gone."""
        if self.line.recv(1):
            self.runs = True
        else:
            self.wait(LOOK_SECONDS)

    def exit_code(self) -> int | None:
        return self._process.poll()

    def how_it_ended(self) -> str:
        code = self._process.returncode
        return f"exit code {code}" if code >= 0 else signal.Signals(-code).name

    def ran_for(self) -> float:
        return time.monotonic() - self._began

    def wait(self, seconds: float) -> bool:
        """Whether it has ended within so many seconds."""
        try:
            self._process.wait(max(0.0, seconds))
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        self._process.kill()


class Post:
    """One of the places that are to be filled: with a worker, or soon with the next one."""

    def __init__(self, number: int, command: list[str]) -> None:
        self._number = number
        self._command = command
        self._ends = 0
        self._due = float("-inf")
        self.worker: Worker | None = None

    def fill(self) -> None:
        """See whether its worker is still there, and start another one when it is time."""
        if self.worker is not None and self.worker.exit_code() is not None:
            self._take_leave(self.worker)
        if self.worker is None and time.monotonic() >= self._due:
            self._start()

    def _start(self) -> None:
        try:
            self.worker = Worker(self._number, self._command)
        except OSError as error:
            pause = self._wait_longer()
            log.warning("process %d cannot be started: %s; tried again in %g s", self._number, error.strerror, pause)
            return
        if self._ends:
            log.info("process %d is started again, pid %d", self._number, self.worker.pid)

    def _take_leave(self, worker: Worker) -> None:
        if worker.ran_for() >= LONG_ENOUGH_SECONDS:
            self._ends = 0
        pause, how = self._wait_longer(), worker.how_it_ended()
        worker.line.close()
        self.worker = None
        log.warning("process %d, pid %d, ended: %s; another is started in %g s", self._number, worker.pid, how, pause)

    def _wait_longer(self) -> float:
        pause = min(FIRST_PAUSE_SECONDS * (1 << min(self._ends, 10)), LONGEST_PAUSE_SECONDS)
        self._ends += 1
        self._due = time.monotonic() + pause
        return pause


class Crew:
    """All of them. The first starts alone, so that what is wrong with the app or the database is said once."""

    def __init__(self, processes: int, command: list[str], grace: float) -> None:
        self._posts = [Post(number, command) for number in range(FIRST, FIRST + processes)]
        self._grace = grace
        self._is_asked = False
        self._is_complete = False
        self._asked, self._asking = socketpair()

    def work(self) -> int:
        """Keep them running until asked to stop. The exit code."""
        try:
            code = self._begin()
            if code is not None:
                return code
            while not self._is_asked:
                for post in self._posts:
                    post.fill()
                self._say_when_complete()
                self._listen()
            log.info("stopping: what runs may finish")
            return 0
        finally:
            self._stop()

    def ask_to_stop(self) -> None:
        """Stop soon. Signals call this."""
        self._is_asked = True
        with suppress(OSError):  # all is over already
            self._asking.send(b"!")

    def kill(self) -> None:
        """End them all as they are."""
        for worker in self._workers():
            worker.kill()

    def _begin(self) -> int | None:
        """Start the first, and see it run. Otherwise the exit code: it has said itself what is wrong."""
        post = self._posts[0]
        post.fill()
        if post.worker is None:
            return PROBLEM
        while not (post.worker.runs or self._is_asked):
            self._listen()
            code = post.worker.exit_code()
            if code is not None and not self._is_asked:
                if code < 0:
                    log.error("the first process ended before it ran: %s", post.worker.how_it_ended())
                return code if code >= 0 else PROBLEM
        return None

    def _say_when_complete(self) -> None:
        if not self._is_complete and all(post.worker and post.worker.runs for post in self._posts):
            self._is_complete = True
            pids = ", ".join(str(worker.pid) for worker in self._workers())
            log.info("%d processes run what is scheduled: %s", len(self._posts), pids)

    def _listen(self) -> None:
        """Wait for a word of theirs, for the end of one, or for a signal; not for long, since one may be due."""
        workers: dict[socket, Worker] = {worker.line: worker for worker in self._workers()}
        ready, _, _ = select.select([self._asked, *workers], [], [], LOOK_SECONDS)
        for line in ready:
            if line in workers:
                workers[line].listen()

    def _workers(self) -> list[Worker]:
        return [post.worker for post in self._posts if post.worker is not None]

    def _stop(self) -> None:
        workers = self._workers()
        for worker in workers:
            worker.line.close()
        deadline = time.monotonic() + self._grace + FAREWELL_SECONDS
        for worker in workers:
            if not worker.wait(deadline - time.monotonic()):
                log.warning("pid %d does not end and is killed", worker.pid)
                worker.kill()
                worker.wait(FAREWELL_SECONDS)
        self._asked.close()
        self._asking.close()


def same_again(*options: str) -> list[str]:
    """The command that starts one worker, with the same Python and the same way to find modules."""
    was_a_module = sys.modules["__main__"].__spec__ is not None  # then modules are looked for here, too
    return [sys.executable, *([] if was_a_module else ["-P"]), "-m", "convexpy", "worker", *options]
