"""Chromium as it is installed on this machine, for tests of pages."""

from __future__ import annotations

import shutil
from typing import Final

NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
# Without what it does by itself over the network.
ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
MISSING: Final = f"Chromium is not installed: none of {', '.join(NAMES)} is there"


def find_chromium() -> str | None:
    """The path of its program. None: there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)
