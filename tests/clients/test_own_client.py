"""``/client.js`` against a real server, which is killed on the way."""

from __future__ import annotations

import pytest

from .conftest import RunScript
from .server import Server


@pytest.mark.long
def test_our_own_client_survives_a_killed_server(run_node: RunScript, server: Server) -> None:
    run_node(server, "own_walk.mjs")
