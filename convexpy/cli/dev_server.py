"""A running app that is reloaded when its files change. The last version that loads keeps running."""

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
from typing import TYPE_CHECKING, Final

from ..errors import DatabaseError, LoadError, SettingsError
from ..functions.load import forget_modules
from .banner import banner, shown_path
from .check import contents
from .codegen import keep_types
from .conflicts import ConflictLines
from .failure import frame, report
from .logs import print_run
from .opening import loaded, open_app
from .output import clock_time, duration, escaped, say
from .shared_bases import renew_shared_bases
from .tables import TableSync
from .watch import SETTINGS_FILES, ProjectWatcher

if TYPE_CHECKING:
    from socket import socket

    from sqlalchemy import MetaData

    from ..app import Convex
    from ..database.conflicts import ConflictRecord
    from ..project import Project
    from .http_server import HttpServer

AT_START: Final = ("host", "port")


class DevServer:
    """The app of a project, reloaded on every save.

    Args:
        project: The project.
        load_settings: Reads its settings again.
        listener: A bound socket, at which the app is served.
    """

    def __init__(self, project: Project, load_settings: Callable[[], Project], listener: socket) -> None:
        self.project = project
        self._listener = listener
        self._server: HttpServer | None = None
        self.watcher = ProjectWatcher(project)
        self._load_settings = load_settings
        self._convex: Convex | None = None
        self._tables = TableSync()
        self._conflicts = ConflictLines()
        self._failed: set[str] = set()
        """What could not be loaded as it was saved: ``settings``, ``code``."""
        self._warnings: list[str] = []
        self._closing: list[threading.Thread] = []

    def begin(self, started: float) -> None:
        """Load, migrate and start the app. If it does not load, wait for a save."""
        try:
            self._start(self._opened(self.project), started)
        except LoadError as error:
            if not self.watcher.package.exists():
                raise
            self._failed.add("code")
            self._report(error)
        if self.watcher.problem is not None:
            say(self.watcher.problem, style="yellow")

    def changed(self, saved: set[Path]) -> None:
        """Reload what was saved, or report why it does not load and keep the last version."""
        began = time.perf_counter()
        forget_bytecode(saved)
        importlib.invalidate_caches()
        settings = {path for path in saved if path.name in SETTINGS_FILES}
        had_failed = bool(self._failed)
        try:
            is_reloaded = bool(settings) and self._reload_settings(began)
            if saved - settings and not is_reloaded:
                self._reload_code(began)
                is_reloaded = True
        except (LoadError, SettingsError, DatabaseError) as error:
            self._report(error)
            return
        if is_reloaded or (had_failed and not self._failed):
            self._report_reload(saved, began, had_failed)

    def close(self) -> None:
        """Let running requests and jobs finish, and stop."""
        if self._server is not None:
            self._server.stop(time.monotonic() + self.project.settings.stop_grace.total_seconds())
        self._listener.close()
        if self._convex is not None:
            self._convex.close()
        for thread in self._closing:
            thread.join()

    def _opened(self, project: Project) -> Convex:
        """The app, loaded and with its tables in step, not started."""
        convex = open_app(project)
        try:
            convex.migrate()
            self._keep_tables(convex, convex.metadata)
            convex.on_run(lambda run: print_run(run, project.root, as_json=False))
            convex.on_conflict(self._show_conflict)
        except BaseException:
            convex.close()
            raise
        return convex

    def _show_conflict(self, conflict: ConflictRecord) -> None:
        if line := self._conflicts.line(conflict):
            say(escaped(line), style="yellow")

    def _keep_tables(self, convex: Convex, metadata: MetaData | None) -> None:
        """Change the tables as the models changed. A failure counts as one of the code: another save may fix it."""
        try:
            self._tables.keep(convex.database.url, metadata)
        except DatabaseError as error:
            raise LoadError([str(error)]) from error

    def _start(self, convex: Convex, began: float) -> None:
        """Start the first version that loads, and print the banner."""
        from .http_server import HttpServer

        self._convex = convex
        self._warn()
        self._server = HttpServer(convex.asgi(), self._listener, self.project.settings)
        for line in banner(self.project, convex.app, convex.database.url, self.watcher.package, self._server.url):
            say(escaped(line))
        keep_types(self.project, convex.app)
        self.watcher.wait_until_ready()
        convex.start()
        self._server.start()
        say(f"ready in {duration(time.perf_counter() - began)}", style="green")

    def _reload_code(self, began: float) -> None:
        self._failed.add("code")
        if self._convex is None:
            with self._reimporting():
                convex = self._opened(self.project)
            self._start(convex, began)
        else:
            self._import_again(self._convex)
        self._failed.discard("code")

    def _import_again(self, convex: Convex) -> None:
        with self._reimporting():
            app = loaded(self.project)
            metadata = self.project.find_metadata()
            # Before the new code runs: it must not see the old tables.
            self._keep_tables(convex, metadata)
            convex.adopt(app)
            convex.metadata = metadata

    @contextmanager
    def _reimporting(self) -> Iterator[None]:
        """Import the package again within this block. If the block raises, the modules are as they were."""
        # The whole package: models and functions may be in different parts of it.
        package = self.project.functions.partition(".")[0]
        restore_bases = renew_shared_bases(package)
        before = forget_modules(package)
        try:
            yield
        except BaseException:
            forget_modules(package)
            sys.modules.update(before)
            restore_bases()
            raise

    def _reload_settings(self, began: float) -> bool:
        """Restart the app if its settings changed. The old one finishes its running jobs. False: nothing changed."""
        self._failed.add("settings")
        project = self._load_settings()
        self._failed.discard("settings")
        if project == self.project:
            return False
        if project.functions != self.project.functions:
            say("`functions` names another package now: restart `convexpy dev` to use it", style="yellow")
            return False
        if any(getattr(project.settings, name) != getattr(self.project.settings, name) for name in AT_START):
            say("`host` or `port` is another one now: restart `convexpy dev` to use it", style="yellow")
        self._failed.add("code")
        with self._reimporting():
            convex = self._opened(project)
        self.project = project
        if self._convex is None or self._server is None:
            self._start(convex, began)
        else:
            convex.start()
            self._server.replace(convex.asgi())
            closing = threading.Thread(target=self._convex.close, name="convexpy-closing", daemon=True)
            closing.start()
            self._closing.append(closing)
            self._convex = convex
        self._failed.discard("code")
        return True

    def _report(self, error: Exception) -> None:
        report(frame(error), to_stderr=False)
        if self._convex is None:
            say("waiting for a save that loads")
        else:
            say("the last good version keeps running")

    def _report_reload(self, saved: set[Path], began: float, had_failed: bool) -> None:
        assert self._convex is not None
        self._warn()
        what = ", ".join(sorted({shown_path(path, self.project.root.resolve()) for path in saved})[:3])
        took = duration(time.perf_counter() - began)
        line = f"{clock_time(datetime.now(UTC))} reloaded {escaped(what)} in {took}"
        if had_failed and not self._failed:
            line += f": the app loads again, {contents(self._convex.app)}"
        say(line, style="green")
        keep_types(self.project, self._convex.app)

    def _warn(self) -> None:
        """Print new warnings of the app, each once."""
        warnings = self._convex.app.warnings if self._convex is not None else []
        for warning in warnings:
            if warning not in self._warnings:
                say(f"warning: {escaped(warning)}", style="yellow")
        self._warnings = warnings


def forget_bytecode(saved: set[Path]) -> None:
    """Delete cached bytecode: Python uses it if size and whole second match, as they may after two quick saves."""
    for path in saved:
        if path.suffix == ".py":
            with suppress(OSError, NotImplementedError):
                Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)
