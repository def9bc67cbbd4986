"""``Principal``: on whose behalf a client calls, as it was verified."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ..runtime.identity import Identity


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller of a request or a socket."""

    identity: Identity | None = None
    """None: no user."""
    is_admin: bool = False
    """Whether an admin key was shown, which opens internal functions."""
    expires: datetime | None = None
    """When its token is no longer valid. None: it has none."""
    key_id: str | None = None
    """The id of the admin key, by which it may be revoked."""

    def is_expired(self, now: datetime) -> bool:
        """Whether its token is no longer valid."""
        return self.expires is not None and now >= self.expires


ANONYMOUS: Final = Principal()
