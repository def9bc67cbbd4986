"""``Authenticator``: verifies tokens and admin keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .principal import ANONYMOUS, Principal


class AuthFailed(Exception):
    """A token or a key was refused.

    Attributes:
        status: The HTTP status, 401 or 403.
        code: A short name for programs, such as ``InvalidAuthHeader``.
        message: What happened, for the log and for the client.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


class Authenticator:
    """Verifies tokens by the issuers in the settings, and admin keys by the database."""

    async def from_header(self, authorization: str | None) -> Principal:
        """The caller by an ``Authorization`` header: ``Bearer TOKEN``, ``Convex KEY``, or none.

        Raises:
            AuthFailed: It is refused.
        """
        if authorization is None:
            return ANONYMOUS
        raise AuthFailed(401, "NoAuthProvider", "no issuer of tokens is configured")

    async def from_token(self, token: str) -> Principal:
        """The caller by a token."""
        raise AuthFailed(401, "NoAuthProvider", "no issuer of tokens is configured")

    async def from_key(self, key: str, acting_as: Mapping[str, Any] | None = None) -> Principal:
        """The caller by an admin key, and as which user it acts."""
        raise AuthFailed(403, "BadAdminKey", "there is no such key")
