"""Modules that tests write, import, and write anew."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path


def forget_modules_in(folder: Path) -> None:
    """Let what was imported from a folder be imported anew, from this folder or the next test's."""
    # Text is compared, not paths: there are thousands of modules, and tests call this once a command.
    inside = str(folder) + os.sep
    for name, module in list(sys.modules.items()):
        # A package without an __init__.py has no file.
        places = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]
        if any(place and f"{place}{os.sep}".startswith(inside) for place in places):
            del sys.modules[name]
    importlib.invalidate_caches()


def forget_package(package: str) -> None:
    """Let a package be imported anew. A test of another folder may have one of the same name."""
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        del sys.modules[name]
