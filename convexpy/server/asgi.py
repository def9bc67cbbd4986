"""``create_app``: the server as an ASGI app, of HTTP, of sockets, and of the user's own routes."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from .authenticator import AuthFailed
from .backend import Backend
from .http_api import HttpApi
from .refusal import Refused, answer_refused
from .sync_endpoint import sync_endpoint

STATIC: Final = Path(__file__).parent / "static"
"""What pages load from the server: ``/client.js``."""


def create_app(backend: Backend, *, prefix: str = "") -> Starlette:
    """The server of an app.

    Args:
        backend: The parts of the app.
        prefix: A path that stands before all others, where no proxy and no mount takes it away.
    """
    routes = [*api_routes(backend), *socket_routes(backend), *static_routes()]
    handlers = {HTTPException: answer_refused, Refused: answer_refused, AuthFailed: answer_refused}
    app = Starlette(routes=[Mount(prefix, routes=routes)] if prefix else routes, exception_handlers=handlers)
    app.router.redirect_slashes = False
    return app


def api_routes(backend: Backend) -> list[BaseRoute]:
    """The functions, over HTTP."""
    api = HttpApi(backend)
    return [
        Route("/api/query", api.query, methods=["POST"]),
        Route("/api/query", api.get_query, methods=["GET"]),
        Route("/api/mutation", api.mutation, methods=["POST"]),
        Route("/api/action", api.action, methods=["POST"]),
        Route("/api/function", api.any_function, methods=["POST"]),
        Route("/api/run/{path:path}", api.run, methods=["POST"]),
    ]


def socket_routes(backend: Backend) -> list[BaseRoute]:
    """The functions, over WebSockets: ``/api/{version}/sync`` and ``/api/sync``."""
    endpoint = sync_endpoint(backend)
    return [WebSocketRoute(path, endpoint) for path in ("/api/sync", "/api/{version}/sync")]


def static_routes() -> list[BaseRoute]:
    """A route for each file that pages load."""
    files = StaticFiles(directory=STATIC, check_dir=False)

    async def send(request: Request) -> Response:
        response = await files.get_response(Path(request.url.path).name, request.scope)
        response.headers["cache-control"] = "no-cache"  # a browser asks whether it is still the same
        return response

    names = sorted(path.name for path in STATIC.iterdir()) if STATIC.is_dir() else []
    return [Route(f"/{name}", send, methods=["GET"]) for name in names]
