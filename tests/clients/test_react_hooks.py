"""React's hooks, those of @convex-dev/react-query and those of convex-helpers, in Chromium."""

from __future__ import annotations

import pytest

from .conftest import RunScript
from .server import Server


@pytest.mark.long
def test_hooks_of_three_packages_stay_live(run_node: RunScript, chromium: str, server: Server) -> None:
    run_node(server, "hooks_page.mjs", CHROMIUM=chromium)
