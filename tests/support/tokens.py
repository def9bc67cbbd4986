"""Issuers of tokens for tests: keys of their own, and tokens as good or as wrong as a test wants them."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

from convexpy.settings import AuthProvider

from .apps import START

ISSUER = "https://login.example.com/"
AUDIENCE = "shop"
SECRET = "a secret for tests, which is long enough for every algorithm"


def seconds(offset: float = 0) -> int:
    """A time as tokens have it: seconds since 1970, so many after the start of a test."""
    return int(START.timestamp() + offset)


def claims(**changed: Any) -> dict[str, Any]:
    """Those of a good token. None leaves one out."""
    good = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "iat": seconds(), "exp": seconds(3600)}
    return {name: value for name, value in {**good, **changed}.items() if value is not None}


@cache
def private_key(algorithm: str, number: int = 0) -> Any:
    """A key for the tests of one run. Others have other numbers."""
    if algorithm[:2] in ("RS", "PS"):
        return rsa.generate_private_key(65537, 2048)
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key({"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1()}[algorithm])


class Signer:
    """Signs tokens by one key."""

    def __init__(self, algorithm: str = "ES256", kid: str = "one", key: Any = None) -> None:
        self.algorithm = algorithm
        self.kid = kid
        self.key = key or private_key(algorithm)

    @property
    def jwk(self) -> dict[str, Any]:
        """The public key, as an issuer publishes it."""
        public = get_default_algorithms()[self.algorithm].to_jwk(self.key.public_key(), as_dict=True)
        return {**public, "kid": self.kid, "alg": self.algorithm, "use": "sig"}

    def sign(self, message: bytes) -> bytes:
        return get_default_algorithms()[self.algorithm].sign(message, self.key)

    def token(self, payload: object = None, **header: Any) -> str:
        """A token, good unless its claims or its header are changed. None leaves a part of the header out."""
        full = {"alg": self.algorithm, "typ": "JWT", "kid": self.kid, **header}
        return raw_token(
            {name: value for name, value in full.items() if value is not None},
            claims() if payload is None else payload,
            self.sign,
        )


def raw_token(header: object, payload: object, sign: Callable[[bytes], bytes]) -> str:
    """Any header and payload, as JSON or as bytes, signed."""
    message = f"{encoded(header)}.{encoded(payload)}"
    return f"{message}.{encoded(sign(message.encode()))}"


def encoded(part: object) -> str:
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def key_set(*jwks: dict[str, Any]) -> bytes:
    return json.dumps({"keys": jwks}).encode()


def data_uri(*jwks: dict[str, Any]) -> str:
    return f"data:application/json;base64,{b64encode(key_set(*jwks)).decode()}"


def provider(*signers: Signer, **changed: Any) -> AuthProvider:
    """The settings for an issuer with these keys, which are written into the settings."""
    values = {"issuer": ISSUER, "audience": AUDIENCE, "jwks": data_uri(*(signer.jwk for signer in signers))}
    return AuthProvider(**{name: value for name, value in {**values, **changed}.items() if value is not None})
