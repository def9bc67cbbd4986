"""``Sessions``: of the dashboard, each begun with an admin key, and kept by the browser in a signed cookie.

A session is bound to its key. The key is looked up at every use, so that a revoked one ends its sessions at once.
"""

from __future__ import annotations

import asyncio
import hmac
import re
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from ..clock import Clock, unix_milliseconds
from ..database import admin_keys as stored
from ..database.signing_keys import session_key
from ..database.types import EPOCH
from ..runtime.admin import Admin
from ..runtime.call_executor import CallExecutor
from .principal import Principal

LIFETIME: Final = timedelta(hours=12)
COOKIE: Final = re.compile(r"([0-9a-f]{12})\.([0-9]{13})\.([0-9a-f]{64})")
"""The key's id, the end of the session in milliseconds since 1970, and the signature over both."""


class Sessions:
    """Sessions of all processes that share the database: none is kept here."""

    def __init__(self, calls: CallExecutor, clock: Clock) -> None:
        self._calls = calls
        self._clock = clock

    async def begin(self, key_id: str) -> str | None:
        """The cookie of a new session. None: the key was revoked just now."""
        expires = unix_milliseconds(self._clock.now() + LIFETIME)

        def cookie() -> str | None:
            key, digest = self._key(key_id)
            return None if key is None else f"{key_id}.{expires}.{self._signature(key_id, expires, digest)}"

        return await asyncio.to_thread(self._calls.retried, "the begin of a session", cookie)

    async def find(self, cookie: str) -> Principal | None:
        """The caller by a cookie. None: it is no session, or one that has ended."""
        found = COOKIE.fullmatch(cookie)
        if found is None:
            return None
        key_id, expires, signature = found[1], int(found[2]), found[3]
        end = EPOCH + timedelta(milliseconds=expires)
        if self._clock.now() >= end:
            return None

        def principal() -> Principal | None:
            key, digest = self._key(key_id)
            if key is None or not hmac.compare_digest(signature, self._signature(key_id, expires, digest)):
                return None
            return principal_of(key, end)

        return await asyncio.to_thread(self._calls.retried, "the check of a session", principal)

    def _key(self, key_id: str) -> tuple[stored.StoredKey | None, str]:
        with self._calls.database.read_internal() as connection:
            return stored.key_with_digest(connection, key_id)

    def _signature(self, key_id: str, expires: int, digest: str) -> str:
        """Over the key's digest as well: a later key with the same id is another one."""
        signed = f"{key_id}.{expires}.{digest}".encode()
        return hmac.new(session_key(self._calls.database), signed, sha256).hexdigest()


def principal_of(key: stored.StoredKey, expires: datetime) -> Principal:
    """The caller of a session."""
    admin = Admin(key.name or key.id, key.read_only, is_dashboard=True)
    return Principal(admin=admin, expires=expires, key_id=key.id)
