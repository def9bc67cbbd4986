"""The official client from npm, unchanged, against a real server, which is killed on the way."""

from __future__ import annotations

from pathlib import Path

from .conftest import RunScript
from .server import PROJECT, Server


def test_the_npm_client_works_unchanged(run_node: RunScript, tmp_path: Path) -> None:
    with Server(PROJECT, tmp_path) as server:
        run_node(server, "npm_walk.mjs")
