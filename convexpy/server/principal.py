"""``Principal``: on whose behalf a client calls, as it was verified."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol

from ..runtime.admin import Admin
from ..runtime.identity import Identity


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller of a request or a socket."""

    identity: Identity | None = None
    """None: no user."""
    admin: Admin | None = None
    """The rights of the admin key that was shown, which opens internal functions. None: there was none."""
    expires: datetime | None = None
    """When its token is no longer valid. None: it has none."""
    key_id: str | None = None
    """The id of the admin key, by which it may be revoked."""

    @property
    def is_admin(self) -> bool:
        """Whether an admin key was shown."""
        return self.admin is not None

    def seconds_left(self, now: datetime) -> float:
        """For how long its token is valid."""
        return float("inf") if self.expires is None else max(0.0, (self.expires - now).total_seconds())

    def is_expired(self, now: datetime) -> bool:
        """Whether its token is no longer valid."""
        return self.expires is not None and now >= self.expires


ANONYMOUS: Final = Principal()


class SocketAuth(Protocol):
    """Verifies what a client of a socket says of itself. Its methods raise ``AuthFailed``."""

    async def from_token(self, token: str) -> Principal:
        """The caller by a token."""
        ...

    async def from_key(
        self, key: str, acting_as: Mapping[str, Any] | None = None, *, client: str | None = None
    ) -> Principal:
        """The caller by an admin key."""
        ...

    async def check_again(self, principal: Principal) -> None:
        """Check a caller that came earlier."""
        ...


class Caller(NamedTuple):
    """On whose behalf a socket calls."""

    auth: SocketAuth
    principal: Principal
    """The caller until the client has named another one."""
