"""The keys of issuers, by the security list: A6, what is fetched, from where, how much and how often."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from jwt.algorithms import ECAlgorithm
from support.apps import START
from support.issuer import FakeIssuer, http
from support.tokens import Signer, key_set, private_key, provider

from convexpy.server import key_sources
from convexpy.server.key_sets import LONGEST_AGE, REFRESH_PAUSE, RETRY_PAUSE, KeySet, read_keys
from convexpy.server.key_sources import LARGEST, KeysUnavailable, fetch, source_of
from convexpy.settings import AuthProvider
from convexpy.testing.clock import VirtualClock

OLD, NEW = Signer("ES256", "old"), Signer("ES256", "new", key=private_key("ES256", 2))
GOOD = http(key_set(OLD.jwk))
SECOND = timedelta(seconds=1)


def with_issuer(check: Callable[[FakeIssuer], Awaitable[None]], **answers: Any) -> None:
    async def run() -> None:
        async with FakeIssuer(**answers).serving() as issuer:
            await check(issuer)

    asyncio.run(run())


def keys_of(source: AuthProvider, clock: VirtualClock | None = None) -> KeySet:
    return KeySet(source.issuer, source_of(source), clock or VirtualClock(START))


async def has(keys: KeySet, kid: str) -> bool:
    return await keys.find(kid, "ES256") is not None


def test_keys_are_fetched_once_and_kept() -> None:
    async def check(issuer: FakeIssuer) -> None:
        keys = keys_of(provider(jwks=f"{issuer.url}/keys"))
        assert all([await has(keys, "old") for _ in range(5)])
        assert issuer.asked == ["/keys"]

    with_issuer(check, keys=GOOD)


def test_keys_are_found_by_openid_discovery() -> None:
    async def check(issuer: FakeIssuer) -> None:
        configuration = {"issuer": f"{issuer.url}/", "jwks_uri": f"{issuer.url}/keys"}
        issuer.answers["/.well-known/openid-configuration"] = http(json.dumps(configuration).encode())
        assert await has(keys_of(provider(jwks=None, issuer=f"{issuer.url}/")), "old")
        assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]

    with_issuer(check, keys=GOOD)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"issuer": "https://other.example"}, "it is the configuration of 'https://other.example'"),
        ({"jwks_uri": "http://169.254.169.254/keys"}, "its jwks_uri cannot be used"),
        ({"jwks_uri": "file:///etc/passwd"}, "its jwks_uri cannot be used"),
        ({"jwks_uri": 5}, "its jwks_uri cannot be used"),
        ({"issuer": None, "jwks_uri": None}, "it is the configuration of None"),
    ],
)
def test_a6_a_wrong_openid_configuration_is_refused(changed: dict[str, Any], why: str) -> None:
    async def check(issuer: FakeIssuer) -> None:
        configuration = {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/keys", **changed}
        issuer.answers["/.well-known/openid-configuration"] = http(json.dumps(configuration).encode())
        with pytest.raises(KeysUnavailable, match=why):
            await has(keys_of(provider(jwks=None, issuer=issuer.url)), "old")
        assert "/keys" not in issuer.asked

    with_issuer(check, keys=GOOD)


async def never() -> bytes:
    await asyncio.Event().wait()
    raise AssertionError


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (http(b"x" * (LARGEST + 1)), "larger than 512000 bytes"),
        (http(gzip.compress(b"x" * 10 * LARGEST), Content_Encoding="gzip"), "no JSON Web Key Set"),
        (
            http(b"", "302 Found", Location="http://169.254.169.254/latest"),
            "redirects to another host, '169.254.169.254'",
        ),
        (http(b"", "302 Found", Location="file:///etc/passwd"), "redirects to another host|Invalid|unsupported"),
        (http(b"", "301 Moved", Location="/keys"), "redirects more than 3 times"),
        (http(b"", "500 Error"), "the answer is 500"),
        (http(b"", "204 None"), "the answer is 204"),
        (http(b"<html>"), "no JSON Web Key Set"),
        (http(b"[" * 100_000), "no JSON Web Key Set"),
        (http(b'{"keys": {"a": 1}}'), "no JSON Web Key Set"),
        (http(b'{"keys": []}'), "no public key"),
        (http(b'{"keys": [{"kty": "oct", "k": "AAAA", "kid": "old"}]}'), "no public key"),
        (b"not HTTP\r\n\r\n", "/keys: "),
        (b"", "/keys: "),
        (never, "no answer within 0.05 s"),
    ],
    ids=range(15),
)
def test_a6_a_bad_answer_gives_no_keys(answer: Any, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if answer is never:
        monkeypatch.setattr(key_sources, "TIMEOUT_SECONDS", 0.05)

    async def check(issuer: FakeIssuer) -> None:
        with pytest.raises(KeysUnavailable, match=why):
            await has(keys_of(provider(jwks=f"{issuer.url}/keys")), "old")

    with_issuer(check, keys=answer)


def test_a6_a_redirect_within_the_host_is_followed() -> None:
    async def check(issuer: FakeIssuer) -> None:
        assert await has(keys_of(provider(jwks=f"{issuer.url}/here")), "old")
        assert issuer.asked == ["/here", "/keys"]

    with_issuer(check, here=http(b"", "302 Found", Location="/keys"), keys=GOOD)


def test_a6_a_redirect_to_another_host_is_not_followed() -> None:
    async def check(issuer: FakeIssuer) -> None:
        other = issuer.url.replace("127.0.0.1", "localhost")
        issuer.answers["/here"] = http(b"", "302 Found", Location=f"{other}/keys")
        with pytest.raises(KeysUnavailable, match="redirects to another host, 'localhost'"):
            await has(keys_of(provider(jwks=f"{issuer.url}/here")), "old")
        assert issuer.asked == ["/here"]

    with_issuer(check, keys=GOOD)


def test_a6_a_server_that_is_down_gives_no_keys() -> None:
    async def check() -> None:
        async with FakeIssuer().serving() as issuer:
            pass
        with pytest.raises(KeysUnavailable, match=f"{issuer.url}/keys: "):
            await fetch(f"{issuer.url}/keys")

    asyncio.run(check())


def test_a6_unknown_keys_cause_one_fetch_a_minute() -> None:
    async def check(issuer: FakeIssuer) -> None:
        clock = VirtualClock(START)
        keys = keys_of(provider(jwks=f"{issuer.url}/keys"), clock)
        for minute in range(3):
            for second in range(60):
                clock.move_to(START + REFRESH_PAUSE * minute + SECOND * second)
                assert not any(await asyncio.gather(*(has(keys, f"unknown {n}") for n in range(20))))
            assert len(issuer.asked) == minute + 1

    with_issuer(check, keys=GOOD)


def test_a6_a_new_key_is_found_and_a_withdrawn_one_forgotten() -> None:
    async def check(issuer: FakeIssuer) -> None:
        clock = VirtualClock(START)
        keys = keys_of(provider(jwks=f"{issuer.url}/keys"), clock)
        assert await has(keys, "old")
        issuer.answers["/keys"] = http(key_set(NEW.jwk))
        assert not await has(keys, "new")  # asked a moment ago
        clock.move_to(START + REFRESH_PAUSE)
        assert await has(keys, "new")
        assert not await has(keys, "old")

    with_issuer(check, keys=GOOD)


def test_a6_old_keys_are_kept_while_a_fetch_fails() -> None:
    async def check(issuer: FakeIssuer) -> None:
        clock = VirtualClock(START)
        keys = keys_of(provider(jwks=f"{issuer.url}/keys"), clock)
        assert await has(keys, "old")
        issuer.answers["/keys"] = http(b"", "500 Error")
        clock.move_to(START + REFRESH_PAUSE)
        assert not await has(keys, "new")
        assert await has(keys, "old")
        assert issuer.asked == ["/keys"] * 2

    with_issuer(check, keys=GOOD)


def test_a6_keys_are_read_again_after_an_hour_while_the_old_ones_serve() -> None:
    async def check(issuer: FakeIssuer) -> None:
        clock = VirtualClock(START)
        keys = keys_of(provider(jwks=f"{issuer.url}/keys"), clock)
        assert await has(keys, "old")
        answered = asyncio.Event()

        async def answer() -> bytes:
            answered.set()
            return http(key_set(NEW.jwk))

        issuer.answers["/keys"] = answer
        clock.move_to(START + LONGEST_AGE)
        assert await has(keys, "old")  # without a wait
        await answered.wait()
        assert await has(keys, "new")  # waits for the reading that goes on

    with_issuer(check, keys=GOOD)


def test_a6_after_a_failed_first_fetch_the_next_comes_soon() -> None:
    async def check(issuer: FakeIssuer) -> None:
        clock = VirtualClock(START)
        keys = keys_of(provider(jwks=f"{issuer.url}/keys"), clock)
        for _ in range(10):
            with pytest.raises(KeysUnavailable, match="the answer is 404"):
                await has(keys, "old")
        assert issuer.asked == ["/keys"]
        issuer.answers["/keys"] = GOOD
        clock.move_to(START + RETRY_PAUSE)
        assert await has(keys, "old")

    with_issuer(check)


def test_a6_one_fetch_serves_all_that_wait_and_canceling_spoils_nothing() -> None:
    async def check(issuer: FakeIssuer) -> None:
        keys = keys_of(provider(jwks=f"{issuer.url}/keys"))
        waiting = [asyncio.create_task(has(keys, "old")) for _ in range(20)]
        await asyncio.sleep(0)
        waiting.pop(0).cancel()
        assert await asyncio.gather(*waiting) == [True] * 19
        assert issuer.asked == ["/keys"]

    with_issuer(check, keys=GOOD)


def test_keys_serve_one_event_loop_after_another() -> None:
    keys = keys_of(provider(OLD))
    assert [asyncio.run(has(keys, "old")) for _ in range(2)] == [True, True]


def test_a_reading_on_another_event_loop_is_not_waited_for(tmp_path: Path) -> None:
    file, clock, other = tmp_path / "keys.json", VirtualClock(START), asyncio.new_event_loop()
    file.write_bytes(key_set(OLD.jwk))
    keys = keys_of(provider(jwks=str(file)), clock)
    waiting = other.create_task(has(keys, "old"))
    other.run_until_complete(asyncio.sleep(0))
    clock.move_to(START + RETRY_PAUSE)
    assert asyncio.run(has(keys, "old"))
    assert other.run_until_complete(waiting)
    other.run_until_complete(other.shutdown_default_executor())
    other.close()


def test_a_request_to_this_machine_takes_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check(issuer: FakeIssuer) -> None:
        async with FakeIssuer().serving() as proxy:
            monkeypatch.setenv("HTTP_PROXY", proxy.url)
            assert await has(keys_of(provider(jwks=f"{issuer.url}/keys")), "old")
            assert proxy.asked == []
        [head] = issuer.headers
        assert b"accept-encoding: identity" in head.lower()

    with_issuer(check, keys=GOOD)


def test_keys_of_a_file_are_read_again_for_a_new_one(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    clock = VirtualClock(START)
    keys = keys_of(provider(jwks=str(file)), clock)

    async def check() -> None:
        with pytest.raises(KeysUnavailable, match=r"keys\.json: No such file"):
            await has(keys, "old")
        file.write_bytes(key_set(OLD.jwk))
        clock.move_to(START + RETRY_PAUSE)
        assert await has(keys, "old")
        file.write_bytes(key_set(NEW.jwk))
        clock.move_to(START + RETRY_PAUSE + REFRESH_PAUSE)
        assert await has(keys, "new")
        file.write_bytes(b" " * (LARGEST + 1))
        with pytest.raises(KeysUnavailable, match="larger than"):
            await key_sources.read_file(file)

    asyncio.run(check())


def test_private_parts_of_a_key_are_not_kept() -> None:
    private = {**ECAlgorithm.to_jwk(OLD.key, as_dict=True), "kid": "old"}
    assert "d" in private
    [key] = read_keys(key_set(private))
    assert "d" not in key.jwk
