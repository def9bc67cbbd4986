"""``_system/keys``: the admin keys. The keys themselves are in no argument and no result, as these may be stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Self

from pydantic import StringConstraints

from ..database import admin_keys as stored
from ..errors import ConvexError
from .audit import audit
from .context import LOOKED_EVERY, SystemMutationCtx, SystemQueryCtx, system_mutation, system_query
from .document import Document, UnixTime


class AdminKey(Document):
    """A key that is accepted."""

    id: str
    name: str
    created_time: UnixTime
    read_only: bool
    """Whether it is for queries only."""

    @classmethod
    def of(cls, key: stored.StoredKey) -> Self:
        return cls.model_validate(asdict(key))


@system_query(refresh=LOOKED_EVERY)
def list(ctx: SystemQueryCtx) -> Sequence[AdminKey]:
    """The keys that are accepted, the oldest first."""
    return [AdminKey.of(key) for key in stored.list_keys(ctx.connection)]


@system_mutation
def new(
    ctx: SystemMutationCtx,
    key_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12}$")],
    digest: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")],
    name: Annotated[str, StringConstraints(max_length=100)] = "",
    read_only: bool = False,
) -> AdminKey:
    """Accept a new key, which is ``cvx_``, its id, ``_`` and 40 random hexadecimal digits.

    Args:
        key_id: The key's id.
        digest: The SHA-256 of the key, in hexadecimal digits.
        name: What it is for.
        read_only: Whether it is for queries only.

    Raises:
        ConvexError: There is a key with this id (CONFLICT).
    """
    key = stored.StoredKey(key_id, name, ctx.now, read_only)
    with ctx.framework_tables() as connection:
        if stored.has_key(connection, key_id):
            raise ConvexError("CONFLICT", f"there is a key {key_id}")
        stored.add_key(connection, key, digest)
    audit(ctx, "make", target_of(key), {"readOnly": read_only})
    return AdminKey.of(key)


@system_mutation
def revoke(ctx: SystemMutationCtx, key_id: str) -> AdminKey | None:
    """Accept a key no longer. None: there is none with this id."""
    with ctx.framework_tables() as connection:
        found = stored.remove_key(connection, key_id)
    if found is not None:
        audit(ctx, "revoke", target_of(found))
    return None if found is None else AdminKey.of(found)


def target_of(key: stored.StoredKey) -> str:
    """A key, as the audit log names it."""
    return f"key {key.id} ({key.name})" if key.name else f"key {key.id}"
