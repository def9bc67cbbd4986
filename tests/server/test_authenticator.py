"""The caller, by a header: tokens, admin keys, and the user as whom an admin acts."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import Coroutine, Iterator
from datetime import timedelta
from typing import Any

import pytest
from support.apps import START, app_of
from support.tokens import ISSUER, Signer, claims, provider, seconds

from convexpy import Settings
from convexpy._system import keys as system
from convexpy.database.admin_keys import NewKey, new_key
from convexpy.runtime.admin import Admin
from convexpy.server.authenticator import Authenticator, AuthFailed
from convexpy.server.principal import ANONYMOUS, Principal
from convexpy.testing import ConvexTest

SIGNER = Signer()


@pytest.fixture
def convex() -> Iterator[ConvexTest]:
    with ConvexTest(app_of(), now=START) as convex:
        yield convex


def authenticator(convex: ConvexTest) -> Authenticator:
    calls = convex.convex.calls
    calls.settings = Settings(auth=(provider(SIGNER),), debug=True)
    return Authenticator.of(calls)


def stored_key(convex: ConvexTest, name: str = "") -> NewKey:
    key = new_key()
    convex.run(system.new, key_id=key.id, digest=key.digest, name=name)
    return key


def run(coroutine: Coroutine[Any, Any, Principal]) -> Principal:
    return asyncio.run(coroutine)


def refused(coroutine: Coroutine[Any, Any, Any]) -> AuthFailed:
    with pytest.raises(AuthFailed) as error:
        asyncio.run(coroutine)
    return error.value


def as_user(attributes: object) -> str:
    return b64encode(json.dumps(attributes).encode()).decode()


def test_who_shows_nothing_is_anonymous(convex: ConvexTest) -> None:
    assert run(authenticator(convex).from_header(None)) is ANONYMOUS


def test_a_bearer_token_is_a_user(convex: ConvexTest) -> None:
    auth = authenticator(convex)
    for header in (f"Bearer {SIGNER.token()}", f"bearer  {SIGNER.token()} "):
        identity = run(auth.from_header(header)).identity
        assert identity is not None
        assert identity.token_identifier == f"{ISSUER}|ada"


@pytest.mark.parametrize("header", ["", "x", "Bearer", "Basic YTpi", "Token t", "Bearer a b", "Bearer: x", "Bearer\tx"])
def test_another_header_is_refused(convex: ConvexTest, header: str) -> None:
    error = refused(authenticator(convex).from_header(header))
    assert (error.status, error.code) == (401, "InvalidAuthHeader")


def test_an_admin_key_opens_everything_until_it_is_revoked(convex: ConvexTest) -> None:
    auth, key, other = authenticator(convex), stored_key(convex), stored_key(convex)
    for header in (f"Convex {key.text}", f"convex {key.text}", f"Convex prod:quick-otter-1|{key.text}"):
        principal = run(auth.from_header(header))
        assert principal == Principal(admin=Admin(key.id), key_id=key.id)
    asyncio.run(auth.check_again(principal))
    convex.run(system.revoke, key_id=key.id)
    assert refused(auth.from_header(f"Convex {key.text}")).code == "BadAdminKey"
    assert refused(auth.check_again(principal)).status == 403
    assert run(auth.from_key(other.text)).is_admin  # several live side by side


def test_a_wrong_admin_key_is_refused_in_one_way(convex: ConvexTest) -> None:
    auth, key = authenticator(convex), stored_key(convex)
    last = "1" if key.text[-1] == "0" else "0"
    wrong = ["", "x", key.id, key.digest, key.text[:-1], key.text[:-1] + last, key.text.upper(), f"{key.text} "]
    wrong += [new_key().text, f"cvx_{key.id}_{'0' * 40}", f"{key.text}\0", "ключ", "\ud800", "'; --", "x" * 99_999]
    errors = [refused(auth.from_key(text)) for text in wrong]
    assert {(error.status, error.code, error.message) for error in errors} == {
        (403, "BadAdminKey", "there is no such admin key, or it was revoked")
    }


def test_an_admin_may_act_as_a_user(convex: ConvexTest) -> None:
    auth, key = authenticator(convex), stored_key(convex)
    attributes = {"subject": "zoe", "issuer": "https://i", "email": "zoe@example.com", "tokenIdentifier": "x"}
    by_header = run(auth.from_header(f"Convex {key.text}:{as_user(attributes)}"))
    assert by_header == run(auth.from_key(key.text, attributes))
    assert by_header.is_admin
    identity = by_header.identity
    assert identity is not None
    assert identity.token_identifier == "https://i|zoe"
    assert identity.claims == {"email": "zoe@example.com", "sub": "zoe", "iss": "https://i"}
    assert run(auth.from_header(f"Convex prod:x|{key.text}:{as_user({'subject': 'zoe'})}")).identity is not None


NO_USERS = ({}, {"subject": ""}, {"subject": 5}, {"subject": "a", "issuer": 5}, [], "a", None)


@pytest.mark.parametrize("acting_as", ["", "x", "{}", *map(as_user, NO_USERS)])
def test_who_acts_as_no_user_is_refused(convex: ConvexTest, acting_as: str) -> None:
    auth, key = authenticator(convex), stored_key(convex)
    assert refused(auth.from_header(f"Convex {key.text}:{acting_as}")).code == "InvalidAuthHeader"
    wrong = f"Convex {new_key().text}:{acting_as}"
    assert refused(auth.from_header(wrong)).code == "BadAdminKey"  # the key comes first


def test_a7_an_open_socket_is_told_when_its_token_expires(convex: ConvexTest) -> None:
    auth = authenticator(convex)
    principal = run(auth.from_token(SIGNER.token(claims(exp=seconds(60)))))
    assert principal.expires is not None
    convex.clock.move_to(principal.expires - timedelta(seconds=1))
    assert not principal.is_expired(convex.now)
    asyncio.run(auth.check_again(principal))
    convex.clock.move_to(principal.expires)
    assert principal.is_expired(convex.now)
    error = refused(auth.check_again(principal))
    assert (error.status, error.code, error.message) == (401, "Unauthenticated", "the token has expired")
    asyncio.run(auth.check_again(ANONYMOUS))


def test_keys_that_cannot_be_read_are_no_fault_of_the_token(convex: ConvexTest) -> None:
    calls = convex.convex.calls
    calls.settings = Settings(auth=(provider(jwks="/no/such/file"),))
    error = refused(Authenticator.of(calls).from_token(SIGNER.token()))
    assert (error.status, error.code) == (503, "AuthProviderDiscoveryFailed")
    assert error.message == "tokens cannot be verified at the moment. Try again later"
