"""Pages on ``/client.js`` in Chromium: that of ``examples/chat``, and that of a new project."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli.process import python_module

from .conftest import RunScript
from .server import CHAT, Server


def test_two_tabs_of_the_chat_stay_live_through_a_restart(
    run_node: RunScript, chromium: str, database: str | None, tmp_path: Path
) -> None:
    with Server(CHAT, tmp_path, database) as server:
        run_node(server, "chat_page.mjs", CHROMIUM=chromium)


@pytest.mark.long
def test_the_page_of_a_new_project_is_live(run_node: RunScript, chromium: str, tmp_path: Path) -> None:
    written = python_module(tmp_path, "convexpy", "init", "new/demo", "--with-web")
    assert written.returncode == 0, written.stderr
    with Server(tmp_path / "new/demo", tmp_path) as server:
        run_node(server, "web_page.mjs", CHROMIUM=chromium)
