"""``Remote``: an app on another machine, called from Python like one in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib import metadata
from types import TracebackType
from typing import Any, Final, ParamSpec, Self, TypeVar, overload

from ..fork import in_child
from ..functions.declare import Function, Kind, QueryFunction
from ..functions.references import Reference
from ..functions.registry import AnyFunction
from ..live.updates import Latest, Updates
from .http_calls import HttpCalls
from .live_socket import LiveQuery, LiveSocket
from .loop_thread import LoopThread
from .tokens import Token
from .values import any_result, encoded_arguments, encoded_values, name_on_server, typed_result

P = ParamSpec("P")
R = TypeVar("R")

TIMEOUT_SECONDS: Final = 90.0


class Remote:
    """Calls the public functions of an app over the network, and subscribes to its queries.

    ::

        with Remote("https://shop.example") as shop:
            item_id = shop.run(create_item, name="tea")
            with shop.subscribe(list_items) as updates:
                for items in updates: ...

    Functions are given as objects, which are typed, or by name. Any thread and any event loop may use it. Connections
    are opened when they are needed, and again when they break.

    Args:
        url: The address of the server, with the path at which the app is mounted, if it is.
        token: The token of a user: a text, or a function that returns the newest one, which may be ``async``. It is
            called before each request and each connection. None: the calls are anonymous.
        functions: The import name of the app's package, if it is within another one, such as ``backend.shop``.
        timeout: How many seconds a call may take.
    """

    def __init__(
        self, url: str, token: Token = None, *, functions: str | None = None, timeout: float = TIMEOUT_SECONDS
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"{url!r}: the address of a server begins with http:// or https://")
        self.url: Final = url.rstrip("/")
        self._token = token
        self._functions = functions
        self._timeout = timeout
        self._agent = f"convexpy-{metadata.version('convexpy')}"
        self._loop_thread = LoopThread()
        self._forget()
        in_child.add(self._forget)

    def _forget(self) -> None:
        """Begin without connections. In a child that was forked, those that there were are the parent's."""
        self._calls: HttpCalls | None = None
        self._socket: LiveSocket | None = None

    @overload
    def run(self, function: Function[Any, P, Any, R], /, *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    def run(self, function: str | Reference, /, **kwargs: Any) -> Any: ...
    def run(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call a function and return its result.

        A mutation runs once, also if its answer is lost and it has to be sent again.

        Raises:
            ConvexError: The function raised it, or could not be called.
            ConnectionError: The server cannot be reached. An action may have run.
            TimeoutError: There was no answer in time.
        """
        kind, name, arguments, read = self._prepare(function, args, kwargs)
        return read(self._loop_thread.submit(self._call(kind, name, arguments)).result())

    @overload
    async def run_async(self, function: Function[Any, P, Any, R], /, *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    async def run_async(self, function: str | Reference, /, **kwargs: Any) -> Any: ...
    async def run_async(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """``run`` from async code, without blocking the event loop."""
        kind, name, arguments, read = self._prepare(function, args, kwargs)
        return read(await asyncio.wrap_future(self._loop_thread.submit(self._call(kind, name, arguments))))

    def call(self, name: str, args: dict[str, Any] | None = None) -> Any:
        """Call a function by name, and return its result as values of JSON, ``int`` and ``bytes``."""
        return self.run(name, **(args or {}))

    async def call_async(self, name: str, args: dict[str, Any] | None = None) -> Any:
        """``call`` from async code, without blocking the event loop."""
        return await self.run_async(name, **(args or {}))

    @overload
    def subscribe(self, query: QueryFunction[Any, P, R], /, *args: P.args, **kwargs: P.kwargs) -> Updates[R]: ...
    @overload
    def subscribe(self, query: str | Reference, /, **kwargs: Any) -> Updates[Any]: ...
    def subscribe(self, query: Any, /, *args: Any, **kwargs: Any) -> Updates[Any]:
        """Call a query again whenever a commit changes what it reads: iterate the result for its values.

        While the server cannot be reached there are no values; then the newest one comes, if it is another.
        """
        _, name, arguments, read = self._prepare(query, args, kwargs)
        latest = Latest()
        live = LiveQuery(name, arguments, read, latest)
        remove = self._loop_thread.submit(self._subscribe(live)).result()
        return Updates(latest, remove, remove)

    def close(self) -> None:
        """End every subscription, and close every connection."""
        if self._calls is not None or self._socket is not None:
            self._loop_thread.submit(self._close()).result()
        self._loop_thread.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.close)

    def _prepare(
        self, function: AnyFunction | Reference | str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Kind | None, str, bytes, Callable[[object], Any]]:
        """The kind, the name and the arguments of a call, and what reads its result."""
        name = name_on_server(function, self._functions)
        if isinstance(function, Function):
            return function.kind, name, encoded_arguments(function, args, kwargs), partial(typed_result, function)
        return None, name, encoded_values(name, kwargs), partial(any_result, name)

    async def _call(self, kind: Kind | None, name: str, arguments: bytes) -> Any:
        if self._calls is None:
            self._calls = HttpCalls(self.url, self._token, self._timeout, self._agent)
        return await self._calls.call(kind, name, arguments)

    async def _subscribe(self, live: LiveQuery) -> Callable[[], None]:
        """Subscribe on the loop. What ends it, from any thread and without a lock."""
        if self._socket is None:
            self._socket = LiveSocket(self.url, self._token, self._agent)
        loop, socket = asyncio.get_running_loop(), self._socket
        number = socket.add(live)

        def remove() -> None:
            with suppress(RuntimeError):  # the loop has ended, and with it every subscription
                loop.call_soon_threadsafe(socket.remove, number)

        return remove

    async def _close(self) -> None:
        calls, socket = self._calls, self._socket
        self._forget()
        if socket is not None:
            await socket.close()
        if calls is not None:
            await calls.close()
