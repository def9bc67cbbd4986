"""Between this machine and a PostgreSQL server: poolers, keepalives, clocks and notifications."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from .finding import Finding, about_time, note, ok, risk
from .target import Target

LONG_SECONDS: Final = 300
SKEW_SECONDS: Final = 1.0
NOTIFY_SECONDS: Final = 2.0


def check_pooler(target: Target) -> Iterator[Finding]:
    """A pooler has a process id of its own, and connects to the server from a port of its own."""
    driver = driver_of(target)
    reported, real = driver.info.backend_pid, target.scalar("SELECT pg_backend_pid()")
    if reported != real:
        yield pooled(target, f"a pooler is in between: it reports process {reported}, the server {real}")
    elif not is_same_port(driver, target.scalar("SELECT inet_client_port()")):
        yield note(
            "pooler",
            "the connection is relayed: the server sees another client port than this machine uses",
            "a proxy that closes idle connections, or stays connected when its client is gone, delays recovery",
            "Nothing, if it is a plain network translation or a container's port",
        )
    else:
        yield ok("pooler", "none: the connection is the server's own")


def pooled(target: Target, seen: str) -> Finding:
    if not (target.settings.prepared_statements or target.settings.listen_notify):
        return ok("pooler", f"{seen}. prepared_statements and listen_notify are off")
    return note(
        "pooler",
        seen,
        "if it pools by transaction, LISTEN receives nothing and prepared statements are lost",
        "Set prepared_statements and listen_notify to false, or let convexpy connect to the server itself",
    )


def is_same_port(driver: Any, seen: int | None) -> bool:
    """Whether the server sees this machine's port of the connection. A Unix socket has none."""
    with socket.socket(fileno=os.dup(driver.fileno())) as ours:
        return seen is None or seen == -1 or ours.family == socket.AF_UNIX or ours.getsockname()[1] == seen


def check_keepalives(target: Target) -> Iterator[Finding]:
    """Keepalives alone detect that a client's machine is gone. Until then its locks stay."""
    if target.scalar("SELECT inet_client_port()") is None:
        return  # a Unix socket closes at once
    idle, interval, count = (target.number(f"tcp_keepalives_{name}") for name in ("idle", "interval", "count"))
    if idle + interval * count <= LONG_SECONDS:
        yield ok("keepalives", f"a lost client is noticed after {about_time(idle + interval * count)}")
    else:
        yield note(
            "keepalives",
            f"the server notices a lost client after {about_time(idle + interval * count)}",
            "until then the locks of its transaction stay, and the job that it was finishing is stuck",
            "Set tcp_keepalives_idle = 30, tcp_keepalives_interval = 10, tcp_keepalives_count = 3, "
            "client_connection_check_interval = 5s",
        )


def check_clock(target: Target) -> Iterator[Finding]:
    """Due times and heartbeats follow the database's clock, logs this machine's."""
    before = datetime.now(UTC)
    remote = target.now()
    after = datetime.now(UTC)
    skew = abs((remote - (before + (after - before) / 2)).total_seconds()) - (after - before).total_seconds() / 2
    seen = f"this machine's clock and the database's are {about_time(max(skew, 0.0))} apart"
    if skew <= SKEW_SECONDS:
        yield ok("clock", seen)
        return
    timeout = target.settings.heartbeat_timeout.total_seconds()
    mark = risk if skew > timeout / 2 else note
    yield mark("clock", seen, "times in rows, logs and schedules do not agree", "Run a time service (NTP) on both")


def check_notifications(target: Target) -> Iterator[Finding]:
    """A notification saves a wait of ``poll_interval``."""
    waits = about_time(target.settings.poll_interval.total_seconds())
    if not target.settings.listen_notify:
        yield ok("notifications", f"listen_notify is off: processes poll every {waits}")
        return
    channel, driver = f"convexpy_doctor_{secrets.token_hex(8)}", driver_of(target)
    target.connection.exec_driver_sql(f"LISTEN {channel}")
    try:
        with target.connection.engine.connect() as other:
            other.exec_driver_sql(f"NOTIFY {channel}")
        received = [each for each in driver.notifies(timeout=NOTIFY_SECONDS, stop_after=1) if each.channel == channel]
    finally:
        target.connection.exec_driver_sql(f"UNLISTEN {channel}")
    if received:
        yield ok("notifications", "LISTEN receives what NOTIFY sends")
    else:
        yield note(
            "notifications",
            f"no notification came within {about_time(NOTIFY_SECONDS)}",
            f"jobs that other processes schedule start up to {waits} late",
            "Connect past the pooler, or set listen_notify to false and lower poll_interval",
        )


def driver_of(target: Target) -> Any:
    return target.connection.connection.driver_connection
