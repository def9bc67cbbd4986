"""``DashboardLogin``: where an admin key begins a session, and where a session ends."""

from __future__ import annotations

import re
from html import escape
from typing import Final, Literal, TypedDict
from urllib.parse import parse_qsl, quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from .authenticator import Authenticator, AuthFailed
from .dashboard_gate import SESSION_COOKIE, DashboardGate, check_page
from .dashboard_sessions import LIFETIME, Sessions
from .refusal import Refused

MOST_FORM_BYTES: Final = 4096
ADDRESS: Final = re.compile(r"/(?![/\\])[^\\]*|[^/\\][^\\]*")
"""A place of this server, from its root or from the dashboard. What a browser would take for another server is none."""
SEE_OTHER: Final = 303

PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>Log in · convexpy</title>
<link rel="icon" type="image/svg+xml" href="static/icon.svg">
<link rel="stylesheet" href="static/tokens.css">
<link rel="stylesheet" href="static/login.css">
</head>
<body>
<main>
<p class="brand"><svg viewBox="0 0 20 20" fill="currentColor" aria-hidden="true"><path
d="M7.6 2C3.7 4.6 3.7 15.4 7.6 18c1.7-1.9 2.5-4.9 2.5-8S9.3 3.9 7.6 2z"/><path
d="M13 3.5c2.2 2.6 2.2 10.4 0 13 3.3-.7 4.8-3.6 4.8-6.5S16.3 4.2 13 3.5z" opacity=".45"/></svg>convexpy</p>
<form method="post" action="{action}">
<h1>Log in to the dashboard</h1>
<label for="key">Admin key</label>
<input id="key" name="key" type="password" autocomplete="current-password" spellcheck="false" required autofocus{wrong}>
{problem}<button>Log in</button>
</form>
<p class="hint"><code>convexpy key new</code> makes a key, with <code>--read-only</code> one that changes nothing.
A session ends after {hours} hours, and with its key.</p>
</main>
</body>
</html>
"""


class CookieAttributes(TypedDict):
    """Where a browser sends a cookie, and which scripts see it."""

    path: str
    secure: bool
    httponly: bool
    samesite: Literal["strict"]


class DashboardLogin:
    """The endpoints ``/dashboard/login`` and ``/dashboard/logout``. Both work without scripts."""

    def __init__(self, gate: DashboardGate, sessions: Sessions, auth: Authenticator) -> None:
        self._gate = gate
        self._sessions = sessions
        self._auth = auth

    async def show(self, request: Request) -> Response:
        """``GET /dashboard/login``."""
        if await self._gate.find(request) is not None:
            return RedirectResponse(target_of(request), SEE_OTHER)
        return page(request)

    async def log_in(self, request: Request) -> Response:
        """``POST /dashboard/login``: a key that is accepted begins a session."""
        check_page(request)
        key = await shown_key(request)
        client = request.client.host if request.client is not None else None
        try:
            principal = await self._auth.from_key(key, client=client)
        except AuthFailed as error:
            return page(request, error)
        cookie = await self._sessions.begin(principal.key_id) if principal.key_id is not None else None
        if cookie is None:
            return page(request, AuthFailed(403, "BadAdminKey", "the key was revoked just now"))
        response = RedirectResponse(target_of(request), SEE_OTHER)
        seconds = int(LIFETIME.total_seconds())
        response.set_cookie(SESSION_COOKIE, cookie, max_age=seconds, **attributes_of(request))
        return response

    async def log_out(self, request: Request) -> Response:
        """``POST /dashboard/logout``: the browser forgets its session."""
        check_page(request)
        response = RedirectResponse("login", SEE_OTHER)
        response.delete_cookie(SESSION_COOKIE, **attributes_of(request))
        return response


async def shown_key(request: Request) -> str:
    """The key of the form.

    Raises:
        Refused: 413, it is much longer than a key.
    """
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_FORM_BYTES:
            raise Refused(413, "PayloadTooLarge", "the form is too large")
    return dict(parse_qsl(body.decode("latin-1"))).get("key", "").strip()


def page(request: Request, error: AuthFailed | None = None) -> Response:
    """The page that asks for a key, again after an error."""
    goal = request.query_params.get("next")
    action = "login" if goal is None else f"login?next={quote(goal, safe='')}"
    problem = "" if error is None else f'<p class="problem" id="problem" role="alert">{escape(sentence(error))}</p>\n'
    wrong = "" if error is None else ' aria-invalid="true" aria-describedby="problem"'
    hours = int(LIFETIME.total_seconds()) // 3600
    text = PAGE.format(action=escape(action), problem=problem, wrong=wrong, hours=hours)
    return HTMLResponse(text, 200 if error is None else error.status)


def sentence(error: AuthFailed) -> str:
    """An error as people read it."""
    return f"{error.message[0].upper()}{error.message[1:]}."


def target_of(request: Request) -> str:
    """Where a browser goes when it is logged in: to the page that it wanted, which is on this server."""
    goal = request.query_params.get("next", "")
    if ADDRESS.fullmatch(goal) is None:
        return "./"
    goal = quote(goal, safe="/?=&%:,~+;@!$'()*")
    return goal if goal.startswith("/") else f"./{goal}"


def attributes_of(request: Request) -> CookieAttributes:
    """The attributes of the session's cookie."""
    origin = request.headers.get("origin", "")
    is_secure = request.url.scheme == "https" or origin.startswith("https://")  # TLS may end at a proxy
    path = f"{request.scope.get('root_path', '')}/"  # of the dashboard, which is mounted
    return {"path": path, "secure": is_secure, "httponly": True, "samesite": "strict"}
