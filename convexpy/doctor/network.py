"""What lies between this machine and a PostgreSQL server: a pooler, the network, a clock, notifications."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from .finding import Finding, about_time, note, ok, risk
from .target import Target

LONG_SILENCE: Final = 300
SKEW_SECONDS: Final = 1.0
NOTIFY_SECONDS: Final = 2.0


def check_pooler(patient: Target) -> Iterator[Finding]:
    """A pooler answers under a process id of its own, and connects to the server from a port of its own."""
    driver = driver_of(patient)
    told, real = driver.info.backend_pid, patient.ask("SELECT pg_backend_pid()")
    if told != real:
        yield pooled(patient, f"a pooler is in between: it called this connection {told}, the server calls it {real}")
    elif not is_same_port(driver, patient.ask("SELECT inet_client_port()")):
        yield note(
            "pooler",
            "the connection is relayed: the server sees another client port than this machine uses",
            "a proxy that closes idle connections, or stays connected when its client is gone, costs time at failures",
            "Nothing, if it is a plain network translation or a container's port",
        )
    else:
        yield ok("pooler", "none: the connection is the server's own")


def pooled(patient: Target, seen: str) -> Finding:
    if not (patient.settings.prepared_statements or patient.settings.listen_notify):
        return ok("pooler", f"{seen}. prepared_statements and listen_notify are off")
    return note(
        "pooler",
        seen,
        "if it hands out sessions by transaction, LISTEN hears nothing and prepared statements get lost",
        "Set prepared_statements and listen_notify to false, or let convexpy connect to the server itself",
    )


def is_same_port(driver: Any, seen: int | None) -> bool:
    """Whether the server sees the port that this end of the connection has. A socket in a file has none."""
    with socket.socket(fileno=os.dup(driver.fileno())) as ours:
        return seen is None or seen == -1 or ours.family == socket.AF_UNIX or ours.getsockname()[1] == seen


def check_keepalives(patient: Target) -> Iterator[Finding]:
    """Only keepalives tell a server that a client's machine is gone, and until then its locks stay."""
    if patient.ask("SELECT inet_client_port()") is None:
        return  # a socket in a file notices at once
    idle, interval, count = (patient.number(f"tcp_keepalives_{name}") for name in ("idle", "interval", "count"))
    if idle + interval * count <= LONG_SILENCE:
        yield ok("keepalives", f"a lost client is noticed after {about_time(idle + interval * count)}")
    else:
        yield note(
            "keepalives",
            f"the server notices a lost client after {about_time(idle + interval * count)}",
            "until then the locks of its transaction stay, and a job it was finishing is stuck",
            "Set tcp_keepalives_idle = 30, tcp_keepalives_interval = 10, tcp_keepalives_count = 3, "
            "client_connection_check_interval = 5s",
        )


def check_clock(patient: Target) -> Iterator[Finding]:
    """Due times and heartbeats go by one clock, `ctx.now` and the logs by this machine's."""
    before = datetime.now(UTC)
    there = patient.now()
    after = datetime.now(UTC)
    skew = abs((there - (before + (after - before) / 2)).total_seconds()) - (after - before).total_seconds() / 2
    seen = f"this machine's clock and the database's are {about_time(max(skew, 0.0))} apart"
    if skew <= SKEW_SECONDS:
        yield ok("clock", seen)
        return
    timeout = patient.settings.heartbeat_timeout.total_seconds()
    weigh = risk if skew > timeout / 2 else note
    yield weigh("clock", seen, "times in rows, logs and schedules do not agree", "Run a time service (NTP) on both")


def check_notifications(patient: Target) -> Iterator[Finding]:
    """A notification is a hint that saves a wait of ``poll_interval``."""
    waits = about_time(patient.settings.poll_interval.total_seconds())
    if not patient.settings.listen_notify:
        yield ok("notifications", f"listen_notify is off: processes look every {waits}")
        return
    channel, driver = f"convexpy_doctor_{secrets.token_hex(8)}", driver_of(patient)
    patient.connection.exec_driver_sql(f"LISTEN {channel}")
    try:
        with patient.connection.engine.connect() as other:
            other.exec_driver_sql(f"NOTIFY {channel}")
        heard = [each for each in driver.notifies(timeout=NOTIFY_SECONDS, stop_after=1) if each.channel == channel]
    finally:
        patient.connection.exec_driver_sql(f"UNLISTEN {channel}")
    if heard:
        yield ok("notifications", "LISTEN hears what NOTIFY says")
    else:
        yield note(
            "notifications",
            f"no notification came within {about_time(NOTIFY_SECONDS)}",
            f"jobs that other processes schedule start up to {waits} late",
            "Connect past the pooler, or set listen_notify to false and lower poll_interval",
        )


def driver_of(patient: Target) -> Any:
    return patient.connection.connection.driver_connection
