"""``DashboardGate``: access to the dashboard, by sessions, and by the pages that send requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import HTTPConnection

from ..runtime.admin import Admin
from ..settings import Settings, is_loopback
from .authenticator import BAD_KEY, UNAUTHENTICATED, Authenticator, AuthFailed, acting, read_attributes
from .dashboard_sessions import Sessions
from .origins import ADDRESS, LOOPBACK, Origin
from .principal import Caller, Principal
from .refusal import Refused

SESSION_COOKIE: Final = "convexpy_dashboard"
OWN_HEADER: Final = "x-convexpy-dashboard"
"""Pages of another origin cannot send it without being allowed to."""
ACTING_HEADER: Final = "x-convexpy-acting-as"
"""The attributes of the user that the admin acts as: a JSON object in base64."""
FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
"""A request with one of these comes from elsewhere, by a proxy or a tunnel on this machine."""
OWN_SITES: Final = frozenset({"same-origin", "none"})

DEVELOPER: Final = Principal(admin=Admin("dev", is_dashboard=True))
"""The caller where the dashboard is open: in development, on this machine."""


class DashboardGate:
    """Knows callers by their session, or by where they are."""

    def __init__(self, sessions: Sessions, auth: Authenticator, settings: Settings) -> None:
        self._sessions = sessions
        self._auth = auth
        self._settings = settings

    async def find(self, connection: HTTPConnection) -> Principal | None:
        """The caller of a request. None: it has to log in."""
        cookie = connection.cookies.get(SESSION_COOKIE)
        found = await self._sessions.find(cookie) if cookie is not None else None
        return DEVELOPER if found is None and self.is_open_to(connection) else found

    async def caller(self, connection: HTTPConnection) -> Principal:
        """The caller of a request to the functions, or the user that it acts as.

        Raises:
            Refused: 403, another page has sent it.
            AuthFailed: 401, there is no session, or it has ended.
        """
        check_page(connection)
        if OWN_HEADER not in connection.headers:
            raise Refused(403, "OriginNotAllowed", f"the header {OWN_HEADER} is missing")
        principal = await self._found(connection)
        acting_as = connection.headers.get(ACTING_HEADER)
        return principal if acting_as is None else acting(principal, read_attributes(acting_as))

    async def admit(self, connection: HTTPConnection) -> Caller:
        """The caller of a socket.

        Raises:
            AuthFailed: It comes from another page, or there is no session.
        """
        if not is_own_page(connection):
            raise AuthFailed(403, "OriginNotAllowed", "another page has opened the socket")
        principal = await self._found(connection)
        return Caller(SessionAuth(principal, self._auth), principal)

    async def _found(self, connection: HTTPConnection) -> Principal:
        found = await self.find(connection)
        if found is None:
            raise AuthFailed(401, UNAUTHENTICATED, "there is no session, or it has ended: log in")
        return found

    def is_open_to(self, connection: HTTPConnection) -> bool:
        """Whether a caller needs no key: one on this machine, in development."""
        if not self._settings.debug or connection.client is None:
            return False
        host = ADDRESS.fullmatch(connection.headers.get("host", "").lower())
        is_near = is_loopback(connection.client.host) and host is not None and host["host"] in LOOPBACK
        return is_near and not any(name in connection.headers for name in FORWARDED)


class SessionAuth:
    """Verifies what a socket of the dashboard says: a user that it acts as takes the place of a token."""

    def __init__(self, principal: Principal, auth: Authenticator) -> None:
        self._principal = principal
        self._auth = auth

    async def from_token(self, token: str) -> Principal:
        """The user whose attributes are the token: a JSON object in base64.

        Raises:
            AuthFailed: It is none.
        """
        return acting(self._principal, read_attributes(token))

    async def from_key(
        self, key: str, acting_as: Mapping[str, Any] | None = None, *, client: str | None = None
    ) -> Principal:
        """Refused: the session has its key.

        Raises:
            AuthFailed: Always.
        """
        raise AuthFailed(403, BAD_KEY, "a session takes no other key")

    async def check_again(self, principal: Principal) -> None:
        """Check that the session has not ended.

        Raises:
            AuthFailed: It has.
        """
        await self._auth.check_again(principal)


def check_page(connection: HTTPConnection) -> None:
    """Make sure that no page of another origin has sent a request.

    Raises:
        Refused: 403, one has.
    """
    if not is_own_page(connection):
        raise Refused(403, "OriginNotAllowed", "a page of another address has sent the request")


def is_own_page(connection: HTTPConnection) -> bool:
    """Whether a request comes from the dashboard's own pages, or from no page.

    Pages of other ports are others, also in development, and so are those that ``cors`` lists.
    """
    headers = connection.headers
    origin = headers.get("origin")
    if headers.get("sec-fetch-site", "none") not in OWN_SITES:
        return False
    if origin is None:
        return True
    found = Origin.parse(origin)
    return found is not None and found.is_of(headers.get("host"))
