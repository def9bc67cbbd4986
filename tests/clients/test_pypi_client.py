"""The official client from PyPI, unchanged, against a real server, which is killed on the way."""

from __future__ import annotations

import sys
from pathlib import Path

from .server import HERE, Server


def test_the_pypi_client_works_unchanged(pypi_folder: Path, server: Server) -> None:
    command = [sys.executable, str(HERE / "pypi_walk.py")]
    server.run(command, folder=HERE, PYTHONPATH=str(pypi_folder), USER_TOKEN=server.token("carol"))
