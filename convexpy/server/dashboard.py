"""The dashboard's part of the server, below ``/dashboard/``: its pages, its files, and its way to the functions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.parse import quote

from pydantic_core import to_json
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .access_log import QUIET
from .authenticator import AuthFailed
from .backend import Backend
from .dashboard_gate import DashboardGate, check_page
from .dashboard_login import SEE_OTHER, DashboardLogin
from .dashboard_sessions import Sessions
from .http_api import HttpApi
from .principal import Principal
from .refusal import Refused, answer_refused
from .sync_endpoint import sync_endpoint

FILES: Final = Path(__file__).parents[1] / "dashboard" / "static"
TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}
"""By themselves: what a system says of its files is not the same everywhere."""
HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; font-src 'self'; "
        "manifest-src 'self'; form-action 'self'; base-uri 'self'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "referrer-policy": "same-origin",  # with no-referrer, forms would not say where they come from
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
AGAIN: Final = '<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0"><title>convexpy</title>'
"""A page that loads the same address once more, on its own behalf."""


def dashboard_routes(backend: Backend, gate: DashboardGate) -> list[BaseRoute]:
    """The routes of the dashboard, if the settings have one."""
    if not backend.settings.dashboard:
        return []
    return [Route("/dashboard", with_slash), Mount("/dashboard", app_of(backend, gate))]


def app_of(backend: Backend, gate: DashboardGate) -> ASGIApp:
    """The app that answers below ``/dashboard/``."""
    login = DashboardLogin(gate, Sessions(backend.calls, backend.clock), backend.auth)
    settings = backend.settings.model_copy(update={"debug": True})  # an admin sees errors in full
    backend = replace(backend, live=backend.dashboard_live or backend.live, settings=settings)
    pages, api = DashboardPages(gate), DashboardApi(backend, gate)
    router = Router(
        [
            Route("/session", api.session, methods=["GET"]),
            Route("/login", login.show, methods=["GET"]),
            Route("/login", login.log_in, methods=["POST"]),
            Route("/logout", login.log_out, methods=["POST"]),
            Route("/api/query", api.query, methods=["POST"]),
            Route("/api/mutation", api.mutation, methods=["POST"]),
            Route("/api/action", api.action, methods=["POST"]),
            Route("/api/function", api.any_function, methods=["POST"]),
            WebSocketRoute("/api/sync", sync_endpoint(backend, gate.admit)),
            Route("/api/{path:path}", not_found),
            Route("/static/{path:path}", pages.file, methods=["GET"]),
            Route("/{path:path}", pages.page, methods=["GET"]),
        ],
        redirect_slashes=False,
    )
    refusals = (HTTPException, Refused, AuthFailed, ClientDisconnect)
    return SecurityHeaders(ExceptionMiddleware(router, dict.fromkeys(refusals, answer_refused)))


class SecurityHeaders:
    """Adds to every answer what a browser may do with it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        await self._app(scope, receive, sending)


class DashboardPages:
    """``index.html``, which shows every page by its address, and the files that it loads."""

    def __init__(self, gate: DashboardGate) -> None:
        self._gate = gate
        self._files = StaticFiles(directory=FILES, check_dir=False)

    async def page(self, request: Request) -> Response:
        """``GET /dashboard/…``. A browser without a session is sent to the login, and comes back."""
        path = path_below(request)
        up = "../" * path.count("/")
        if await self._gate.find(request) is not None:
            return HTMLResponse(with_base((FILES / "index.html").read_text("utf-8"), up or "./"))
        if request.headers.get("sec-fetch-site") == "cross-site":
            return HTMLResponse(AGAIN)  # a link of another page: the browser has left out the cookie
        query = f"?{request.url.query}" if request.url.query else ""
        goal = f"?next={quote(path + query, safe='')}" if path or query else ""
        return RedirectResponse(f"{up}login{goal}", SEE_OTHER)

    async def file(self, request: Request) -> Response:
        """``GET /dashboard/static/…``."""
        path = request.path_params["path"]
        request.scope[QUIET] = True
        response = await self._files.get_response(path, request.scope)
        response.headers["content-type"] = TYPES.get(Path(path).suffix, "application/octet-stream")
        response.headers["cache-control"] = "no-cache"  # a browser asks whether it is still the same
        return response


class DashboardApi(HttpApi):
    """The functions over HTTP, on behalf of a session."""

    def __init__(self, backend: Backend, gate: DashboardGate) -> None:
        super().__init__(backend)
        self._gate = gate

    async def session(self, request: Request) -> Response:
        """``GET /dashboard/session``: the name and the rights of the session, or 401."""
        check_page(request)
        found = await self._gate.find(request)
        if found is None or found.admin is None:
            raise AuthFailed(401, "Unauthenticated", "there is no session, or it has ended: log in")
        document = {
            "name": found.admin.name,
            "readOnly": found.admin.is_read_only,
            "needsKey": found.key_id is not None,
        }
        return Response(to_json(document), media_type="application/json")

    async def _principal(self, request: Request) -> Principal:
        return await self._gate.caller(request)


async def with_slash(request: Request) -> Response:
    """``/dashboard``: relative addresses begin with a slash at its end."""
    return RedirectResponse("dashboard/", 308)


async def not_found(request: Request) -> Response:
    """What is no address of the API."""
    raise HTTPException(404)


def path_below(request: Request) -> str:
    """The path below ``/dashboard/`` as the browser wrote it, from which relative addresses follow."""
    scope = request.scope
    raw = scope.get("raw_path") or quote(scope["path"]).encode()
    path: str = raw.decode("latin-1")
    return path.split("/", scope["root_path"].count("/") + 1)[-1]


def with_base(html: str, base: str) -> str:
    """A page whose relative addresses begin at the dashboard's root."""
    return html.replace("<head>", f'<head>\n<base href="{base}">', 1)
