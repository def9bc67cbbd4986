"""Tokens, by the security list: A4, what no token may be; A5, issuer, audience, subject and times."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from support.apps import START
from support.tokens import (
    AUDIENCE,
    ISSUER,
    SECRET,
    Signer,
    claims,
    data_uri,
    encoded,
    private_key,
    provider,
    raw_token,
    seconds,
)

from convexpy.server.authenticator import Authenticator, AuthFailed
from convexpy.server.principal import Principal
from convexpy.server.tokens import LARGEST_TOKEN, LEEWAY
from convexpy.settings import AuthProvider
from convexpy.testing.clock import VirtualClock

EC, RSA = Signer("ES256", "ec"), Signer("RS256", "rsa")
LEEWAY_SECONDS = int(LEEWAY.total_seconds())


def authenticator(*providers: AuthProvider, debug: bool = True) -> Authenticator:
    return Authenticator(providers, None, VirtualClock(START), debug=debug)  # type: ignore[arg-type]


def answer(auth: Authenticator, *tokens: str) -> list[Principal | AuthFailed]:
    """What the tokens are worth: the caller, or why there is none."""

    async def ask() -> list[Principal | AuthFailed]:
        found: list[Principal | AuthFailed] = []
        for token in tokens:
            try:
                found.append(await auth.from_token(token))
            except AuthFailed as error:
                found.append(error)
        return found

    return asyncio.run(ask())


def accepted(auth: Authenticator, token: str) -> Principal:
    [found] = answer(auth, token)
    assert isinstance(found, Principal), found
    return found


def refused(auth: Authenticator, token: str) -> AuthFailed:
    [found] = answer(auth, token)
    assert isinstance(found, AuthFailed), found
    return found


@pytest.mark.parametrize("algorithm", ["RS256", "RS512", "PS256", "ES256", "ES384", "EdDSA"])
def test_a_token_by_a_public_key_names_its_caller(algorithm: str) -> None:
    signer = Signer(algorithm)
    auth = authenticator(provider(signer, algorithms=(algorithm,)))
    principal = accepted(auth, signer.token(claims(email="ada@example.com")))
    identity = principal.identity
    assert identity is not None
    assert (identity.subject, identity.issuer) == ("ada", ISSUER)
    assert identity.token_identifier == f"{ISSUER}|ada"
    assert identity.claims == claims(email="ada@example.com")
    assert not principal.is_admin
    assert principal.expires == START + timedelta(hours=1) + LEEWAY


@pytest.mark.parametrize(("algorithms", "used"), [((), "HS256"), (("HS384",), "HS384")])
def test_a_token_by_a_shared_secret_names_its_caller(algorithms: tuple[str, ...], used: str) -> None:
    auth = authenticator(provider(jwks=None, secret=SECRET, algorithms=algorithms))
    token = raw_token({"alg": used}, claims(), by_secret(SECRET.encode(), used))
    assert accepted(auth, token).identity is not None
    assert "its algorithm" in refused(auth, EC.token()).message


def by_secret(secret: bytes, algorithm: str = "HS256") -> Callable[[bytes], bytes]:
    return lambda message: hmac.digest(secret, message, f"sha{algorithm[2:]}")


def bad_tokens() -> Iterator[tuple[str, str]]:
    """Each with what is wrong with it. The issuer's keys are EC and RSA."""
    good = EC.token()
    header, payload, signature = good.split(".")
    yield from malformed(good, header, payload, signature)
    yield from wrong_headers(good)
    yield from wrong_algorithms(header, payload)
    yield from wrong_claims()


def malformed(good: str, header: str, payload: str, signature: str) -> Iterator[tuple[str, str]]:
    yield "nothing", ""
    yield "one part", "a"
    yield "dots alone", ".."
    yield "two parts", f"{header}.{payload}"
    yield "four parts", f"{good}.{signature}"
    yield "five parts, as an encrypted token has", f"{header}..{payload}.{payload}.{signature}"
    yield "two signatures", f"{good}.{header}.{signature}"
    yield "JSON with several signatures", json.dumps({"payload": payload, "signatures": [{"protected": header}]})
    yield "no signature", f"{header}.{payload}."
    yield "half a signature", good[: -len(signature) // 2]
    yield "another signature", EC.token(claims(sub="bob")).rpartition(".")[0] + f".{signature}"
    yield "padding", f"{header}==.{payload}.{signature}"
    yield "padding of the signature", f"{good}=="
    yield "the other base64", good.replace("-", "+").replace("_", "/") + "+"
    yield "a space", f"{good} "
    yield "a line end", f"{good}\n"
    yield "a NUL", f"{good}\0"
    yield "a letter that looks like another", good.replace("e", "е", 1)
    yield "a lone surrogate", f"{good}\ud800"
    yield "bits that base64 ignores", header[:-1] + other_tail(header[-1]) + f".{payload}.{signature}"
    yield "a huge token", EC.token(claims(padding="x" * LARGEST_TOKEN))
    yield "a payload that is no JSON", EC.token(b"ada")
    yield "a nested token", EC.token(good.encode(), cty="JWT")
    yield "a list", EC.token([claims()])
    yield "a text", EC.token('"ada"')
    yield "depths", EC.token(b"[" * 5000 + b"]" * 5000)
    yield "a number of 5,000 digits", EC.token(b'{"exp":' + b"9" * 5000 + b"}")
    yield "NaN", EC.token(json.dumps(claims(other=float("nan"))).encode())
    yield "NaN as a time", EC.token(json.dumps(claims(exp=float("nan"))).encode())
    yield "a key twice", EC.token(json.dumps(claims()).replace("{", '{"sub": "bob", ', 1).encode())
    yield "a key twice, once escaped", EC.token(json.dumps(claims()).replace("{", '{"\\u0073ub": "b", ', 1).encode())
    yield "half of a surrogate pair", EC.token(claims(sub="\ud800"))
    yield "another encoding", EC.token(json.dumps(claims()).encode("utf-16"))


def other_tail(letter: str) -> str:
    """A last letter of base64 that differs in its lowest bit, which says nothing if there is padding."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return alphabet[alphabet.index(letter) ^ 1]


def wrong_headers(good: str) -> Iterator[tuple[str, str]]:
    def with_header(header: object) -> str:
        return raw_token(header, claims(), EC.sign)

    base = {"alg": "ES256", "kid": "ec"}
    yield "a header that is no JSON", with_header(b"alg")
    yield "a header that is a list", with_header([base])
    yield "no algorithm", with_header({"kid": "ec"})
    yield "an algorithm that is no text", with_header({**base, "alg": ["ES256"]})
    yield "an algorithm twice", with_header(b'{"alg": "none", "alg": "ES256", "kid": "ec"}')
    yield "a critical extension", with_header({**base, "crit": ["exp"], "exp": 1})
    yield "a critical extension that PyJWT knows", with_header({**base, "crit": ["b64"], "b64": True})
    yield "no critical extension", with_header({**base, "crit": []})
    yield "a payload without base64", with_header({**base, "b64": False})
    for kid in ("two", "", 1, None, ["ec"], {"kid": "ec"}, "../ec", "ec' OR '1'='1", "https://evil.example/k", "ec\0"):
        yield f"the key {kid!r}", with_header({**base, "kid": kid})
    for typ in ("logout+jwt", "JOSE", "JWE", "", 5, None):
        yield f"the type {typ!r}", with_header({**base, "typ": typ})
    mine = Signer("ES256", "mine", key=private_key("ES256", 2))
    yield "a key of its own", mine.token(jwk=mine.jwk)
    yield "a key of its own with a known id", mine.token(kid="ec", jwk=mine.jwk)
    yield "a URL of its own", mine.token(jku="https://evil.example/keys", kid="mine")
    yield "a certificate of its own", mine.token(x5u="https://evil.example/pem", x5c=["AAAA"], kid="mine")


def wrong_algorithms(header: str, payload: str) -> Iterator[tuple[str, str]]:
    for name in ("none", "None", "NONE", "nOnE", ""):
        yield f"the algorithm {name!r}", f"{encoded({'alg': name, 'kid': 'ec'})}.{payload}.AA"
        yield f"the algorithm {name!r} and no signature", f"{encoded({'alg': name, 'kid': 'ec'})}.{payload}."
    public = RSA.key.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for what, secret in (("PEM", pem), ("DER", der), ("JWK", json.dumps(RSA.jwk).encode()), ("nothing", b"")):
        yield (
            f"the public key as a secret, {what}",
            raw_token({"alg": "HS256", "kid": "rsa"}, claims(), by_secret(secret)),
        )
    yield "the algorithm of another key", RSA.token(alg="ES256")
    yield "the key of another algorithm", RSA.token(kid="ec")
    yield "an algorithm that is not in the settings", Signer("RS512", "rsa", key=RSA.key).token()
    yield "an algorithm in lower case", EC.token(alg="es256")
    yield "a signature as DER", raw_token({"alg": "ES256", "kid": "ec"}, claims(), lambda m: b"\x30" + EC.sign(m)[1:])
    yield "a signature of zeros", raw_token({"alg": "ES256", "kid": "ec"}, claims(), lambda _: bytes(64))
    yield (
        "a hash for a signature",
        raw_token({"alg": "ES256", "kid": "ec"}, claims(), lambda m: hashlib.sha256(m).digest()),
    )


def wrong_claims() -> Iterator[tuple[str, str]]:
    for name in ("iss", "aud", "sub", "exp"):
        yield f"no {name}", EC.token(claims(**{name: None}))
    issuers = (ISSUER[:-1], f"{ISSUER}x", f"x{ISSUER}", ISSUER.upper(), f"{ISSUER} ", "https://evil.example", "", 1)
    yield from ((f"the issuer {value!r}", EC.token(claims(iss=value))) for value in (*issuers, [ISSUER], {"a": ISSUER}))
    audiences = ("shops", "sho", "", "SHOP", 1, ["a"], [], [["shop"]], {"shop": 1}, True)
    yield from ((f"the audience {value!r}", EC.token(claims(aud=value))) for value in audiences)
    yield from ((f"the subject {value!r}", EC.token(claims(sub=value))) for value in ("", 1, True, ["ada"], {"a": 1}))
    times = ("soon", "1900000000", True, [1], {}, 1e300, -1e300, 10**20, 253402300799, seconds(3600) * 1000)
    yield from ((f"it expires {value!r}", EC.token(claims(exp=value))) for value in times)
    yield from ((f"{name} {value!r}", EC.token(claims(**{name: value}))) for name in ("nbf", "iat") for value in times)


def test_a4_no_bad_token_is_accepted() -> None:
    tokens = dict(bad_tokens())
    assert len(tokens) >= 100
    auth = authenticator(provider(EC, RSA))
    assert accepted(auth, EC.token())
    assert accepted(auth, RSA.token())
    answers = dict(zip(tokens, answer(auth, *tokens.values()), strict=True))
    assert [what for what, found in answers.items() if not isinstance(found, AuthFailed) or found.status != 401] == []


def test_a4_a_token_with_any_letter_changed_is_refused() -> None:
    auth = authenticator(provider(EC))
    good = EC.token()
    changed = [f"{good[:n]}{'A' if good[n] != 'A' else 'B'}{good[n + 1 :]}" for n in range(len(good))]
    assert [
        token for token, found in zip(changed, answer(auth, *changed), strict=True) if isinstance(found, Principal)
    ] == []


def test_a4_the_header_chooses_no_key_but_by_id() -> None:
    auth = authenticator(provider(EC, RSA))
    assert accepted(auth, EC.token(jku="https://evil.example/keys", x5u="https://evil.example/pem", jwk=RSA.jwk))
    jwks = [{**signer.jwk, "kid": None} for signer in (Signer("EdDSA"), RSA, Signer("ES384"), EC)]
    one_of_a_kind = [{name: value for name, value in jwk.items() if name not in ("kid", "alg")} for jwk in jwks]
    assert accepted(authenticator(provider(jwks=data_uri(*one_of_a_kind))), EC.token(kid=None))
    two = authenticator(provider(EC, Signer("ES256", "other", key=private_key("ES256", 2))))
    assert "names no key" in refused(two, EC.token(kid=None)).message


@pytest.mark.parametrize(
    "change",
    [
        {"use": "enc"},
        {"alg": "ES384"},
        {"key_ops": ["sign"]},
        {"crv": "P-384"},
        {"x": "AAAA"},
        {"kty": "oct", "k": "AA"},
    ],
)
def test_a4_a_key_that_is_for_something_else_is_not_used(change: dict[str, Any]) -> None:
    auth = authenticator(provider(jwks=data_uri({**EC.jwk, **change}, RSA.jwk)))
    assert refused(auth, EC.token()).status == 401


@pytest.mark.filterwarnings("ignore:The RSA key")
def test_a4_a_key_that_is_too_short_is_not_used() -> None:
    short = Signer("RS256", "short", key=rsa.generate_private_key(65537, 1024))
    assert "1024 bits" in refused(authenticator(provider(short)), short.token()).message


@pytest.mark.parametrize(
    ("claim", "first_good", "last_good"),
    [("exp", 1 - LEEWAY_SECONDS, None), ("nbf", None, LEEWAY_SECONDS), ("iat", None, LEEWAY_SECONDS)],
)
def test_a5_times_are_exact_to_the_second(claim: str, first_good: int | None, last_good: int | None) -> None:
    auth = authenticator(provider(EC))
    for limit, outside in ((first_good, -1), (last_good, 1)):
        if limit is not None:
            assert accepted(auth, EC.token(claims(**{claim: seconds(limit)})))
            assert refused(auth, EC.token(claims(**{claim: seconds(limit + outside)}))).code == "Unauthenticated"


def test_a5_the_leeway_is_at_most_a_minute() -> None:
    assert timedelta(0) <= LEEWAY <= timedelta(seconds=60)


def test_a5_an_audience_may_be_one_of_several() -> None:
    auth = authenticator(provider(EC))
    assert accepted(auth, EC.token(claims(aud=["other", AUDIENCE])))


def test_a5_one_issuer_may_have_several_audiences() -> None:
    auth = authenticator(provider(RSA, audience="admin"), provider(EC))
    assert accepted(auth, EC.token())
    assert refused(auth, EC.token(claims(aud="admin"))).status == 401  # its key is not one for this audience
    wrong = refused(auth, EC.token(claims(aud="other")))
    assert (wrong.code, wrong.message) == (
        "NoAuthProvider",
        "its audience is 'other', expected is 'admin' or 'shop'",
    )


@pytest.mark.parametrize(
    ("changed", "code", "message"),
    [
        ({"iss": "https://evil.example"}, "NoAuthProvider", "the token was refused"),
        ({"aud": "other"}, "NoAuthProvider", "the token was refused"),
        ({"sub": ""}, "Unauthenticated", "the token was refused"),
        ({"exp": seconds(-60)}, "Unauthenticated", "the token has expired"),
    ],
)
def test_in_production_a_refusal_says_little(changed: dict[str, Any], code: str, message: str) -> None:
    auth = authenticator(provider(EC), debug=False)
    error = refused(auth, EC.token(claims(**changed)))
    assert (error.status, error.code, error.message) == (401, code, message)
    forged = EC.token(claims(**changed))[:-4] + "AAAA"  # an expired token that is forged too is told nothing
    assert refused(auth, forged).message == "the token was refused"


def test_in_development_a_refusal_says_what_is_wrong() -> None:
    auth = authenticator(provider(EC))
    assert refused(auth, EC.token(claims(exp=seconds(-60)))).message == "it expired at 2030-01-07 11:59:00 UTC"
    assert refused(auth, EC.token(claims(iss="x"))).message == f"its issuer is 'x', accepted is {ISSUER!r}"
    assert refused(authenticator(), EC.token()).message == f"its issuer is {ISSUER!r}, accepted is none"
