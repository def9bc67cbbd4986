"""A copy of the project in a folder of its own, in which the tests run on the copy of the package."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

ROOT = Path(__file__).parents[3]
NEEDED = ("convexpy", "tests", "pyproject.toml")


@contextmanager
def copy_of_project(project: Path = ROOT) -> Iterator[Path]:
    """The folder, which is gone after the block. A copy can be copied again."""
    folder = Path(mkdtemp(prefix="planted-"))
    try:
        for name in NEEDED:
            if (project / name).is_dir():
                shutil.copytree(project / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(project / name, folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
