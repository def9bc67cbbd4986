"""``Convex(...)``: builds all parts and connects them. The only file that imports all of them."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import cached_property, partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

from sqlalchemy import MetaData

from ._system import MODULES
from .clock import Clock
from .database.conflicts import ConflictRecord
from .database.database import Database, connect
from .dispatch.worker import Worker
from .errors import DatabaseError, LoadError
from .fork import in_child
from .functions.declare import Function, QueryFunction
from .functions.load import App, forget_modules, load_app
from .functions.registry import Registry
from .live.refresh import RELOAD, Refresh
from .live.updates import Updates
from .migrations import framework
from .migrations.revision_gap import revision_gap
from .runtime.call_executor import CallExecutor
from .runtime.events import Run
from .runtime.handler_checks import check_handlers
from .runtime.identity import Identity
from .runtime.metrics import Metrics, is_installed
from .settings import Settings

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from .project import Project

P = ParamSpec("P")
R = TypeVar("R")


class Convex:
    """An app on a database: calls its functions, and runs scheduled jobs and crons.

    Args:
        database: The URL of the database, such as ``sqlite:///shop.db``. Tests pass a connected one.
        functions: The package of functions, by name or as a module.
        metadata: The metadata of the app's own tables, for ``convexpy dev`` and ``convexpy db``.
        settings: The engine's settings.
        clock: The clock; tests pass their own.

    Raises:
        LoadError: The app cannot be loaded. It lists every problem, with file and line.
        DatabaseError: The database cannot be used.
    """

    def __init__(
        self,
        database: str | Database,
        *,
        functions: str | ModuleType,
        metadata: MetaData | None = None,
        settings: Settings | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.settings = settings or Settings()
        self.metadata = metadata
        self._functions = functions
        self._app = checked_app(functions, self.settings)
        self.database = connect(database, self.settings) if isinstance(database, str) else database
        self.clock = clock or self.database.clock
        self.calls = CallExecutor(self.database, self._app, self.settings, self.clock)
        self.live = Refresh(self.calls, self.database, self.settings, self.clock)
        self.dashboard_live = Refresh(self.calls, self.database, self.settings, self.clock, is_dashboard=True)
        self.worker = self.new_worker()
        self._is_migrated = False
        self._revisions: Path | None = None
        in_child.add(self._renew_worker)

    @classmethod
    def from_project(
        cls, path: str | Path = ".", *, database: str | None = None, allow_unapplied: bool = False
    ) -> Self:
        """The app that the command line would load: package, tables, database and settings of a project.

        They come from the nearest ``pyproject.toml`` at or above ``path``, its ``.env``, and the environment.

        Args:
            path: A folder of the project. By default the current one.
            database: Another database than the configured one, as ``--database`` names it.
            allow_unapplied: Whether jobs may run on a configured database that lacks revisions of the project. They
                would fail for good where the code expects what is not there yet, so ``start`` refuses it.

        Raises:
            SettingsError: There is no project, or a setting is wrong. It lists every problem.
            LoadError: The app cannot be loaded. It lists every problem, with file and line.
            DatabaseError: The database cannot be used.
        """
        from .project import load_project  # the libraries that read settings are for projects only

        project = load_project(path, database=database)
        convex = cls.of_project(project)
        if project.has_database and not allow_unapplied:
            convex._revisions = project.migrations
        return convex

    @classmethod
    def of_project(cls, project: Project) -> Self:
        """The same, for a project whose settings are known. It makes the folder of the development database."""
        metadata = project.find_metadata()
        project.make_state_folder()
        return cls(project.database, functions=project.functions, metadata=metadata, settings=project.settings)

    @property
    def registry(self) -> Registry:
        """The app's functions."""
        return self._app.registry

    @property
    def app(self) -> App:
        """The loaded package: functions, crons, modules and warnings."""
        return self._app

    @cached_property
    def metrics(self) -> Metrics | None:
        """What runs, counted from the first use on. None: ``prometheus-client`` is not installed."""
        if not is_installed():
            return None
        metrics = Metrics()
        self.on_run(metrics.on_run)
        self.on_conflict(metrics.on_conflict)
        return metrics

    def new_worker(self) -> Worker:
        """What runs jobs and crons, as a process has it when it starts."""
        return Worker(self.database, self.clock, self.settings, self.calls)

    def migrate(self) -> None:
        """Create the framework's tables, or bring them up to date."""
        with self.database.ddl() as connection:
            framework.migrate(connection)
        self._is_migrated = True

    def start(self) -> None:
        """Start to run scheduled jobs and crons, on threads of this process.

        Raises:
            DatabaseError: The app is that of a project, and its database lacks revisions.
        """
        self._check_migrated()
        self.metrics  # noqa: B018 - from now on runs are counted
        if self._revisions is not None:
            self.calls.retried("the check of revisions", partial(self._check_applied, self._revisions))
        self._begin_logs()
        self.worker.start(self._app)

    def stop(self) -> None:
        """Stop running jobs and crons. Running ones may finish within ``settings.stop_grace``."""
        self.worker.stop()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run scheduled jobs and crons until the block ends."""
        self.start()
        try:
            yield
        finally:
            self.stop()

    @asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncIterator[None]:
        """``running()`` as the lifespan of an ASGI app: ``FastAPI(lifespan=convex.lifespan)``.

        It starts and stops on another thread, so that the event loop goes on.
        """
        try:
            await asyncio.to_thread(self.start)
            yield
        finally:
            await asyncio.to_thread(self.stop)

    def asgi(self) -> Starlette:
        """The server as an ASGI app: functions over HTTP and WebSockets, for any ASGI server or web app.

        ``app.mount("/convex", convex.asgi())`` within FastAPI or Starlette. Scheduled jobs and crons run while
        ``convex.lifespan`` or ``convex.running()`` does; calls do without.
        """
        from .server.asgi import create_app  # Starlette is for processes that serve
        from .server.authenticator import Authenticator
        from .server.backend import Backend

        self._begin_logs()
        self.calls.collect_runs()
        auth = Authenticator.of(self.calls)
        parts = (self.calls, self.live, self.database, self.settings, self.clock, auth)
        backend = Backend(
            *parts,
            is_worker_stuck=lambda: self.worker.is_stuck,
            dashboard_live=self.dashboard_live,
            metrics=self.metrics,
        )
        return create_app(backend, revisions=self._revisions)

    def run(self, function: Function[Any, P, Any, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a function, public or internal, and return its result.

        Raises:
            ConvexError: The function raised it, or could not be called.
            WriteConflict: A mutation conflicted with other transactions at every attempt.
            InternalError: The database failed at every attempt.
        """
        return Caller(self, None).run(function, *args, **kwargs)

    async def run_async(self, function: Function[Any, P, Any, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """``run`` from async code, without blocking the event loop."""
        return await Caller(self, None).run_async(function, *args, **kwargs)

    def call(self, name: str, args: dict[str, Any] | None = None) -> Any:
        """Call a function by name with JSON values, and return its result as JSON values."""
        return Caller(self, None).call(name, args)

    async def call_async(self, name: str, args: dict[str, Any] | None = None) -> Any:
        """``call`` from async code, without blocking the event loop."""
        return await Caller(self, None).call_async(name, args)

    def subscribe(self, query: QueryFunction[Any, P, R], /, *args: P.args, **kwargs: P.kwargs) -> Updates[R]:
        """Call a query again whenever a commit changes what it reads: iterate the result for its values.

        ::

            with convex.subscribe(list_messages, channel="a") as updates:
                for messages in updates: ...

        Raises:
            ConvexError: There is no such query, or the arguments do not fit.
        """
        return Caller(self, None).subscribe(query, *args, **kwargs)

    def subscribe_all(
        self, queries: Mapping[str, tuple[QueryFunction[Any, ..., Any], Mapping[str, Any]]]
    ) -> Updates[dict[str, Any]]:
        """Subscribe to several queries with their arguments, by names of your own. All values are of one snapshot.

        ::

            convex.subscribe_all({"messages": (list_messages, {"channel": "a"}), "users": (count_users, {})})
        """
        return Caller(self, None).subscribe_all(queries)

    def with_identity(self, identity: Identity | None) -> Caller:
        """The same calls as a user; None stands for no user."""
        return Caller(self, identity)

    def on_run(self, listener: Callable[[Run], None], afterwards: Callable[[], None] | None = None) -> None:
        """Call this after every run of a direct call or a job, in the thread of the run.

        Args:
            listener: Called with each run.
            afterwards: Called after the runs of one COMMIT, which jobs may share.
        """
        self.calls.listeners.add(listener, afterwards)

    def on_conflict(self, listener: Callable[[ConflictRecord], None]) -> None:
        """Call this soon after mutations of this process lost conflicts, in a thread of its own."""
        self.calls.transactions.conflicts.listen(listener)

    def reload(self) -> None:
        """Import the package again. Running calls keep the old code; a failure changes nothing.

        Raises:
            LoadError: The new version cannot be loaded.
        """
        if isinstance(self._functions, ModuleType):
            raise LoadError(["an app that is a module object cannot be imported again: pass its name"])
        importlib.invalidate_caches()
        before = forget_modules(self._functions)
        try:
            app = checked_app(self._functions, self.settings)
        except BaseException:
            forget_modules(self._functions)
            sys.modules.update(before)
            raise
        self.adopt(app)

    def adopt(self, app: App) -> None:
        """Go on with a newly loaded version of the app. Running calls keep the old code."""
        self._app = app
        self.calls.app = app
        self.live.reset(RELOAD)
        self.dashboard_live.reset(RELOAD)
        if self.worker.is_running:
            self.worker.adopt(app)

    def close(self) -> None:
        """Stop, and close every connection."""
        self.live.close()
        self.dashboard_live.close()
        self.stop()
        self.calls.stop()
        self.database.close()

    def __enter__(self) -> Convex:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _begin_logs(self) -> None:
        """A process that serves or works keeps its log, for those who look at it."""
        package = self._functions if isinstance(self._functions, str) else self._functions.__name__
        self.calls.logs.begin(package)

    def _renew_worker(self) -> None:
        """In a child: what was started runs in the parent, and not here."""
        self.worker = self.new_worker()

    def _check_migrated(self) -> None:
        if not self._is_migrated:
            self.calls.retried("the check of convexpy's tables", self._check_revision)
            self._is_migrated = True

    def _check_revision(self) -> None:
        with self.database.read_internal() as connection:
            framework.check_revision(connection)

    def _check_applied(self, folder: Path) -> None:
        with self.database.read_internal() as connection:
            gap = revision_gap(connection, folder)
        if gap.unapplied:
            raise DatabaseError(
                f"there are revisions that have not been applied to the database: {', '.join(gap.unapplied)}. Run "
                "`convexpy db upgrade` first, or pass allow_unapplied=True if the code can run without them"
            )


class Caller:
    """Calls functions as a user, or as no user."""

    def __init__(self, convex: Convex, identity: Identity | None) -> None:
        self._convex = convex
        self._calls = convex.calls
        self._identity = identity

    def run(self, function: Function[Any, P, Any, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a function and return its result."""
        self._convex._check_migrated()
        result: R = self._calls.run(self._calls.bind(function, args, kwargs, self._identity))
        return result

    async def run_async(self, function: Function[Any, P, Any, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """``run`` from async code."""
        self._convex._check_migrated()
        result: R = await self._calls.run_async(self._calls.bind(function, args, kwargs, self._identity))
        return result

    def call(self, name: str, args: dict[str, Any] | None = None) -> Any:
        """Call a function by name with JSON values, and return its result as JSON values."""
        self._convex._check_migrated()
        return self._calls.run(self._calls.bind_json(name, {} if args is None else args, self._identity))

    def subscribe(self, query: QueryFunction[Any, P, R], /, *args: P.args, **kwargs: P.kwargs) -> Updates[R]:
        """Call a query again whenever a commit changes what it reads: iterate the result for its values."""
        self._convex._check_migrated()
        return self._convex.live.subscribe_to(self._calls.bind(query, args, kwargs, self._identity))

    def subscribe_all(
        self, queries: Mapping[str, tuple[QueryFunction[Any, ..., Any], Mapping[str, Any]]]
    ) -> Updates[dict[str, Any]]:
        """Subscribe to several queries with their arguments, by names of your own. All values are of one snapshot."""
        self._convex._check_migrated()
        calls = {
            name: self._calls.bind(query, (), dict(args), self._identity) for name, (query, args) in queries.items()
        }
        return self._convex.live.subscribe_to_all(calls)

    async def call_async(self, name: str, args: dict[str, Any] | None = None) -> Any:
        """``call`` from async code."""
        self._convex._check_migrated()
        return await self._calls.run_async(self._calls.bind_json(name, {} if args is None else args, self._identity))


def checked_app(functions: str | ModuleType, settings: Settings) -> App:
    """Load the app, and check everything that needs no call."""
    app = load_app(functions, settings.min_cron_interval.total_seconds(), MODULES)
    problems = check_handlers(app.registry)
    if problems:
        raise LoadError(problems)
    return app
