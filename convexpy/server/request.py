"""``Request``: what a route's handler gets."""

from __future__ import annotations

from starlette.requests import Request as StarletteRequest
from starlette.types import Receive, Scope


class Request(StarletteRequest):
    """A request whose body has arrived, as Starlette has it. In a ``def`` handler ``content`` is the body."""

    def __init__(self, scope: Scope, receive: Receive, content: bytes) -> None:
        super().__init__(scope, receive)
        self._body = content  # where Starlette keeps it once it has been read
        self.content = content
        """The body, byte by byte as it was sent: what a signature is computed of."""
