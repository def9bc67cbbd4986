"""Rules of the security list that concern who calls: A8 and A10, admin keys; E2, no secret in a log."""

from __future__ import annotations

import ast
import asyncio
import logging
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from support.apps import START, app_of
from support.tokens import SECRET, Signer, claims, provider, seconds

import convexpy
from convexpy import Settings
from convexpy._system import keys as system
from convexpy.database.admin_keys import NewKey, new_key
from convexpy.server.authenticator import Authenticator, AuthFailed
from convexpy.server.throttle import FREE_TRIES, LONGEST_PAUSE, MOST_ADDRESSES, Throttle
from convexpy.testing import ConvexTest
from convexpy.testing.clock import VirtualClock

PACKAGE = Path(convexpy.__file__).parent
SECRET_NAME = re.compile(r"(^|_)(key|token|secret|digest|signature|password)s?(_of|$)")


@pytest.fixture
def convex() -> Iterator[ConvexTest]:
    with ConvexTest(app_of(), now=START) as convex:
        yield convex


def made_key(convex: ConvexTest) -> NewKey:
    key = new_key()
    convex.run(system.new, key_id=key.id, digest=key.digest)
    return key


def compared_secrets(path: Path) -> Iterator[str]:
    """Comparisons with == or != of what a name calls a secret."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Compare) and any(isinstance(each, ast.Eq | ast.NotEq) for each in node.ops):
            sides = [side.func if isinstance(side, ast.Call) else side for side in (node.left, *node.comparators)]
            if any(SECRET_NAME.search(getattr(side, "attr", getattr(side, "id", ""))) for side in sides):
                yield f"{path.name}:{node.lineno}: {ast.unparse(node)}"


def test_a8_no_secret_is_compared_with_an_equals_sign(tmp_path: Path) -> None:
    others = ("database/admin_keys.py", "_system/keys.py", "cli/key.py")
    files = [*(PACKAGE / "server").glob("*.py"), *(PACKAGE / name for name in others)]
    assert [found for path in files for found in compared_secrets(path)] == []
    planted = tmp_path / "planted.py"
    planted.write_text("x = stored.digest == shown\ny = shown != digest_of(key)\nz = key.id == key_id")
    assert len(list(compared_secrets(planted))) == 2


def test_a8_a_key_is_long_random_and_stored_as_a_digest(convex: ConvexTest) -> None:
    keys = [made_key(convex) for _ in range(20)]
    assert len({key.text for key in keys}) == 20
    assert all(len(bytes.fromhex(key.text.rpartition("_")[2])) * 8 >= 128 for key in keys)
    with convex.convex.database.read_internal() as connection:
        stored = repr(connection.exec_driver_sql("SELECT * FROM _convexpy_keys").all())
    assert all(key.id in stored and key.digest in stored for key in keys)
    assert not any(key.text.rpartition("_")[2] in stored for key in keys)


def test_a8_a_key_is_in_no_repr() -> None:
    key = new_key()
    assert key.text not in repr(key)
    assert SECRET not in repr(Settings(auth=(provider(jwks=None, secret=SECRET),)))
    with pytest.raises(ValueError) as error:
        Settings.model_validate({"auth": [{"issuer": "i", "secret": "c4n4ry"}], "port": -1})
    assert "c4n4ry" not in str(error.value)


async def tries(auth: Authenticator, client: str | None, *keys: str) -> list[int]:
    """The status of each answer; 200 for a good one."""
    found = []
    for key in keys:
        try:
            await auth.from_header(f"Convex {key}", client=client)
            found.append(200)
        except AuthFailed as error:
            found.append(error.status)
    return found


def test_a10_an_address_with_wrong_keys_has_to_wait(convex: ConvexTest) -> None:
    key, auth = made_key(convex), Authenticator.of(convex.convex.calls)
    wrong = [new_key().text for _ in range(FREE_TRIES + 5)]
    assert asyncio.run(tries(auth, "192.0.2.1", *wrong)) == [403] * FREE_TRIES + [429] * 5
    assert asyncio.run(tries(auth, "192.0.2.1", key.text)) == [429]  # a right one as well: it may have been guessed
    assert asyncio.run(tries(auth, "192.0.2.2", key.text)) == [200]
    assert asyncio.run(tries(auth, "192.0.2.1", key.text)) == [200]  # it is known now, and no one is locked out
    assert asyncio.run(tries(auth, None, *wrong)) == [403] * len(wrong)
    convex.clock.move_to(convex.now + timedelta(seconds=1))
    assert asyncio.run(tries(auth, "192.0.2.1", *wrong[:2])) == [403, 429]


def test_a10_ten_thousand_tries_are_few_lookups() -> None:
    clock = VirtualClock(START)
    throttle = Throttle(clock)
    looked = 0
    for second in range(10_000):
        clock.move_to(START + timedelta(seconds=second))
        if not throttle.is_paused("192.0.2.1"):
            looked += 1
            throttle.count_failure("192.0.2.1")
    assert looked <= FREE_TRIES + 7 + 10_000 / LONGEST_PAUSE.total_seconds()


def test_a10_the_table_of_addresses_is_bounded() -> None:
    throttle = Throttle(VirtualClock(START))
    for _ in range(FREE_TRIES):
        throttle.count_failure("2001:db8::1")
    assert throttle.is_paused("2001:db8::ffff")  # a client has all addresses of its network
    assert not throttle.is_paused("2001:db8:0:1::1")
    for number in range(MOST_ADDRESSES):
        throttle.count_failure(f"client {number}")
    assert not throttle.is_paused("2001:db8::1")
    assert len(throttle._failures) == MOST_ADDRESSES


def test_a10_failures_are_forgotten() -> None:
    clock = VirtualClock(START)
    throttle = Throttle(clock)
    for _ in range(FREE_TRIES):
        throttle.count_failure("192.0.2.1")
    assert throttle.is_paused("192.0.2.1")
    clock.move_to(START + timedelta(minutes=10))
    throttle.count_failure("192.0.2.1")
    assert not throttle.is_paused("192.0.2.1")


def test_e2_no_secret_is_in_a_log(convex: ConvexTest, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    signer, key = Signer(), made_key(convex)
    convex.convex.calls.settings = Settings(auth=(provider(signer), provider(jwks=None, issuer="i", secret=SECRET)))
    auth = Authenticator.of(convex.convex.calls)
    tokens = [signer.token(claims(exp=seconds(offset), canary="c4n4ry")) for offset in (60, -60)]
    tokens += [signer.token(claims(iss="i", canary="c4n4ry")), tokens[0][:-4] + "AAAA", "c4n4ry", f"{tokens[0]}.c4n4ry"]
    headers = [f"Bearer {token}" for token in tokens]
    headers += [f"Convex {text}" for text in (key.text, f"{key.text}c4n4ry", f"prod|{key.text}:c4n4ry")]
    messages = []
    for header in headers:
        try:
            asyncio.run(auth.from_header(header, client="192.0.2.1"))
        except AuthFailed as error:
            messages.append(f"{error.message} {error!r}")
    convex.run(system.revoke, key_id=key.id)
    assert len(messages) == len(headers) - 2
    assert "a token was refused: " in caplog.text
    assert "a wrong admin key was shown, from 192.0.2.1" in caplog.text
    for text in (caplog.text, *messages):
        for secret in ("c4n4ry", SECRET, key.text, key.digest, *(token.rpartition(".")[2] for token in tokens)):
            assert secret not in text


def test_e2_a_token_forges_no_line_of_a_log(convex: ConvexTest, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    forged = "x\n2030-01-07 ERROR all is lost\x1b[31m\u202e"
    signer = Signer()
    convex.convex.calls.settings = Settings(auth=(provider(signer),))
    auth = Authenticator.of(convex.convex.calls)
    for token in (signer.token(claims(iss=forged)), signer.token(claims(aud=forged)), signer.token(kid=forged)):
        with pytest.raises(AuthFailed):
            asyncio.run(auth.from_token(token))
    with pytest.raises(AuthFailed):
        asyncio.run(auth.from_header(f"Convex {forged}", client="192.0.2.1"))
    assert "all is lost" in caplog.text
    assert not any(set(record.getMessage()) & set("\n\x1b\u202e") for record in caplog.records)
