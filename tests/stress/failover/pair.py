"""A primary and its standby: on two ports of the loopback address, or on two machines."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import psycopg
from psycopg.rows import dict_row
from servers.postgres import Server, programs

from .network import Host

# Commits wait for each other server as they would on real machines; only no disk is waited for.
SETTINGS = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "on", "max_connections": "100"}


class Pair:
    """Two servers with the same data."""

    def __init__(self, folder: Path, machines: Sequence[Host] = ()) -> None:
        first, second = machines or (None, None)
        self._first_machine = first
        self.primary = Server(folder / "primary", settings=SETTINGS, machine=first)
        self.standby = Server(folder / "standby", settings=SETTINGS, machine=second)

    def start(self, *, synchronous: bool) -> None:
        """Both servers. Synchronous: a commit waits until the standby has it on its disk."""
        self.primary.create()
        self.primary.start()
        self.standby.copy_of(self.primary)
        self.standby.start()
        if synchronous:
            ask(self.primary, "ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (*)'")
            ask(self.primary, "SELECT pg_reload_conf()")

    def is_synchronous(self) -> bool:
        """Whether commits wait for the standby by now."""
        return [row["sync_state"] for row in ask(self.primary, "SELECT sync_state FROM pg_stat_replication")] == [
            "quorum"
        ]

    def fall_behind(self) -> None:
        """The standby misses what is committed from now on."""
        self.standby.stop("fast")

    def fail_over(self) -> None:
        """The primary is gone, as if its power were cut, and the standby takes over.

        On a machine of its own it is cut off from the network, and does not know that anything has happened.
        """
        if self._first_machine is not None:
            self._first_machine.cut_off()
        else:
            self.primary.stop("immediate")
        if not self.standby.is_running():
            self.standby.start()
        self.standby.promote()

    def url(self) -> str:
        """Both servers: a client is connected to the one that can be written."""
        hosts = "&".join(f"host={server.address}:{server.port}" for server in (self.primary, self.standby))
        return f"postgresql://postgres@/postgres?{hosts}&target_session_attrs=read-write&connect_timeout=2"

    def stop(self) -> None:
        for server in (self.standby, self.primary):
            if server.is_running():
                server.stop("immediate")


@contextmanager
def pair(*, synchronous: bool, machines: Sequence[Host] = ()) -> Iterator[Pair]:
    """A pair for the length of the block, in a folder of its own; on two machines, or here.

    Raises:
        NoServer: None can run here.
    """
    programs()
    folder = Path(mkdtemp(prefix="convexpy-failover-"))
    folder.chmod(0o755)
    made = Pair(folder, machines)
    try:
        made.start(synchronous=synchronous)
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)


def ask(server: Server, statement: str) -> list[dict[str, Any]]:
    with psycopg.connect(server.dsn(), autocommit=True, row_factory=dict_row) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []
