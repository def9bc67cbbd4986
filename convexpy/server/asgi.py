"""``create_app``: the server as an ASGI app, of HTTP, of sockets, and of the user's own routes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from .access_log import AccessLog
from .authenticator import AuthFailed
from .backend import Backend
from .dashboard import dashboard_routes
from .dashboard_gate import DashboardGate
from .dashboard_sessions import Sessions
from .health import Health
from .http_api import HttpApi
from .limits import RequestLimit
from .metrics import ADDRESS, MetricsPage
from .openapi import OpenApi
from .origins import OriginCheck, check_cors
from .refusal import Refused, answer_failed, answer_refused
from .routes import UserRoutes
from .sync_endpoint import sync_endpoint

STATIC: Final = Path(__file__).parent / "static"
"""What pages load from the server: ``/client.js``."""
COMPRESSED_FROM: Final = 1024
"""So many bytes are worth compressing."""
COMPRESSION: Final = 4
"""Of 9: text gets hardly smaller with more, and takes twice the time."""


def create_app(backend: Backend, *, prefix: str = "", revisions: Path | None = None) -> Starlette:
    """The server of an app.

    Args:
        backend: The parts of the app.
        prefix: A path that stands before all others, where no proxy and no mount takes it away.
        revisions: The folder of the user's revisions. Until all of them have been applied the server is not ready.

    Raises:
        SettingsError: The origins of the settings are none.
    """
    settings = backend.settings
    check_cors(settings)
    gate = DashboardGate(Sessions(backend.calls, backend.clock), backend.auth, settings)
    app = Starlette(
        routes=[
            *api_routes(backend),
            *other_routes(backend, revisions),
            *socket_routes(backend),
            *dashboard_routes(backend, gate),
            *metrics_routes(backend, gate),
            *static_routes(),
        ],
        middleware=[
            Middleware(SingleSlashes),
            Middleware(AccessLog),
            Middleware(OriginCheck, settings),
            Middleware(GZipMiddleware, minimum_size=COMPRESSED_FROM, compresslevel=COMPRESSION),
            Middleware(RequestLimit, settings.max_body_bytes),
        ],
        exception_handlers={
            **dict.fromkeys((HTTPException, Refused, AuthFailed, ClientDisconnect), answer_refused),
            Exception: answer_failed,
        },
    )
    app.router.redirect_slashes = False
    app.router.default = UserRoutes(backend)
    return Starlette(routes=[Mount(prefix, app)]) if prefix else app


class SingleSlashes:
    """Takes several slashes in a row for one: clients put a path behind an address that ends with a slash."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if "//" in scope.get("path", ""):
            scope = {**scope, "path": re.sub("/{2,}", "/", scope["path"])}
        await self._app(scope, receive, send)


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
        Route("/api/query_batch", api.query_batch, methods=["POST"]),
        Route("/api/query_ts", api.query_ts, methods=["POST"]),
        Route("/api/query_at_ts", api.query_at_ts, methods=["POST"]),
        Route("/api/debug_event", api.debug_event, methods=["POST"]),
    ]


def other_routes(backend: Backend, revisions: Path | None) -> list[BaseRoute]:
    """What tells of the server itself."""
    health, openapi = Health(backend, revisions), OpenApi(backend)
    return [
        Route("/version", health.version, methods=["GET"]),
        Route("/health", health.health, methods=["GET"]),
        Route("/ready", health.ready, methods=["GET"]),
        Route("/openapi.json", openapi.document, methods=["GET"]),
    ]


def socket_routes(backend: Backend) -> list[BaseRoute]:
    """The functions, over WebSockets: ``/api/{version}/sync`` and ``/api/sync``."""
    endpoint = sync_endpoint(backend)
    return [WebSocketRoute(path, endpoint) for path in ("/api/sync", "/api/{version}/sync")]


def metrics_routes(backend: Backend, gate: DashboardGate) -> list[BaseRoute]:
    """What the app does, for machines."""
    return [Route(ADDRESS, MetricsPage(backend, gate).show, methods=["GET"])]


def static_routes() -> list[BaseRoute]:
    """A route for each file that pages load."""
    files = StaticFiles(directory=STATIC, check_dir=False)

    async def send(request: Request) -> Response:
        response = await files.get_response(Path(request.url.path).name, request.scope)
        response.headers["cache-control"] = "no-cache"  # a browser asks whether it is still the same
        return response

    names = sorted(path.name for path in STATIC.iterdir()) if STATIC.is_dir() else []
    return [Route(f"/{name}", send, methods=["GET"]) for name in names]
