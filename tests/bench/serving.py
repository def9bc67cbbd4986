"""How the speed of servers is measured, alike for every system: a function each."""

from __future__ import annotations

import sqlite3
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from .backends import Backends
from .config import Config
from .http_load import load, post
from .measures import Figures, drain_prepared
from .process import AdapterProcess, MeasurementFailed, closing
from .server_process import ServerProcess
from .systems import System

CONNECTIONS: Final = 16
CHANNELS: Final = 1_000
WARM_UP_SECONDS: Final = 1.5
SETTLING_SECONDS: Final = 3.0
LONGEST_SECONDS: Final = 120.0
# What a socket costs is seen when the server has had some before.
FIRST_SOCKETS: Final = 50
MESSAGES: Final = (
    "WITH RECURSIVE s (g) AS (SELECT 0 UNION ALL SELECT g + 1 FROM s WHERE g < {last})"
    " INSERT INTO message (channel, number) SELECT g % {channels}, 0 FROM s"
)


@contextmanager
def serving(
    backends: Backends, system: System, *, waits_for_disk: bool = True
) -> Iterator[tuple[Config, AdapterProcess, ServerProcess]]:
    """A server on a new database with ten messages a channel, and a process that writes to it."""
    with system.fresh(backends) as config:
        if config.database == "postgres" and not waits_for_disk:
            backends.execute(f"ALTER DATABASE {config.name.rpartition('/')[2]} SET synchronous_commit = off")
        writer = AdapterProcess(system.python(), system.options["writer"], config, "client")
        with closing(writer):
            writer.request("prepare")
            fill_messages(backends, config)
            backends.checkpoint(config)
            server = ServerProcess(system.python(), system.module, config)
            with closing(server):
                yield config, writer, server


def fill_messages(backends: Backends, config: Config) -> None:
    statement = MESSAGES.format(last=10 * CHANNELS - 1, channels=CHANNELS)
    if config.database == "postgres":
        backends.execute(statement, config.name.rpartition("/")[2])
        return
    connection = sqlite3.connect(config.name)
    connection.execute(statement)
    connection.commit()
    connection.close()


def requests(backends: Backends, system: System, kind: str, seconds: float) -> Figures:
    """Requests a second over a few connections, and what one costs the server. Every effect is counted."""
    body = system.options["bodies"][kind]

    def request(number: int) -> bytes:
        return post(f"/api/{kind}", body.replace("NUMBER", str(number * 7919 % CHANNELS)).encode())

    with serving(backends, system) as (config, _, server):
        warm = load(server.port, request, CONNECTIONS, min(WARM_UP_SECONDS, seconds))
        used, began = server.cpu_seconds(), time.monotonic()
        found = load(server.port, request, CONNECTIONS, seconds)
        took, used = time.monotonic() - began, server.cpu_seconds() - used
        if refused := [*warm.refused, *found.refused]:
            raise MeasurementFailed(f"{len(refused)} requests were refused, such as {refused[0]!r}")
        answered = len(warm.milliseconds) + len(found.milliseconds)
        expected = answered if kind == "mutation" else 0
        if (effects := backends.effects(config))[:2] != (expected, expected):
            raise MeasurementFailed(f"wrong counts: {expected} effects expected, found {effects}")
    cuts = statistics.quantiles(found.milliseconds, n=100)
    count = len(found.milliseconds)
    return {"requests/s": count / took, "CPU ms": used * 1000 / count, "p50": cuts[49], "p99": cuts[98]}


def pushes(backends: Backends, system: System, queries: int, sockets: int, rate: int, seconds: float) -> Figures:
    """Milliseconds from the return of COMMIT in one process to a new value at a socket's client, in another one."""
    # One writer that waits for the disk commits less often than it is to.
    with (
        serving(backends, system, waits_for_disk=False) as (config, writer, server),
        following(system, config, server, queries, sockets) as clients,
    ):
        writer.request("post", queries, rate, min(2.0, seconds))  # what compiles and loads has done so
        used = server.cpu_seconds()
        commits = writer.request("post", queries, rate, seconds)
        found: Figures = clients.request("followed", commits)
        used = server.cpu_seconds() - used
    return {"p50": found["p50"], "p99": found["p99"], "CPU ms/commit": used * 1000 / len(commits)}


def idle_sockets(backends: Backends, system: System, queries: int, sockets: int, seconds: float) -> Figures:
    """The memory of each socket, and the processor time of all of them while nothing is written."""
    few = min(queries, FIRST_SOCKETS)
    with (
        serving(backends, system) as (config, _, server),
        following(system, config, server, few, FIRST_SOCKETS),
    ):
        time.sleep(SETTLING_SECONDS)
        before = server.memory_bytes()
        with following(system, config, server, queries, sockets):
            time.sleep(SETTLING_SECONDS)
            memory, used = server.memory_bytes() - before, server.cpu_seconds()
            time.sleep(seconds)
            used = server.cpu_seconds() - used
    return {"KB/socket": memory / 1024 / sockets, "CPU %": used / seconds * 100}


def jobs_beside(backends: Backends, system: System, jobs: int, sockets: int, rate: int) -> Figures:
    """Jobs a second of a worker process, beside a server process with sockets, to which so many values a second go."""
    with serving(backends, system) as (config, writer, server), ExitStack() as stack:
        if sockets:
            stack.enter_context(following(system, config, server, CHANNELS, sockets))
        if rate:
            poster = AdapterProcess(system.python(), system.options["writer"], config, "client")
            stack.enter_context(closing(poster))
            poster.request("post", CHANNELS, rate, 1.0)
            poster.begin("post", CHANNELS, rate, LONGEST_SECONDS)
        return drain_prepared(backends, system, config, writer, "work", jobs)


@contextmanager
def following(
    system: System, config: Config, server: ServerProcess, queries: int, sockets: int
) -> Iterator[AdapterProcess]:
    """Sockets in a process of their own, each of which has its first value."""
    clients = AdapterProcess(system.python(), "sockets", config, "client")
    with closing(clients):
        clients.request("follow_at", server.port, queries, sockets)
        yield clients
