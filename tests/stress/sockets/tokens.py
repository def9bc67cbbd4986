"""Tokens of two issuers: one signs by a shared secret (HS256), one by a key of its own (ES256)."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from typing import Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

AUDIENCE: Final = "counted"
BY_SECRET: Final = "https://secret.example"
BY_KEY: Final = "https://keys.example"
SECRET: Final = "a secret of the stress tests, long enough for HS256"


class Issuer:
    """Both of them."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    def token(self, caller: str, seconds: float) -> str:
        """A token for a caller, ``issuer|subject``, that is valid for so long."""
        issuer, _, subject = caller.partition("|")
        now = time.time()
        claims = {"iss": issuer, "sub": subject, "aud": AUDIENCE, "iat": int(now), "exp": int(now + seconds) + 1}
        if issuer == BY_SECRET:
            return jwt.encode(claims, SECRET, "HS256")
        return jwt.encode(claims, self._key, "ES256", headers={"kid": "one"})

    def settings(self) -> str:
        """What a project's settings say of them."""
        public = ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        keys = json.dumps({"keys": [{**public, "kid": "one", "alg": "ES256", "use": "sig"}]})
        uri = f"data:application/json;base64,{b64encode(keys.encode()).decode()}"
        return f"""
[[tool.convexpy.auth]]
issuer = "{BY_SECRET}"
audience = "{AUDIENCE}"
secret = "{SECRET}"

[[tool.convexpy.auth]]
issuer = "{BY_KEY}"
audience = "{AUDIENCE}"
jwks = "{uri}"
algorithms = ["ES256"]
"""
