"""A run: writers and readers as processes, what strikes them, and the verdict on every reader's account."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from servers.postgres import Server, server
from sqlalchemy import NullPool, create_engine, text
from support.fork_server import Forked

from convexpy import Convex, Settings
from stress.live_log import app
from stress.live_log.judge import Place, Verdict, judge, judge_subscribers

# What a COMMIT has answered outlives the server's process, though not the machine.
SERVER: Final = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "on",
    "wal_writer_delay": "10s",
    "max_connections": "120",
}
MAIN: Final = "stress.live_log.roles:main"
LOST_IDS: Final = 20
WRITERS: Final = 3
READERS: Final = 3
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """Of one run."""

    database: str
    commits: int
    seed: int
    seconds: float = 600.0
    """How long it may take to make the commits; after that it goes on with fewer."""
    faults: bool = True
    followers: int = 4
    """Processes with 25 subscribers each."""


class Run:
    """The processes of a run."""

    def __init__(self, options: Options, url: str, folder: Path, started: Server | None) -> None:
        self._options = options
        self._url = url
        self._folder = folder
        self._server = started
        self._rng = random.Random(options.seed)
        self._engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool)
        self._stops = {role: folder / f"stop {role}" for role in ("write", "read", "prune", "follow")}
        self._processes: dict[str, Forked] = {}
        self._faults: list[Callable[[], None]] = []
        self.struck: dict[str, int] = {}

    def prepare(self) -> None:
        with Convex(self._url, functions=app, settings=Settings()) as convex:
            convex.migrate()
        with self._engine.begin() as connection:
            connection.exec_driver_sql(app.TABLE[connection.dialect.name])
            app.counters.create_all(connection)
            for table in (app.ONE, app.OTHER):
                connection.execute(table.insert(), [{"key": key, "n": 0} for key in range(app.KEYS)])

    def start(self, role: str, number: int) -> None:
        name = f"{role} {number}"
        more = [str(self.account(role, number))] if role in ("read", "follow") else []
        seed = str(self._rng.randrange(10**6))
        args = [role, self._url, seed, str(self._stops[role]), *more]
        with (self._folder / "errors").open("ab") as errors:
            self._processes[name] = Forked(MAIN, args, self._folder, dict(os.environ), errors.fileno())

    def account(self, role: str, number: int) -> Path:
        return self._folder / f"{role} {number}.jsonl"

    def commits(self) -> int:
        with suppress(Exception), self._engine.connect() as connection:
            return int(connection.execute(text("SELECT count(*) FROM tokens")).scalar_one())
        return -1

    def places(self) -> dict[str, Place]:
        with self._engine.connect() as connection:
            rows = connection.execute(text("SELECT token, life, place FROM tokens")).all()
            return {row.token: (row.life, row.place) for row in rows}

    def numbers(self) -> dict[int, int]:
        """What each counter is."""
        with self._engine.connect() as connection:
            return {row.key: row.n for row in connection.execute(app.ONE.select())}

    def strike(self) -> None:
        """One fault."""
        if not self._faults:  # each once, in some order, and then again
            self._faults = [self.kill_a_writer, self.freeze_a_reader, self.freeze_a_follower]
            if self._server is not None:
                self._faults += [self.cut_a_connection, self.cut_a_connection, self.crash_the_server]
            self._rng.shuffle(self._faults)
        fault = self._faults.pop()
        self.struck[fault.__name__] = self.struck.get(fault.__name__, 0) + 1
        fault()

    def kill_a_writer(self) -> None:
        number = self._rng.randrange(WRITERS)
        process = self._processes[f"write {number}"]
        process.kill()
        process.wait()
        self.start("write", number)

    def freeze_a_reader(self) -> None:
        self.freeze(self._processes[f"read {self._rng.randrange(READERS)}"])

    def freeze_a_follower(self) -> None:
        self.freeze(self._processes[f"follow {self._rng.randrange(self._options.followers)}"])

    def freeze(self, process: Forked) -> None:
        process.send_signal(signal.SIGSTOP)
        time.sleep(self._rng.random() * 1.5)
        process.send_signal(signal.SIGCONT)

    def cut_a_connection(self) -> None:
        with suppress(Exception), self._engine.connect() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND datname = current_database() ORDER BY random() LIMIT 1"
            )

    def crash_the_server(self) -> None:
        """After it, ids of transactions that were rolled back are given out again, below what readers have seen."""
        assert self._server is not None
        reader = self._processes[f"read {self._rng.randrange(READERS)}"]
        others = [process for name, process in self._processes.items() if not name.startswith(("read", "follow"))]
        self.signal(others, signal.SIGSTOP)
        for _ in range(LOST_IDS):
            self.next_id("SELECT pg_current_xact_id()::text::bigint")
        time.sleep(0.5)  # every reader has a snapshot after that
        reached = self.next_id()
        self.signal([reader], signal.SIGSTOP)
        self._server.stop("immediate")
        self._server.start()
        self.signal(others, signal.SIGCONT)
        until = time.monotonic() + 10
        while self.next_id() <= reached and time.monotonic() < until:
            time.sleep(0.02)
        self.signal([reader], signal.SIGCONT)

    def next_id(self, statement: str = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint") -> int:
        with suppress(Exception), self._engine.connect() as connection:
            return int(connection.exec_driver_sql(statement).scalar_one())  # rolled back
        return -1

    def signal(self, processes: list[Forked], number: int) -> None:
        for process in processes:
            process.send_signal(number)

    def finish(self, role: str) -> None:
        """Let the processes of a role come to an end."""
        self._stops[role].touch()
        for name, process in self._processes.items():
            if name.startswith(role):
                process.wait(60)

    def kill(self) -> None:
        for process in self._processes.values():
            with suppress(ProcessLookupError):
                process.kill()
            process.wait()


def run(options: Options, progress: Progress = print) -> Verdict:
    """Make so many commits, strike meanwhile, and judge what every reader found."""
    verdict = Verdict()
    with database(options) as (url, folder, started):
        running = Run(options, url, folder, started)
        running.prepare()
        try:
            for role, many in (("read", READERS), ("follow", options.followers), ("write", WRITERS), ("prune", 1)):
                for number in range(many):
                    running.start(role, number)
            until = time.monotonic() + options.seconds
            rng = random.Random(options.seed)
            while (done := running.commits()) < options.commits and time.monotonic() < until:
                progress(f"{done} of {options.commits} commits, {sum(running.struck.values())} faults")
                time.sleep(0.5 + rng.random())
                if options.faults and done > 0:
                    running.strike()
            for role in ("write", "prune", "read", "follow"):
                running.finish(role)
            places, numbers = running.places(), running.numbers()
            for number in range(READERS):
                verdict.add(judge(running.account("read", number), places))
            for number in range(options.followers):
                verdict.add(judge_subscribers(running.account("follow", number), numbers))
        finally:
            running.kill()
        said = (folder / "errors").read_text(errors="replace").strip()
        progress(f"{len(places)} commits; {running.struck}; {verdict}" + (f"\n{said[-2000:]}" if said else ""))
    return verdict


@contextmanager
def database(options: Options) -> Iterator[tuple[str, Path, Server | None]]:
    with TemporaryDirectory(prefix="convexpy-live-log-") as folder:
        if options.database == "sqlite":
            yield f"sqlite:///{folder}/live.db", Path(folder), None
        else:
            with server(SERVER) as started:
                yield started.url(), Path(folder), started
