"""Watch the files of a project for saves."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.machinery import PathFinder
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ..project import Project

STEP_MILLISECONDS: Final = 20  # files saved within this time of each other are one change
DEBOUNCE_MILLISECONDS: Final = 200
TICK_MILLISECONDS: Final = 100
POLL_SECONDS: Final = 1.0
SETTINGS_FILES: Final = frozenset({"pyproject.toml", ".env"})


class ProjectWatcher:
    """Watches the app's package, with its subfolders, and the project's settings files."""

    def __init__(self, project: Project) -> None:
        self.package = package_path(project).resolve()
        self.problem: str | None = None
        """Why files cannot be watched, or None."""
        self._saved: SimpleQueue[set[Path]] = SimpleQueue()
        folders = [(project.root.resolve(), False)] + ([(self.package, True)] if self.package.is_dir() else [])
        ready = [threading.Event() for _ in folders]
        for (folder, recursive), event in zip(folders, ready, strict=True):
            arguments = (folder, recursive, event)
            threading.Thread(target=self._watch, args=arguments, name="convexpy-watch", daemon=True).start()
        self._ready = ready

    def wait_until_ready(self) -> None:
        """Wait until no save can be missed."""
        for event in self._ready:
            event.wait(timeout=5)

    def saves(self, is_stopping: Callable[[], bool]) -> Iterator[set[Path]]:
        """The files of each save, until the command is stopping."""
        while not is_stopping():
            with suppress(Empty):
                yield self._saved.get(timeout=POLL_SECONDS)

    def _watch(self, folder: Path, recursive: bool, ready: threading.Event) -> None:
        from watchfiles import watch

        saves = watch(
            folder,
            watch_filter=self._is_watched,
            step=STEP_MILLISECONDS,
            debounce=DEBOUNCE_MILLISECONDS,
            rust_timeout=TICK_MILLISECONDS,
            yield_on_timeout=True,
            recursive=recursive,
            raise_interrupt=False,
        )
        try:
            for changes in saves:
                ready.set()
                if changes:
                    self._saved.put({Path(path) for _, path in changes})
        except OSError as error:
            self.problem = (
                f"{folder} cannot be watched: {error}. Set WATCHFILES_FORCE_POLLING=1, or restart after a save"
            )
            ready.set()

    def _is_watched(self, change: Any, name: str) -> bool:
        path = Path(name)
        if path.name in SETTINGS_FILES or path == self.package:
            return True
        if not path.is_relative_to(self.package) or "__pycache__" in path.parts:
            return False
        # A new folder may contain files that were written before it was watched.
        return path.suffix == ".py" or path.is_dir()


def package_path(project: Project) -> Path:
    """The folder of the app's package, or its one file, without importing it."""
    project.put_on_path()
    name = project.functions.partition(".")[0]
    spec = PathFinder.find_spec(name)
    if spec is not None and spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    return Path(spec.origin) if spec is not None and spec.origin else project.root / name
