"""Faults that strike the server, and what others do to it."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import ExitStack, suppress
from typing import Any, Final, Literal

import psycopg

from .backends import DATABASE, backends, one, superuser, value
from .crew import Gone
from .nemesis import Blow, Kind
from .network_faults import NETWORK_FAULTS
from .process_faults import PROCESS_FAULTS
from .scene import Scene

BACK_SECONDS: Final = 60.0
# Who listens says so, and now and then something short to see whether the connection is alive.
LISTENS: Final = "(query ILIKE 'listen%' OR query = 'SELECT 1')"


def terminate_backend(scene: Scene, blow: Blow) -> bool:
    with superuser(scene) as connection:
        pid = one(backends(connection), blow.target)
        return pid is not None and bool(value(connection, f"SELECT pg_terminate_backend({pid})"))


def cancel_backend(scene: Scene, blow: Blow) -> bool:
    """Cancel a statement that runs at this moment."""
    with superuser(scene) as connection:

        def cancel() -> bool:
            pid = one(backends(connection, "state = 'active'"), blow.target)
            return pid is not None and bool(value(connection, f"SELECT pg_cancel_backend({pid})"))

        return scene.wait_until(cancel, 2.0)


def lose_notifications(scene: Scene, blow: Blow) -> bool:
    """End the backends that listen: who listens hears nothing until it has connected again."""
    with superuser(scene) as connection:
        found = backends(connection, LISTENS)
        ended = [bool(value(connection, f"SELECT pg_terminate_backend({pid})")) for pid in found]
        return any(ended)


def kill_backend(scene: Scene, blow: Blow) -> bool:
    """``kill -9`` of one backend: the server ends all others and recovers from its log."""
    with scene.restarting:
        with superuser(scene) as connection:
            started = value(connection, "SELECT pg_postmaster_start_time()")
            pid = one(backends(connection), blow.target)
            if pid is None:
                return False
            os.kill(pid, signal.SIGKILL)
            broke = scene.wait_until(lambda: is_broken(connection), 10.0)
        wait_for_server(scene)
        with superuser(scene) as connection:  # the postmaster lived through it, so it was a crash and no restart
            return broke and started == value(connection, "SELECT pg_postmaster_start_time()")


def restart(scene: Scene, blow: Blow, mode: Literal["immediate", "fast"]) -> bool:
    """Stop the server, leave it down for a moment, and start it again."""
    assert scene.server is not None
    with scene.restarting:
        scene.server.stop(mode)
        try:
            scene.wait(blow.seconds)
        finally:
            scene.server.start()
        wait_for_server(scene)
    return True


def stop_immediately(scene: Scene, blow: Blow) -> bool:
    return restart(scene, blow, "immediate")


def stop_fast(scene: Scene, blow: Blow) -> bool:
    return restart(scene, blow, "fast")


def exhaust_connections(scene: Scene, blow: Blow) -> bool:
    """Take every connection that is left, and those of a few backends of the app as well."""
    assert scene.server is not None
    app = scene.server.dsn(DATABASE).replace("user=postgres", "user=app")
    refused = False
    with superuser(scene) as connection, ExitStack() as taken:
        until, patience = time.monotonic() + blow.seconds, time.monotonic() + 5.0
        while time.monotonic() < (until if refused else patience):
            try:
                taken.enter_context(psycopg.connect(app, connect_timeout=5))
            except psycopg.OperationalError as error:
                refused = refused or "slots" in str(error) or "too many" in str(error)
                pid = one(backends(connection, "application_name = 'convexpy'"), blow.target)
                if pid is not None:
                    connection.execute("SELECT pg_terminate_backend(%s)", (pid,))
                scene.wait(0.1)
    return refused


def hold_transaction(scene: Scene, blow: Blow) -> bool:
    """Somebody's long report: one snapshot, kept open, so that nothing that died since can be cleared away."""
    with superuser(scene) as connection:
        connection.execute("BEGIN ISOLATION LEVEL SERIALIZABLE")
        before = value(connection, "SELECT count(*) FROM effects")
        scene.wait(blow.seconds)
        after = value(connection, "SELECT count(*) FROM effects")
        if before != after:
            scene.complaints.append(f"a foreign reader's snapshot changed from {before} to {after}")
        connection.execute("ROLLBACK")
    return True


def lock_table(scene: Scene, blow: Blow) -> bool:
    """Somebody alters a table of the app, and thinks better of it."""
    with superuser(scene) as connection:
        connection.execute("SET lock_timeout = '5s'")
        connection.execute("BEGIN")
        if blow.target % 2:
            connection.execute("ALTER TABLE accounts ADD COLUMN remark text")
        else:
            connection.execute("LOCK TABLE effects IN ACCESS EXCLUSIVE MODE")
        scene.wait(blow.seconds)
        connection.execute("ROLLBACK")
    return True


def storm_deadlocks(scene: Scene, blow: Blow) -> bool:
    """Two clients move between the same two accounts in opposite orders, until the server has seen a deadlock."""
    question = f"SELECT deadlocks FROM pg_stat_database WHERE datname = '{DATABASE}'"
    with superuser(scene) as connection:
        before = value(connection, question)

        def ask(target: int) -> None:
            with suppress(Gone):
                scene.clients[target].ask("deadlocks", blow.target, 10)

        clients = [threading.Thread(target=ask, args=(blow.target + n,), daemon=True) for n in range(2)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        return scene.wait_until(lambda: value(connection, question) > before, 2.0)


def wait_for_server(scene: Scene) -> None:
    if not scene.wait_until(lambda: answers(scene), BACK_SECONDS):
        scene.complaints.append(f"the server did not answer {BACK_SECONDS:g} s after it was started")


def answers(scene: Scene) -> bool:
    try:
        with superuser(scene):
            return True
    except psycopg.Error:
        return False


def is_broken(connection: psycopg.Connection[Any]) -> bool:
    try:
        connection.execute("SELECT 1")
    except psycopg.Error:
        return True
    return False


POSTGRES_FAULTS: Final = [
    *PROCESS_FAULTS,
    *NETWORK_FAULTS,
    Kind("pg_terminate_backend", "server", terminate_backend, weight=8),
    Kind("pg_cancel_backend", "server", cancel_backend, weight=8),
    Kind("kill -9 of a backend", "server", kill_backend, weight=1, rest=1),
    Kind("stop -m immediate and start", "server", stop_immediately, weight=1, seconds=(0.0, 1.0), rest=2),
    Kind("stop -m fast and start", "server", stop_fast, weight=1, seconds=(0.0, 1.0), rest=2),
    Kind("connections exhausted", "server", exhaust_connections, weight=2, seconds=(0.3, 1.0)),
    Kind("notifications lost", "server", lose_notifications, weight=4),
    Kind("long foreign transaction", "strangers", hold_transaction, weight=1, seconds=(1.0, 6.0)),
    Kind("table locked by a stranger", "strangers", lock_table, weight=2, seconds=(0.1, 1.0)),
    Kind("table locked for too long", "strangers", lock_table, weight=1, seconds=(2.2, 3.0)),
    Kind("deadlocks", "load", storm_deadlocks, weight=2),
]
