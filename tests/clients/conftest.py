"""Folders in which scripts of other languages find their packages."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from servers.shared import Template, drop
from sqlalchemy import MetaData
from support.chromium import MISSING, find_chromium
from support.npm import node_modules

from .server import HERE, PROJECT, Server

__all__ = ["node_modules"]

PYPI_CLIENT = "convex==0.8.1"
STATIC = HERE.parents[1] / "convexpy/server/static"

RunScript = Callable[..., str]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.long)])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """A server of the functions that scripts call."""
    if request.param == "sqlite":
        with Server(PROJECT, tmp_path) as server:
            yield server
        return
    database = Template(MetaData()).copy()
    with Server(PROJECT, tmp_path, database.render_as_string(hide_password=False)) as server:
        yield server
    drop(database)


@pytest.fixture
def run_node(node_modules: Path, tmp_path: Path) -> RunScript:
    """Runs a script of this folder with the npm packages, against a server."""
    folder = tmp_path / "scripts"
    folder.mkdir()
    for script in (*HERE.glob("*.mjs"), *HERE.glob("*.jsx")):
        shutil.copy(script, folder)
    shutil.copy(STATIC / "client.js", folder / "client.mjs")  # what Node takes for a module
    (folder / "node_modules").symlink_to(node_modules)

    def run(server: Server, script: str, **environment: str) -> str:
        return server.run(["node", script], folder=folder, **environment)

    return run


@pytest.fixture(scope="session")
def pypi_folder() -> Path:
    """A folder for ``PYTHONPATH`` with the client from PyPI, installed once. Without a network the test is skipped."""
    name = f"convexpy-pypi-{os.getuid()}-{sys.version_info.major}.{sys.version_info.minor}-{PYPI_CLIENT}"
    folder = Path(tempfile.gettempdir()) / name
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one process installs, the others wait
        done = folder / "installed"
        if not done.exists():
            install_pypi_client(folder)
            done.touch()
    return folder


def install_pypi_client(folder: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--target", str(folder)]
    ran = subprocess.run([*pip, PYPI_CLIENT], capture_output=True, text=True, timeout=300)
    if ran.returncode != 0:
        pytest.skip(f"pip could not install {PYPI_CLIENT}: {ran.stderr.strip()[-300:]}")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium. Without one the test is skipped."""
    return find_chromium() or pytest.skip(MISSING)
