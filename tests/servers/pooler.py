"""PgBouncer in transaction mode before a server, where the program is installed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from sqlalchemy import URL

from .ports import free_port
from .postgres import NOBODY, NoServer, is_root

PATIENCE_SECONDS = 30.0


@contextmanager
def pooler(behind: URL, connections: int) -> Iterator[URL]:
    """The same database, through a pooler that has so many connections to it.

    Raises:
        NoServer: There is no such program here.
    """
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise NoServer("the program `pgbouncer` is not installed")
    folder = Path(mkdtemp(prefix="convexpy-pooler-"))
    folder.chmod(0o755)
    port = free_port()
    (folder / "users").write_text(f'"{behind.username}" ""\n')
    (folder / "settings").write_text(
        f"[databases]\n* = host={behind.host} port={behind.port}\n"
        f"{behind.database} = host={behind.host} port={behind.port} user={behind.username}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
        f"auth_file = {folder}/users\npool_mode = transaction\ndefault_pool_size = {connections}\n"
    )
    who: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if is_root() else {}
    running = subprocess.Popen(
        [program, "-q", folder / "settings"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **who
    )
    try:
        wait_until_it_answers(port, running)
        yield behind.set(port=port)
    finally:
        running.terminate()
        running.wait()
        shutil.rmtree(folder, ignore_errors=True)


def wait_until_it_answers(port: int, running: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        if running.poll() is not None:
            raise NoServer("pgbouncer ended at once")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise NoServer("pgbouncer does not answer") from None
        else:
            return
