"""Serve a tea shop with a history and some traffic, to look at its dashboard.

python -m tests.dashboard.demo                          convexpy dev on SQLite, open without a key
python -m tests.dashboard.demo --database postgres      the same on a PostgreSQL server of its own
python -m tests.dashboard.demo --start                  convexpy start; it prints an admin key and a read-only one
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]  # as pytest does

from servers.postgres import server  # noqa: E402

from .demo_database import add_key, copy_project, fill  # noqa: E402
from .traffic import Traffic  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.dashboard.demo", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--database", default="sqlite", help="sqlite, postgres, or a URL (sqlite)")
    parser.add_argument("--port", type=int, default=3210, help="the port (3210)")
    parser.add_argument("--jobs", type=int, default=2_000, help="about how many jobs the history has (2000)")
    parser.add_argument("--start", action="store_true", help="in production: the dashboard asks for a key")
    parser.add_argument("--quiet", action="store_true", help="without traffic")
    wanted = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that its server ends with it
    with tempfile.TemporaryDirectory(prefix="teashop-") as folder, database_of(wanted.database, Path(folder)) as url:
        project = copy_project(Path(folder))
        began = time.monotonic()
        fill(project, url, wanted.jobs)
        print(f"filled in {time.monotonic() - began:.1f} s: {url}", flush=True)
        if wanted.start:
            for name, read_only in (("mira", False), ("guest", True)):
                key = add_key(project, url, name, read_only=read_only)
                print(f"{'read-only key' if read_only else 'admin key'}: {key.text}", flush=True)
        command = ["start" if wanted.start else "dev", "--port", str(wanted.port)]
        serve(project, url, command, 0 if wanted.quiet else wanted.port)


@contextmanager
def database_of(name: str, folder: Path) -> Iterator[str]:
    """The URL of a new database: a file, or one of a server that lives as long as the block."""
    if name == "sqlite":
        yield f"sqlite:///{folder / 'shop.db'}"
    elif name == "postgres":
        with server() as made:
            yield made.url()
    else:
        yield name


def serve(project: Path, database: str, command: list[str], traffic_port: int) -> None:
    """Run a command of the project until Ctrl-C, with traffic if there is a port for it."""
    environment = {**os.environ, "CONVEXPY_DATABASE": database, "PYTHONPATH": str(ROOT)}
    traffic = Traffic(f"http://127.0.0.1:{traffic_port}")
    with subprocess.Popen([sys.executable, "-m", "convexpy", *command], cwd=project, env=environment) as process:
        with traffic.running() if traffic_port else nullcontext(), suppress(KeyboardInterrupt):
            process.wait()
        process.terminate()
        with suppress(KeyboardInterrupt):
            process.wait()


if __name__ == "__main__":
    main()
