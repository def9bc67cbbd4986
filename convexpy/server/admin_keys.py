"""``AdminKeys``: the admin keys of the database, looked up at every use, so that a revoked one ends at once."""

from __future__ import annotations

import asyncio

from ..database import admin_keys as stored
from ..runtime.call_executor import CallExecutor


class AdminKeys:
    """The keys that are accepted."""

    def __init__(self, calls: CallExecutor) -> None:
        self._calls = calls
        self._database = calls.database

    async def find(self, key: str) -> stored.StoredKey | None:
        """The key that is shown. None: it is not accepted."""
        if stored.id_of(key) is None:
            return None
        return await asyncio.to_thread(self._calls.retried, "the check of an admin key", lambda: self._find(key))

    async def has(self, key_id: str) -> bool:
        """Whether a key that was accepted before still is."""
        return await asyncio.to_thread(self._calls.retried, "the check of an admin key", lambda: self._has(key_id))

    def _find(self, key: str) -> stored.StoredKey | None:
        with self._database.read_internal() as connection:
            return stored.find_key(connection, key)

    def _has(self, key_id: str) -> bool:
        with self._database.read_internal() as connection:
            return stored.has_key(connection, key_id)
