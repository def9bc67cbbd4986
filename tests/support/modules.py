"""Modules that tests write, import, and write anew."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path


def forget_modules_in(folder: Path) -> None:
    """Let what was imported from a folder be imported anew, from this folder or the next test's."""
    for name, module in list(sys.modules.items()):
        # A package without an __init__.py has no file.
        places = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]
        if any(place and Path(place).is_relative_to(folder) for place in places):
            del sys.modules[name]
    importlib.invalidate_caches()
