"""The official client from npm, unchanged, against a real server, which is killed on the way."""

from __future__ import annotations

from .conftest import RunScript
from .server import Server


def test_the_npm_client_works_unchanged(run_node: RunScript, server: Server) -> None:
    run_node(server, "npm_walk.mjs")
