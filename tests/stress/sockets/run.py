"""A run: servers, clients and what strikes them, and the verdict on what the clients were told."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from servers.ports import free_port
from servers.postgres import server
from sqlalchemy import text

from .client import Client
from .history import History, Wrong
from .http_writer import HttpWriter
from .ledger import Ledger, Row
from .proxy import Proxy
from .servers import ServerProcess, engine_of, make_project, make_tables
from .tokens import BY_KEY, BY_SECRET, Issuer

# What a COMMIT has answered outlives the server's process, though not the machine.
POSTGRES: Final = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "on", "max_connections": "80"}
SERVERS: Final = {"sqlite": 1, "postgres": 2}
HTTP_WRITERS: Final = 4
WRITING: Final = 3
"""One subscriber of so many writes."""
AT_ONCE: Final = 4
SETTLE_SECONDS: Final = 60.0
REPORT_SECONDS: Final = 5.0
PROGRESS: Final = 30
MOST_PROGRESS_SECONDS: Final = 10.0
ON_PURPOSE: Final = "on purpose"
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """Of one run."""

    database: str = "sqlite"
    subscribers: int = 100
    mutations: int = 20_000
    seconds: float = 600.0
    """After these it goes on with fewer mutations."""
    keys: int = 8
    """At most 8: the project knows no more."""
    seed: int = 1
    faults: bool = True
    pause: float = 1.0
    """Between faults, in seconds, on average; longer as long as few promises are resolved."""


class Run:
    """The clients of a run, and the servers."""

    def __init__(self, options: Options, url: str, project: Path, issuer: Issuer, progress: Progress) -> None:
        self._options = options
        self._url = url
        self._progress = progress
        self._issuer = issuer
        self._rng = random.Random(options.seed)
        self.ledger = Ledger()
        self.servers = [ServerProcess(project, url, free_port()) for _ in range(SERVERS[options.database])]
        self._proxy = Proxy([each.port for each in self.servers], random.Random(options.seed))
        self._clients: list[Client] = []
        self._writers: list[HttpWriter] = []
        self._tokens = 0
        self._is_over = False
        self.struck: Counter[str] = Counter()
        self._faults = History("faults")
        self._queue: list[Callable[[], Awaitable[None]]] = []

    async def run(self) -> None:
        """From the start of the servers to the verdict.

        Raises:
            Wrong: The first thing that is wrong.
        """
        for each in self.servers:
            await asyncio.to_thread(each.start)
        await self._proxy.open()
        rng = random.Random(self._options.seed)
        for number in range(self._options.subscribers):
            own = random.Random(rng.random())
            self._clients.append(
                Client(f"client {number}", self._proxy.port, self.ledger, self._issuer, own, self._options.keys)
            )
        for number in range(HTTP_WRITERS):
            own = random.Random(rng.random())
            self._writers.append(HttpWriter(f"http {number}", self._proxy.port, self.ledger, self._issuer, own))
        always = [asyncio.ensure_future(client.run()) for client in self._clients]
        try:
            await self._while_all_run(self._write_and_strike(), always)
            await self._while_all_run(self._settle(), always)
        finally:
            for task in always:
                task.cancel()
            await asyncio.gather(*always, return_exceptions=True)
            for writer in self._writers:
                await writer.close()
            self._proxy.close()
        self._judge()

    async def _while_all_run(self, work: Coroutine[Any, Any, None], always: list[asyncio.Future[None]]) -> None:
        """Do this; what goes wrong with any client ends it."""
        task = asyncio.ensure_future(work)
        await asyncio.wait([task, *always], return_when=asyncio.FIRST_COMPLETED)
        for each in [*always, task]:
            if each.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                try:
                    each.result()
                except Wrong as wrong:
                    raise Wrong(f"{wrong}\nfaults\n{self._faults}") from wrong

    # Its phases.

    async def _write_and_strike(self) -> None:
        until = time.monotonic() + self._options.seconds
        writing = [self._use(client, writes=number % WRITING == 0) for number, client in enumerate(self._clients)]
        tasks = [asyncio.ensure_future(each) for each in [*writing, *map(self._use_http, self._writers)]]
        striking = asyncio.ensure_future(self._strike()) if self._options.faults else None
        others = [] if striking is None else [striking]
        try:
            reported = time.monotonic()
            while len(self.ledger.done) < self._options.mutations and time.monotonic() < until:
                await asyncio.wait([*tasks, *others], timeout=0.2, return_when=asyncio.FIRST_EXCEPTION)
                if time.monotonic() - reported >= REPORT_SECONDS:
                    self.report()
                    reported = time.monotonic()
                for task in [*tasks, *others]:
                    if task.done():
                        task.result()
        finally:
            self._is_over = True
            if striking is not None:
                await asyncio.gather(striking, return_exceptions=True)
        self._progress("writing ends")
        await asyncio.wait_for(asyncio.gather(*tasks), SETTLE_SECONDS)

    def report(self) -> None:
        counts = self.ledger.counts
        closed = sum(many for name, many in counts.items() if name.startswith("closed"))
        self._progress(
            f"{len(self.ledger.done)} mutations of {self._options.mutations}, {len(self.ledger.acts_done)} actions, "
            f"{counts['Transition']} transitions, {sum(self.struck.values())} faults, {closed} sockets closed"
        )

    async def _settle(self) -> None:
        """Wait until nothing is under way, and every client shows what the database has.

        Raises:
            Wrong: That does not come.
        """
        numbers = self._numbers()
        until = time.monotonic() + SETTLE_SECONDS
        while True:
            late = [
                each for each in self._clients if not each.is_idle or each.reached(each.key) != numbers[each.key][0]
            ]
            if not late:
                return
            if time.monotonic() > until:
                first = late[0]
                raise first.history.wrong(
                    f"in the end it shows {first.reached(first.key)} of key {first.key}, which is "
                    f"{numbers[first.key]}; it is idle: {first.is_idle}; and {len(late) - 1} more"
                )
            await asyncio.sleep(0.1)

    def _judge(self) -> None:
        engine = engine_of(self._url)
        with engine.connect() as connection:
            rows = [Row(*row) for row in connection.execute(text("SELECT key, n, token, caller FROM entries"))]
            acts = [row.token for row in connection.execute(text("SELECT token FROM acts"))]
        self.ledger.judge(rows, self._numbers(), acts)
        if self.ledger.unresolved:
            raise Wrong(f"never resolved: {sorted(self.ledger.unresolved)[:5]}")

    def _numbers(self) -> dict[int, tuple[int, int]]:
        with engine_of(self._url).connect() as connection:
            statement = "SELECT one.key, one.n, other.n FROM one JOIN other ON one.key = other.key"
            return {row[0]: (row[1], row[2]) for row in connection.execute(text(statement))}

    # What clients do.

    def _token(self) -> str:
        self._tokens += 1
        return f"t{self._tokens}"

    async def _use(self, client: Client, *, writes: bool) -> None:
        rng, running = random.Random(self._rng.random()), set[asyncio.Future[bool]]()
        while not self._is_over:
            await asyncio.sleep(rng.random() * (0.1 if writes else 2.0))
            chance = rng.random()
            if chance < 0.02:
                client.watch(rng.randrange(self._options.keys), is_large=rng.random() < 0.1)
            elif chance < 0.04 and client.caller:
                client.log_in(client.caller, rng.choice((1.0, 3600.0)))
            elif chance < 0.06 and not any(not each.done() for each in running):
                client.log_in(self._caller(rng))
            elif chance < 0.065:
                client.leave()
            elif writes and chance < 0.1:
                running.add(asyncio.ensure_future(client.call("Action", "act", self._token())))
            elif writes:
                path = "add_and_fail" if rng.random() < 0.03 else "add"
                running.add(asyncio.ensure_future(client.call("Mutation", path, self._token(), self._key(client, rng))))
            while sum(not each.done() for each in running) >= AT_ONCE:
                await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                running = {each for each in running if not each.done()}
        if running:
            await asyncio.wait(running)

    def _key(self, client: Client, rng: random.Random) -> int:
        """Mostly the one that the client reads."""
        return client.key if rng.random() < 0.8 else rng.randrange(self._options.keys)

    def _caller(self, rng: random.Random) -> str | None:
        return rng.choice((None, f"{BY_SECRET}|u{rng.randrange(5)}", f"{BY_KEY}|u{rng.randrange(5)}"))

    async def _use_http(self, writer: HttpWriter) -> None:
        rng = random.Random(self._rng.random())
        while not self._is_over:
            writer.log_in(self._caller(rng) or "")
            key, token = rng.randrange(self._options.keys), self._token()
            await writer.add(key, token)
            if rng.random() < 0.1:
                await writer.read(key, token)
            if rng.random() < 0.05:
                await writer.act(self._token())
            await asyncio.sleep(rng.random() * 0.05)

    # What strikes them.

    async def _strike(self) -> None:
        faults = [
            *(self._cut, self._cut, self._cut_all, self._freeze, self._freeze, self._delay),
            *(self._kill_a_server, self._stop_a_server, self._freeze_a_server),
        ]
        while not self._is_over:
            await self._wait_for_progress()
            await asyncio.sleep(self._rng.random() * 2 * self._options.pause)
            if not self._queue:  # each once, in some order, and then again
                self._queue = self._rng.sample(faults, len(faults))
            fault = self._queue.pop()
            self.struck[fault.__name__.removeprefix("_")] += 1
            self._faults.add(fault.__name__)
            await fault()
            self._faults.add(f"{fault.__name__} done")

    async def _wait_for_progress(self) -> None:
        """Let the clients get on for a while, or wait until it is clear that they do not."""
        wanted = len(self.ledger.done) + PROGRESS
        until = time.monotonic() + MOST_PROGRESS_SECONDS
        while len(self.ledger.done) < wanted and time.monotonic() < until and not self._is_over:
            await asyncio.sleep(0.05)

    async def _cut(self) -> None:
        for line in self._proxy.some(20):
            line.reset()

    async def _cut_all(self) -> None:
        for line in self._proxy.some(10**6):
            line.reset()

    async def _freeze(self) -> None:
        for line in self._proxy.some(20):
            line.freeze(self._rng.random() * 8.0)

    async def _delay(self) -> None:
        for line in self._proxy.some(20):
            line.slow_down(self._rng.random() * 0.3, 4.0)

    async def _kill_a_server(self) -> None:
        struck = self._rng.choice(self.servers)
        await asyncio.to_thread(struck.end, signal.SIGKILL)
        await asyncio.to_thread(struck.start)

    async def _stop_a_server(self) -> None:
        struck = self._rng.choice(self.servers)
        code = await asyncio.to_thread(struck.end, signal.SIGTERM)
        if code != 0:
            raise Wrong(f"a server that was asked to stop ended with {code}: {struck.log.read_text()[-2000:]}")
        await asyncio.to_thread(struck.start)

    async def _freeze_a_server(self) -> None:
        await asyncio.to_thread(self._rng.choice(self.servers).freeze, self._rng.random() * 3.0)


def run(options: Options, progress: Progress = print) -> str | None:
    """Run it. What is wrong first; None: nothing is."""
    with database(options) as (url, folder):
        issuer = Issuer()
        project = make_project(folder, issuer.settings())
        make_tables(project, url, options.keys)
        running = Run(options, url, project, issuer, progress)
        wrong = None
        try:
            asyncio.run(running.run())
        except (Wrong, TimeoutError) as error:
            wrong = str(error) or "promises of a client are not resolved"
        finally:
            for each in running.servers:
                each.kill()
        ledger = running.ledger
        progress(
            f"{len(ledger.done)} mutations done, {len(ledger.failed)} failed, {len(ledger.unresolved)} not resolved; "
            f"{len(ledger.states)} states seen; faults {dict(running.struck)}; {dict(ledger.counts)}"
        )
        for failure, many in failures_of([each.log for each in running.servers]).items():
            progress(f"{many} times in the logs of servers: {failure}")
    return wrong


def failures_of(logs: list[Path]) -> Counter[str]:
    """What servers call an error in their logs, but for what is on purpose, and how often."""
    found: Counter[str] = Counter()
    for log in logs:
        for line in log.read_text(errors="replace").splitlines() if log.exists() else ():
            record = json.loads(line) if line.startswith("{") else {"level": "ERROR", "message": line}
            if record["level"] in ("ERROR", "CRITICAL") and ON_PURPOSE not in line:
                found[f"{record['message']} {record.get('traceback', '')[-1500:]}"] += 1
    return found


@contextmanager
def database(options: Options) -> Iterator[tuple[str, Path]]:
    with TemporaryDirectory(prefix="convexpy-sockets-") as folder:
        if options.database == "sqlite":
            yield f"sqlite:///{folder}/counted.db", Path(folder)
        else:
            with server(POSTGRES) as started:
                yield started.url(), Path(folder)
