"""``UserRoutes``: answers requests by the app's own routes, those of the version that is loaded now."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request as StarletteRequest
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from ..errors import ConvexError, InvalidArguments, Overloaded
from ..functions.encoding import clean_json, encode_any
from ..functions.http_routes import AnyRoute
from ..runtime.call import Call
from ..runtime.identity import Identity
from .access_log import request_of
from .authenticator import AuthFailed
from .backend import Backend
from .envelope import RAISED, describe, document_of, is_of_server, log_failure
from .refusal import Refused, refusal_of
from .request import Request


class UserRoutes:
    """An ASGI app of everything that the framework itself does not answer."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await WebSocketClose()(scope, receive, send)
            return
        path = path_of(scope)
        routes = self._backend.calls.registry.routes
        found = routes.find(scope["method"], path)
        if found is None:
            methods = routes.methods(path)
            raise HTTPException(405, headers={"Allow": ", ".join(methods)}) if methods else HTTPException(404)
        route, texts = found
        try:
            values = route.arguments.read(route.name, texts)
        except InvalidArguments as error:
            await answer_error(error)(scope, receive, send)
            return
        incoming = StarletteRequest(scope, receive)
        content = await incoming.body()
        scope["path_params"] = values
        values = {**values, route.request_parameter: Request(scope, receive, content)}
        call = Call(route, values, await self._identity(incoming), request=request_of(scope))
        await self._answer(route, call, scope, receive, send)

    async def _identity(self, request: StarletteRequest) -> Identity | None:
        """The user by a token that is valid. A route is public, and its header may be another's than ours."""
        try:
            principal = await self._backend.auth.of_request(request)
        except AuthFailed as error:
            if error.status == 503:
                raise  # a user whose token cannot be verified at the moment is not nobody
            return None
        if principal.admin is not None and principal.admin.is_read_only:
            return None  # a route is an action, which the user that such a key acts as must not call
        return principal.identity

    async def _answer(self, route: AnyRoute, call: Call, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self._backend.calls.run_for_client(call)
            await self._send(route, response, scope, receive, send)
        except HTTPException:
            raise
        except Overloaded as error:
            raise refusal_of(error) from error
        except RAISED as error:
            log_failure(error, call.request, route.name)
            if has_begun(scope):
                raise  # the server cuts the connection: the client must not take a part for the whole
            if isinstance(error, ConvexError) and not is_of_server(error):
                response = answer_error(error)
            else:
                described = describe(error, call.request, debug=self._backend.settings.debug)
                response = Refused(500, "InternalServerError", described.message).response
            await response(scope, receive, send)

    async def _send(self, route: AnyRoute, response: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a response. One that goes on with the handler's work does so on the event loop of the handler."""
        goes_on = not hasattr(response, "body") or getattr(response, "background", None) is not None
        if not (goes_on and route.is_async):
            await response(scope, receive, noting(scope, send))
            return
        loop = asyncio.get_running_loop()

        async def receive_here() -> Message:
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(as_coroutine(receive()), loop))

        async def send_here(message: Message) -> None:
            sent = asyncio.run_coroutine_threadsafe(as_coroutine(noting(scope, send)(message)), loop)
            await asyncio.wrap_future(sent)

        async def respond() -> None:
            await response(scope, receive_here, send_here)

        await asyncio.wrap_future(self._backend.calls.event_loop.submit(respond()))


BEGUN = "convexpy.begun"


def noting(scope: Scope, send: Send) -> Send:
    """Send, and note that the response has begun."""

    async def sending(message: Message) -> None:
        scope[BEGUN] = True
        await send(message)

    return sending


def has_begun(scope: Scope) -> bool:
    """Whether a part of the response has been sent."""
    return BEGUN in scope


def path_of(scope: Scope) -> str:
    """The path of a request below the place where the app is mounted."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


async def as_coroutine(awaitable: Any) -> Any:
    return await awaitable


def answer_error(error: ConvexError) -> Response:
    """An error with a code, as the JSON of a response: ``{"code", "message", "data"}``."""
    return Response(clean_json(encode_any(document_of(error))), error.status, media_type="application/json")
