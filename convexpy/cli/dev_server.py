"""A running app that follows the files it came from: the last version that was good keeps running."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DatabaseError, LoadError, SettingsError
from ..functions.load import forget_modules
from .banner import banner, shown_path
from .check import contents
from .conflicts import ConflictLines
from .failure import frame, report
from .logs import print_run
from .opening import loaded, open_app, quiet
from .output import clock_time, duration, escaped, say
from .shared_bases import renew_shared_bases
from .tables import TablesInStep
from .watch import SETTINGS_FILES, ProjectWatcher

if TYPE_CHECKING:
    from sqlalchemy import MetaData

    from ..app import Convex
    from ..database.conflicts import ConflictRecord
    from ..project import Project


class DevServer:
    """The app of a project, reloaded on every save."""

    def __init__(self, project: Project, load_settings: Callable[[], Project]) -> None:
        self.project = project
        self.watcher = ProjectWatcher(project)
        self._load_settings = load_settings
        self._convex: Convex | None = None
        self._tables = TablesInStep()
        self._conflicts = ConflictLines()
        self._is_bad: set[str] = set()
        """What could not be taken over as it was saved: ``settings``, ``code``."""
        self._cautions: list[str] = []
        self._leaving: list[threading.Thread] = []

    def begin(self, started: float) -> None:
        """Load, migrate, start, and say so. An app that cannot be loaded yet is waited for."""
        try:
            self._start(self._opened(self.project), started)
        except LoadError as error:
            if not self.watcher.package.exists():
                raise
            self._is_bad.add("code")
            self._complain(error)
        if self.watcher.problem is not None:
            say(self.watcher.problem, style="yellow")

    def changed(self, saved: set[Path]) -> None:
        """Take over what was saved, or say what is wrong with it and go on as before."""
        began = time.perf_counter()
        forget_bytecode(saved)
        importlib.invalidate_caches()
        settings = {path for path in saved if path.name in SETTINGS_FILES}
        was_bad = bool(self._is_bad)
        try:
            is_taken = bool(settings) and self._take_settings(began)
            if saved - settings and not is_taken:
                self._take_code(began)
                is_taken = True
        except (LoadError, SettingsError, DatabaseError) as error:
            self._complain(error)
            return
        if is_taken or (was_bad and not self._is_bad):
            self._say_live(saved, began, was_bad)

    def close(self) -> None:
        """Let what runs finish, and stop."""
        if self._convex is not None:
            self._convex.close()
        for thread in self._leaving:
            thread.join()

    def _opened(self, project: Project) -> Convex:
        """The app, loaded, and its tables in step. It runs nothing yet."""
        convex = open_app(project)
        try:
            convex.migrate()
            self._keep_tables(convex, convex.metadata)
            convex.on_run(lambda run: print_run(run, project.root, as_json=False))
            convex.on_conflict(self._say_conflict)
        except BaseException:
            convex.close()
            raise
        return convex

    def _say_conflict(self, records: ConflictRecord) -> None:
        if line := self._conflicts.line(records):
            say(escaped(line), style="yellow")

    def _keep_tables(self, convex: Convex, metadata: MetaData | None) -> None:
        """Tables that cannot follow the models are a matter of the code: another save may put it right."""
        try:
            self._tables.keep(convex.database.url, metadata)
        except DatabaseError as error:
            raise LoadError([str(error)]) from error

    def _start(self, convex: Convex, began: float) -> None:
        """Begin to run the first version that is good, and show what there is."""
        self._convex = convex
        self._warn()
        for line in banner(self.project, convex.app, convex.database.url, self.watcher.package):
            say(escaped(line))
        self.watcher.wait_until_ready()
        convex.start()
        say(f"ready in {duration(time.perf_counter() - began)}", style="green")

    def _take_code(self, began: float) -> None:
        self._is_bad.add("code")
        if self._convex is None:
            with self._imported_afresh():
                following = self._opened(self.project)
            self._start(following, began)
        else:
            self._reload(self._convex)
        self._is_bad.discard("code")

    def _reload(self, convex: Convex) -> None:
        with self._imported_afresh():
            loaded(self.project)
            metadata = self.project.find_metadata()
            # Before the new code runs, so that it never meets the old tables.
            self._keep_tables(convex, metadata)
        with self._imported_afresh(), quiet():
            convex.reload()
        convex.metadata = metadata

    @contextmanager
    def _imported_afresh(self) -> Iterator[None]:
        """The package is imported again within this block; if that fails, it is as if nobody had tried."""
        # All of it: models and functions may be in different parts of one package.
        package = self.project.functions.partition(".")[0]
        put_back = renew_shared_bases(package)
        before = forget_modules(package)
        try:
            yield
        except BaseException:
            forget_modules(package)
            sys.modules.update(before)
            put_back()
            raise

    def _take_settings(self, began: float) -> bool:
        """Start the app anew if its settings changed. The one before finishes what it runs. False: nothing changed."""
        self._is_bad.add("settings")
        project = self._load_settings()
        self._is_bad.discard("settings")
        if project == self.project:
            return False
        if project.functions != self.project.functions:
            say("the app's package is another one now: restart `convexpy dev` to use it", style="yellow")
            return False
        self._is_bad.add("code")
        with self._imported_afresh():
            following = self._opened(project)
        self.project = project
        if self._convex is None:
            self._start(following, began)
        else:
            following.start()
            leaving = threading.Thread(target=self._convex.close, name="convexpy-leaving", daemon=True)
            leaving.start()
            self._leaving.append(leaving)
            self._convex = following
        self._is_bad.discard("code")
        return True

    def _complain(self, error: Exception) -> None:
        report(frame(error), to_stderr=False)
        if self._convex is None:
            say("waiting for a save that loads")
        else:
            say("the last good version keeps running")

    def _say_live(self, saved: set[Path], began: float, was_bad: bool) -> None:
        assert self._convex is not None
        self._warn()
        what = ", ".join(sorted({shown_path(path, self.project.root.resolve()) for path in saved})[:3])
        took = duration(time.perf_counter() - began)
        line = f"{clock_time(datetime.now(UTC))} reloaded {escaped(what)} in {took}"
        if was_bad and not self._is_bad:
            line += f": all is well again, {contents(self._convex.app)}"
        say(line, style="green")

    def _warn(self) -> None:
        """Show what is odd, once."""
        cautions = self._convex.app.warnings if self._convex is not None else []
        for caution in cautions:
            if caution not in self._cautions:
                say(f"warning: {escaped(caution)}", style="yellow")
        self._cautions = cautions


def forget_bytecode(saved: set[Path]) -> None:
    """Python takes cached bytecode for fresh if size and whole second fit: two quick saves of one file may do so."""
    for path in saved:
        if path.suffix == ".py":
            with suppress(OSError, NotImplementedError):
                Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)
