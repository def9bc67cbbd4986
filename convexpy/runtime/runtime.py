"""The one door to every function: find it, check its arguments, run it, and tell who wants to know."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ..clock import Clock
from ..database.commits import CommitFeed
from ..database.database import Database
from ..errors import InvalidArguments
from ..functions.declare import Kind
from ..functions.load import App
from ..functions.registry import AnyFunction
from ..settings import Settings
from .actions import Actions, in_thread
from .call import Call, Calls, Done
from .event_loop import EventLoopThread
from .events import Observers, Run, describe
from .identity import Identity
from .together import Together


class Runtime:
    """Runs functions of one app on one database."""

    def __init__(self, database: Database, app: App, settings: Settings, clock: Clock, feed: CommitFeed) -> None:
        self.calls = Calls(database, app, settings, clock, feed)
        self.together = Together(self.calls)
        self.background = EventLoopThread()
        self.actions = Actions(self.calls, self.background)
        self.observers = Observers()
        self._clock = clock

    def bind(self, target: object, args: tuple[Any, ...], kwargs: dict[str, Any], identity: Identity | None) -> Call:
        """A call from Python."""
        return self.calls.bind(target, args, kwargs, identity, None)

    def bind_json(self, name: str, values: object, identity: Identity | None) -> Call:
        """A call by name, from JSON values."""
        return self._bind_json(self.calls.registry.find(name), values, identity)

    def bind_public(self, name: str, values: object, identity: Identity | None) -> Call:
        """The same for a client outside of the server, for which only public functions exist.

        Raises:
            FunctionNotFound: There is no public function of this name.
            InvalidArguments: The values do not fit its signature.
        """
        return self._bind_json(self.calls.registry.find_public(name), values, identity)

    def _bind_json(self, function: AnyFunction, values: object, identity: Identity | None) -> Call:
        if not isinstance(values, Mapping):
            raise InvalidArguments(f"{function.name}: the arguments are one JSON object, not {type(values).__name__}")
        return Call(function, function.arguments.check_json(function.name, dict(values)), identity, as_json=True)

    def run(self, call: Call) -> Any:
        """Run a call to its end and return its result."""
        with Told(self, call) as told:
            told.done = self._run(call)
        return told.done.result

    async def run_async(self, call: Call) -> Any:
        """The same, without blocking the current event loop."""
        with Told(self, call) as told:
            if call.function.kind is Kind.ACTION:
                told.done = await self.actions.run_async(call)
            else:
                told.done = await in_thread(self.actions.database_threads, lambda: self._run(call))
        return told.done.result

    def _run(self, call: Call) -> Done:
        if call.function.kind is Kind.QUERY:
            return Done(self.calls.query(call))
        if call.function.kind is Kind.MUTATION:
            return self.calls.mutation(call)
        return self.actions.run(call)

    def stop(self) -> None:
        self.background.stop()
        self.actions.stop()
        self.calls.deadlines.stop()
        self.calls.conflicts.stop()


class Told:
    """Tells the observers how a direct call went."""

    def __init__(self, runtime: Runtime, call: Call) -> None:
        self._runtime = runtime
        self._call = call
        self.done = Done(None)

    def __enter__(self) -> Told:
        self._started = self._runtime._clock.now()
        self._from = time.perf_counter()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        function = self._call.function
        self._runtime.observers.tell(
            Run(
                name=function.name,
                kind=function.kind,
                started=self._started,
                seconds=time.perf_counter() - self._from,
                outcome="failed" if error else "success",
                error=describe(error) if error else None,
                scheduled=self.done.scheduled,
            )
        )
