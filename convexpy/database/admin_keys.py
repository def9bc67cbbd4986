"""Admin keys: made at random, stored as digests in ``_convexpy_keys``, so that no one reads a key in the database."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, delete, insert, select

from .jobs import changes_of
from .tables import admin_keys

KEY: Final = re.compile(r"cvx_([0-9a-f]{12})_[0-9a-f]{40}")
NO_DIGEST: Final = "0" * 64
COLUMNS: Final = tuple(admin_keys.c["id", "name", "created_time", "read_only"])


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that no database knows yet."""

    id: str
    text: str = field(repr=False)
    """The key itself: the secret. 160 of its bits are random."""
    digest: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What the database knows of a key."""

    id: str
    name: str
    created_time: datetime
    read_only: bool = False
    """Whether it is for queries only."""


def new_key() -> NewKey:
    """A key that cannot be guessed."""
    key_id = secrets.token_hex(6)
    text = f"cvx_{key_id}_{secrets.token_hex(20)}"
    return NewKey(key_id, text, digest_of(text))


def digest_of(text: str) -> str:
    """What is stored of a key. Its random part is long, so that a plain hash cannot be reversed."""
    return hashlib.sha256(text.encode()).hexdigest()


def id_of(text: str) -> str | None:
    """The id of a key, accepted or not. None: no key looks like that."""
    form = KEY.fullmatch(text)
    return form[1] if form is not None else None


def find_key(connection: Connection, text: str) -> StoredKey | None:
    """The key that is shown, or None: it was never made, or it is revoked."""
    key_id = id_of(text)
    if key_id is None:
        return None
    found, digest = key_with_digest(connection, key_id)
    # Compared also if there is none, so that the time tells nothing about which ids there are.
    return found if hmac.compare_digest(digest, digest_of(text)) else None


def key_with_digest(connection: Connection, key_id: str) -> tuple[StoredKey | None, str]:
    """The key with this id, and its digest. None, and the digest of no key: there is none, or it is revoked."""
    row = connection.execute(select(*COLUMNS, admin_keys.c.digest).where(admin_keys.c.id == key_id)).one_or_none()
    if row is None:
        return None, NO_DIGEST
    return StoredKey(row.id, row.name, row.created_time, row.read_only), row.digest


def has_key(connection: Connection, key_id: str) -> bool:
    """Whether the key with this id is not revoked."""
    return connection.execute(select(admin_keys.c.id).where(admin_keys.c.id == key_id)).scalar() is not None


def list_keys(connection: Connection) -> list[StoredKey]:
    """All keys, the oldest first."""
    rows = connection.execute(select(*COLUMNS).order_by(admin_keys.c.created_time, admin_keys.c.id))
    return [StoredKey(*row) for row in rows]


def add_key(connection: Connection, key: StoredKey, digest: str) -> None:
    """Store a key: from now on it is accepted."""
    connection.execute(insert(admin_keys).values(**asdict(key), digest=digest))
    changes_of(connection).writes.add(admin_keys.name)


def remove_key(connection: Connection, key_id: str) -> StoredKey | None:
    """Forget a key. None: there is none with this id."""
    found = next((key for key in list_keys(connection) if key.id == key_id), None)
    if found is not None:
        connection.execute(delete(admin_keys).where(admin_keys.c.id == key_id))
        changes_of(connection).writes.add(admin_keys.name)
    return found
