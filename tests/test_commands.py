"""The commands that the documents name, such as ``python -m tests.bench``, begin where nothing is prepared for them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
# `tests.clients` hands everything over to pytest, so it does nothing else to begin.
COMMANDS = [path for path in sorted(ROOT.glob("tests/**/__main__.py")) if path.parent.name != "clients"]


# Each finds only what it has put on the path itself.
IMPORT_EACH = """
import importlib, sys
path = list(sys.path)
for module in sys.argv[1:]:
    importlib.import_module(module)
    for name in [name for name, each in sys.modules.items() if "/tests/" in (getattr(each, "__file__", None) or "")]:
        if not name.startswith("tests."):
            del sys.modules[name]
    sys.path[:] = path
"""


def test_commands_of_the_tests_can_be_started() -> None:
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in COMMANDS]
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_EACH, *modules],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "tests.bench.__main__" in modules
