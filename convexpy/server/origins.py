"""Which pages may call the server: CORS, the Origin of sockets, and in development the Host as well.

A page's Origin is compared with a list, as scheme, host and port. Nothing is ever answered to `*`, or to `null`.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final, Self

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import SettingsError
from ..settings import Settings
from .refusal import Refused

ADDRESS: Final = re.compile(r"(?P<host>\[[0-9a-f:.]+\]|[^\s/?#@:\[\]*]+)(?::(?P<port>\d{1,5}))?")
ORIGIN: Final = re.compile(rf"(?P<scheme>[a-z][a-z0-9+.-]*)://{ADDRESS.pattern}")
PORTS: Final = {"http": "80", "https": "443"}
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
ANY_ADDRESS: Final = frozenset({"0.0.0.0", "[::]"})

PREFLIGHT: Final = {
    "access-control-allow-methods": "GET, POST, PUT, PATCH, DELETE, OPTIONS",
    "access-control-allow-headers": "authorization, content-type, convex-client, idempotency-key",
    "access-control-max-age": "86400",
}
POLICY_VIOLATION: Final = 1008


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a page comes from."""

    scheme: str
    host: str
    port: str

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The origin that a header or a setting names. None: it names none, as ``null`` does."""
        found = ORIGIN.fullmatch(text.lower())
        if found is None:
            return None
        return cls(found["scheme"], found["host"], found["port"] or PORTS.get(found["scheme"], ""))

    def is_of(self, host: str | None) -> bool:
        """Whether it is the address that a request was sent to. A proxy may have taken TLS away, so by any scheme."""
        found = ADDRESS.fullmatch((host or "").lower())
        if found is None:
            return False
        ports = {found["port"]} if found["port"] else set(PORTS.values())
        return self.host == found["host"] and self.port in ports


def is_allowed_origin(origin: str | None, host: str | None, settings: Settings) -> bool:
    """Whether a request or a socket from a page may be answered.

    Args:
        origin: Its ``Origin`` header. Without one no page has sent it, and no browser's rights are at stake.
        host: Its ``Host`` header: a page of the same address may.
        settings: With the other origins that may. In development those of this machine may, at any port.
    """
    if origin is None:
        return True
    found = Origin.parse(origin)
    return found is not None and (found.is_of(host) or is_listed(found, settings))


def is_listed(origin: Origin, settings: Settings) -> bool:
    """Whether pages of another address than the server's may read its answers."""
    if settings.debug and origin.host in LOOPBACK:
        return True
    return origin in {Origin.parse(each) for each in settings.cors}


def is_own_host(host: str | None, settings: Settings) -> bool:
    """Whether a ``Host`` header names this machine, and no name of an attacker's that leads here."""
    found = ADDRESS.fullmatch((host or "").lower())
    if found is None:
        return False
    name, configured = found["host"], settings.host.lower()
    configured = f"[{configured}]" if ":" in configured else configured
    if name in LOOPBACK or name == configured:
        return True
    return configured in ANY_ADDRESS and is_ip_address(name)


def is_ip_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def check_cors(settings: Settings) -> None:
    """Check the origins of the settings.

    Raises:
        SettingsError: One is none.
    """
    for each in settings.cors:
        if Origin.parse(each) is None:
            raise SettingsError(f"cors: {each!r} is no origin. Write scheme, host and port, as https://shop.example")


class OriginCheck:
    """Answers preflights, tells browsers which pages may read an answer, and refuses sockets of other pages.

    In development it refuses every request with a foreign Host or Origin. A page of an attacker's can make its own
    name lead to 127.0.0.1 (DNS rebinding), and then its requests would be of the same origin.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin, host = headers.get("origin"), headers.get("host")
        is_allowed = is_allowed_origin(origin, host, self._settings)
        is_foreign = self._settings.debug and not (is_allowed and is_own_host(host, self._settings))
        if scope["type"] == "websocket":
            if is_foreign or not is_allowed:
                await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": "origin not allowed"})
            else:
                await self._app(scope, receive, send)
            return
        page = Origin.parse(origin) if origin is not None and not is_foreign else None
        may_read = page is not None and is_listed(page, self._settings)
        sending = with_cors(send, origin if may_read else None)
        if is_foreign:
            await refusal().response(scope, receive, sending)
        elif scope["method"] == "OPTIONS" and origin and "access-control-request-method" in headers:
            answer = Response(status_code=204, headers=PREFLIGHT) if may_read else refusal().response
            await answer(scope, receive, sending)
        else:
            await self._app(scope, receive, sending)


def with_cors(send: Send, origin: str | None) -> Send:
    """Send answers that a page of this origin may read; None: of no other origin than the server's own."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.add_vary_header("Origin")
            if origin is not None:
                headers["access-control-allow-origin"] = origin
                headers["access-control-allow-credentials"] = "true"
        await send(message)

    return sending


def refusal() -> Refused:
    return Refused(403, "OriginNotAllowed", "the Host or the Origin of the request is not one of this server's")
