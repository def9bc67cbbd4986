"""``_system/keys``: admin keys are made, listed and revoked, and what is shown is compared with what is stored."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from convexpy import ConvexError, InvalidArguments
from convexpy._system import keys as system
from convexpy.database.admin_keys import NewKey, new_key
from convexpy.server.authenticator import Authenticator, AuthFailed
from convexpy.testing import ConvexTest


def stored(convex: ConvexTest, name: str = "") -> NewKey:
    key = new_key()
    convex.run(system.new, key_id=key.id, digest=key.digest, name=name)
    return key


def test_keys_are_listed_without_what_would_open_anything(convex: ConvexTest) -> None:
    first, second = stored(convex, "ci"), stored(convex)
    listed: list[dict[str, Any]] = convex.call("_system/keys:list")
    assert sorted((key["id"], key["name"]) for key in listed) == sorted([(first.id, "ci"), (second.id, "")])
    assert {frozenset(key) for key in listed} == {frozenset({"id", "name", "createdTime", "readOnly"})}


def test_a_key_is_accepted_until_it_is_revoked(convex: ConvexTest) -> None:
    auth, key, other = Authenticator.of(convex.convex.calls), stored(convex), stored(convex)
    assert asyncio.run(auth.from_key(key.text)).key_id == key.id
    revoked = convex.run(system.revoke, key_id=key.id)
    assert revoked is not None
    assert revoked.id == key.id
    with pytest.raises(AuthFailed, match="revoked"):
        asyncio.run(auth.from_key(key.text))
    assert asyncio.run(auth.from_key(other.text)).is_admin
    assert [each.id for each in convex.run(system.list)] == [other.id]
    assert convex.run(system.revoke, key_id=key.id) is None


def test_one_id_has_one_key(convex: ConvexTest) -> None:
    key = stored(convex)
    with pytest.raises(ConvexError) as error:
        convex.run(system.new, key_id=key.id, digest=new_key().digest)
    assert error.value.code == "CONFLICT"


def test_what_is_no_id_no_digest_or_no_name_is_refused(convex: ConvexTest) -> None:
    key = new_key()
    ids: list[dict[str, str]] = [{"key_id": "x"}, {"key_id": "A" * 12}, {"key_id": "0" * 12 + "\n"}]
    for wrong in (*ids, {"digest": "0"}, {"name": "x" * 101}):
        with pytest.raises(InvalidArguments):
            convex.call("_system/keys:new", {"key_id": key.id, "digest": key.digest, **wrong})
    assert convex.call("_system/keys:list") == []
