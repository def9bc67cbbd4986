"""Faults of the server, and of other clients that use it."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import ExitStack, suppress
from typing import Any, Final, Literal

import psycopg

from .backends import DATABASE, backends, one, superuser, value
from .nemesis import FaultKind, PlannedFault
from .network_faults import NETWORK_FAULTS
from .process_faults import PROCESS_FAULTS
from .processes import ProcessGone
from .targets import Targets

BACK_SECONDS: Final = 60.0
# A listener executes LISTEN, and now and then a short query to see whether the connection is alive.
LISTENS: Final = "(query ILIKE 'listen%' OR query = 'SELECT 1')"


def terminate_backend(targets: Targets, fault: PlannedFault) -> bool:
    with superuser(targets) as connection:
        pid = one(backends(connection), fault.target)
        return pid is not None and bool(value(connection, f"SELECT pg_terminate_backend({pid})"))


def cancel_backend(targets: Targets, fault: PlannedFault) -> bool:
    """Cancel a statement that runs at this moment."""
    with superuser(targets) as connection:

        def cancel() -> bool:
            pid = one(backends(connection, "state = 'active'"), fault.target)
            return pid is not None and bool(value(connection, f"SELECT pg_cancel_backend({pid})"))

        return targets.wait_until(cancel, 2.0)


def lose_notifications(targets: Targets, fault: PlannedFault) -> bool:
    """End the backends that listen: a listener is not notified until it has connected again."""
    with superuser(targets) as connection:
        found = backends(connection, LISTENS)
        ended = [bool(value(connection, f"SELECT pg_terminate_backend({pid})")) for pid in found]
        return any(ended)


def kill_backend(targets: Targets, fault: PlannedFault) -> bool:
    """``kill -9`` of one backend: the server ends all others and recovers from its log."""
    with targets.restarting:
        with superuser(targets) as connection:
            started = value(connection, "SELECT pg_postmaster_start_time()")
            pid = one(backends(connection), fault.target)
            if pid is None:
                return False
            os.kill(pid, signal.SIGKILL)
            broke = targets.wait_until(lambda: is_broken(connection), 10.0)
        wait_for_server(targets)
        with superuser(targets) as connection:  # the postmaster lived through it, so it was a crash and no restart
            return broke and started == value(connection, "SELECT pg_postmaster_start_time()")


def restart(targets: Targets, fault: PlannedFault, mode: Literal["immediate", "fast"]) -> bool:
    """Stop the server, leave it down for a moment, and start it again."""
    assert targets.server is not None
    with targets.restarting:
        targets.server.stop(mode)
        try:
            targets.wait(fault.seconds)
        finally:
            targets.server.start()
        wait_for_server(targets)
    return True


def stop_immediately(targets: Targets, fault: PlannedFault) -> bool:
    return restart(targets, fault, "immediate")


def stop_fast(targets: Targets, fault: PlannedFault) -> bool:
    return restart(targets, fault, "fast")


def exhaust_connections(targets: Targets, fault: PlannedFault) -> bool:
    """Take every connection that is left, and those of a few backends of the app as well."""
    assert targets.server is not None
    app = targets.server.dsn(DATABASE).replace("user=postgres", "user=app")
    refused = False
    with superuser(targets) as connection, ExitStack() as taken:
        until, patience = time.monotonic() + fault.seconds, time.monotonic() + 5.0
        while time.monotonic() < (until if refused else patience):
            try:
                taken.enter_context(psycopg.connect(app, connect_timeout=5))
            except psycopg.OperationalError as error:
                refused = refused or "slots" in str(error) or "too many" in str(error)
                pid = one(backends(connection, "application_name = 'convexpy'"), fault.target)
                if pid is not None:
                    connection.execute("SELECT pg_terminate_backend(%s)", (pid,))
                targets.wait(0.1)
    return refused


def hold_transaction(targets: Targets, fault: PlannedFault) -> bool:
    """The long report of another client: one snapshot, kept open, so that no row deleted since can be vacuumed."""
    with superuser(targets) as connection:
        connection.execute("BEGIN ISOLATION LEVEL SERIALIZABLE")
        before = value(connection, "SELECT count(*) FROM effects")
        targets.wait(fault.seconds)
        after = value(connection, "SELECT count(*) FROM effects")
        if before != after:
            targets.problems.append(f"a foreign reader's snapshot changed from {before} to {after}")
        connection.execute("ROLLBACK")
    return True


def lock_table(targets: Targets, fault: PlannedFault) -> bool:
    """Another client alters a table of the app, and rolls back."""
    with superuser(targets) as connection:
        connection.execute("SET lock_timeout = '5s'")
        connection.execute("BEGIN")
        if fault.target % 2:
            connection.execute("ALTER TABLE accounts ADD COLUMN remark text")
        else:
            connection.execute("LOCK TABLE effects IN ACCESS EXCLUSIVE MODE")
        targets.wait(fault.seconds)
        connection.execute("ROLLBACK")
    return True


def storm_deadlocks(targets: Targets, fault: PlannedFault) -> bool:
    """Two clients move between the same two accounts in opposite config, until the server has seen a deadlock."""
    question = f"SELECT deadlocks FROM pg_stat_database WHERE datname = '{DATABASE}'"
    with superuser(targets) as connection:
        before = value(connection, question)

        def ask(target: int) -> None:
            with suppress(ProcessGone):
                targets.clients[target].ask("deadlocks", fault.target, 10)

        clients = [threading.Thread(target=ask, args=(fault.target + n,), daemon=True) for n in range(2)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        return targets.wait_until(lambda: value(connection, question) > before, 2.0)


def wait_for_server(targets: Targets) -> None:
    if not targets.wait_until(lambda: answers(targets), BACK_SECONDS):
        targets.problems.append(f"the server did not answer {BACK_SECONDS:g} s after it was started")


def answers(targets: Targets) -> bool:
    try:
        with superuser(targets):
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
    FaultKind("pg_terminate_backend", "server", terminate_backend, weight=8),
    FaultKind("pg_cancel_backend", "server", cancel_backend, weight=8),
    FaultKind("kill -9 of a backend", "server", kill_backend, weight=1, rest=1),
    FaultKind("stop -m immediate and start", "server", stop_immediately, weight=1, seconds=(0.0, 1.0), rest=2),
    FaultKind("stop -m fast and start", "server", stop_fast, weight=1, seconds=(0.0, 1.0), rest=2),
    FaultKind("connections exhausted", "server", exhaust_connections, weight=2, seconds=(0.3, 1.0)),
    FaultKind("notifications lost", "server", lose_notifications, weight=4),
    FaultKind("long foreign transaction", "other clients", hold_transaction, weight=1, seconds=(1.0, 6.0)),
    FaultKind("table locked by another client", "other clients", lock_table, weight=2, seconds=(0.1, 1.0)),
    FaultKind("table locked for too long", "other clients", lock_table, weight=1, seconds=(2.2, 3.0)),
    FaultKind("deadlocks", "load", storm_deadlocks, weight=2),
]
