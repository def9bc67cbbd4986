"""The official client from npm, unchanged, against a real server, which is killed on the way."""

from __future__ import annotations

import pytest

from .conftest import RunScript
from .server import Server


def test_the_npm_client_works_unchanged(run_node: RunScript, server: Server) -> None:
    run_node(server, "npm_walk.mjs")


@pytest.mark.long
def test_many_npm_clients_lose_and_double_nothing(run_node: RunScript, server: Server) -> None:
    run_node(server, "npm_load.mjs")


@pytest.mark.long
def test_options_that_few_use_of_the_npm_client_work(run_node: RunScript, server: Server) -> None:
    run_node(server, "npm_options.mjs")
