"""The page of ``examples/chat`` in two tabs of Chromium, through a restart of the server."""

from __future__ import annotations

from pathlib import Path

from .conftest import RunScript
from .server import CHAT, Server


def test_two_tabs_of_the_chat_stay_live_through_a_restart(run_node: RunScript, chromium: str, tmp_path: Path) -> None:
    with Server(CHAT, tmp_path) as server:
        run_node(server, "chat_page.mjs", CHROMIUM=chromium)
