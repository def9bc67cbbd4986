"""Tokens of users, JSON Web Tokens: taken apart strictly, their signature checked by PyJWT, then their claims.

PyJWT could check the claims as well. It reads the machine's clock, and takes the last of two equal keys.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NoReturn

from ..clock import Clock
from ..runtime.identity import Identity
from ..settings import AuthProvider
from .key_sets import KeySet
from .key_sources import source_of
from .principal import Principal

if TYPE_CHECKING:
    from jwt import PyJWK

LARGEST_TOKEN: Final = 16 * 1024
"""In characters."""
LEEWAY: Final = timedelta(seconds=10)
"""How far the clocks of an issuer and of this machine may differ."""
PARTS: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
TYPES: Final = frozenset({"jwt", "at+jwt", "application/jwt", "application/at+jwt"})
"""What `typ` may say. Others, such as `logout+jwt`, are signed by the same keys and are not for calling."""

INVALID: Final = "InvalidAuthHeader"
NO_PROVIDER: Final = "NoAuthProvider"
REFUSED: Final = "Unauthenticated"


class TokenRefused(Exception):
    """A token is not accepted. The text says why, and nothing of the token but what is quoted and short.

    Attributes:
        code: ``InvalidAuthHeader``, ``NoAuthProvider`` or ``Unauthenticated``.
        is_expired: Whether it is a good token but for its age.
    """

    def __init__(self, code: str, reason: str, *, is_expired: bool = False) -> None:
        super().__init__(reason)
        self.code = code
        self.is_expired = is_expired


@dataclass(frozen=True, slots=True)
class Token:
    """A token that was taken apart. Nothing in it is verified."""

    text: str = field(repr=False)
    header: dict[str, Any]
    claims: dict[str, Any] = field(repr=False)

    @classmethod
    def of(cls, text: str) -> Token:
        """Take a token apart.

        Raises:
            TokenRefused: It is no signed token of JSON objects, or asks for what is not supported.
        """
        if len(text) > LARGEST_TOKEN:
            raise TokenRefused(INVALID, f"the token is larger than {LARGEST_TOKEN} bytes")
        parts = PARTS.fullmatch(text)
        if parts is None:
            raise TokenRefused(INVALID, "this is no token: three parts in base64url, with dots between them")
        header, claims = read_object(parts[1], "header"), read_object(parts[2], "payload")
        if not isinstance(header.get("alg"), str):
            raise TokenRefused(INVALID, "its header names no algorithm")
        if "crit" in header or "b64" in header:
            raise TokenRefused(INVALID, "its header demands an extension, and none is supported")
        if not isinstance(header.get("kid", ""), str):
            raise TokenRefused(INVALID, "its kid is not a text")
        if not isinstance(header.get("typ", "JWT"), str) or header.get("typ", "JWT").lower() not in TYPES:
            raise TokenRefused(INVALID, f"its type is {header['typ']!r:.50}, not JWT")
        return cls(text, header, claims)

    @property
    def audiences(self) -> list[Any]:
        """What `aud` names: one or several."""
        named = self.claims.get("aud")
        return named if isinstance(named, list) else [named]


class TokenChecker:
    """Checks the tokens of one issuer for one audience."""

    def __init__(self, provider: AuthProvider, clock: Clock) -> None:
        self.provider = provider
        self._clock = clock
        self._keys = KeySet(provider.issuer, source_of(provider), clock) if provider.secret is None else None

    async def check(self, token: Token) -> Principal:
        """The caller by a token that names this issuer and audience.

        Raises:
            TokenRefused: Its signature or a claim is wrong.
            KeysUnavailable: The issuer's keys could not be read so far.
        """
        await self._check_signature(token)
        expires = self._check_times(token.claims)
        subject = token.claims.get("sub")
        if not isinstance(subject, str) or not subject:
            raise TokenRefused(REFUSED, "it names no subject: `sub` is missing, empty, or no text")
        return Principal(Identity(subject, self.provider.issuer, token.claims), expires=expires)

    async def _check_signature(self, token: Token) -> None:
        from jwt import PyJWS, PyJWTError

        algorithm = token.header["alg"]
        accepted = self.provider.accepted_algorithms
        if algorithm not in accepted:
            raise TokenRefused(REFUSED, f"its algorithm is {algorithm!r:.20}, accepted is {' or '.join(accepted)}")
        verifier = PyJWS(accepted, {"verify_signature": True, "enforce_minimum_key_length": True})
        try:
            verifier.decode_complete(token.text, await self._key(token, algorithm), [algorithm])
        except PyJWTError as error:
            raise TokenRefused(REFUSED, f"its signature is wrong: {error!s:.200}") from None

    async def _key(self, token: Token, algorithm: str) -> bytes | PyJWK:
        if self._keys is None:
            assert self.provider.secret is not None
            return self.provider.secret.get_secret_value().encode()
        key_id = token.header.get("kid")
        found = await self._keys.find(key_id, algorithm)
        if found is None and key_id is None:
            raise TokenRefused(REFUSED, f"it names no key (kid), and its issuer has not exactly one for {algorithm}")
        if found is None:
            raise TokenRefused(REFUSED, f"its issuer has no key {key_id!r:.50} for {algorithm}")
        return found.prepared(algorithm)

    def _check_times(self, claims: dict[str, Any]) -> datetime:
        """The time from which the token is refused."""
        now = self._clock.now()
        if "exp" not in claims:
            raise TokenRefused(REFUSED, "it never expires: `exp` is missing")
        expires = time_of(claims, "exp")
        if now >= expires + LEEWAY:
            raise TokenRefused(REFUSED, f"it expired at {expires:%Y-%m-%d %H:%M:%S} UTC", is_expired=True)
        for name, what in (("nbf", "is not valid before"), ("iat", "was issued in the future, at")):
            if name in claims and (begins := time_of(claims, name)) > now + LEEWAY:
                raise TokenRefused(REFUSED, f"it {what} {begins:%Y-%m-%d %H:%M:%S} UTC")
        return expires + LEEWAY


def read_object(part: str, what: str) -> dict[str, Any]:
    """The JSON object in a part of a token."""
    data = urlsafe_b64decode(part + "=" * (-len(part) % 4)) if len(part) % 4 != 1 else b""
    if urlsafe_b64encode(data).rstrip(b"=") != part.encode():
        raise TokenRefused(INVALID, f"its {what} is not base64url")
    try:
        value = json.loads(data.decode(), object_pairs_hook=unique, parse_constant=refuse_constant)
        json.dumps(value, ensure_ascii=False).encode()  # half of a surrogate pair is not text
    except (ValueError, RecursionError):
        raise TokenRefused(INVALID, f"its {what} is not JSON, or has a key twice") from None
    if not isinstance(value, dict):
        raise TokenRefused(INVALID, f"its {what} is no JSON object")
    return value


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key twice")
    return found


def refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def time_of(claims: dict[str, Any], name: str) -> datetime:
    """A claim that is a number of seconds since 1970."""
    seconds = claims[name]
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TokenRefused(REFUSED, f"its `{name}` is no number of seconds")
    try:
        return datetime.fromtimestamp(seconds, UTC) + LEEWAY - LEEWAY  # what cannot be added to is no time either
    except (ValueError, OverflowError, OSError):
        raise TokenRefused(REFUSED, f"its `{name}` is no time: it counts seconds since 1970") from None
