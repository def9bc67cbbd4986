"""``/client.js`` against a real server, which is killed on the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import RunScript
from .server import PROJECT, Server


@pytest.mark.long
def test_our_own_client_survives_a_killed_server(run_node: RunScript, tmp_path: Path) -> None:
    with Server(PROJECT, tmp_path) as server:
        run_node(server, "own_walk.mjs")
