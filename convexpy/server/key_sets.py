"""``KeySet``: the public keys of an issuer, kept in memory and read again when a token names an unknown one."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from ..clock import Clock
from .key_sources import KeySource, KeysUnavailable

if TYPE_CHECKING:
    from jwt import PyJWK

REFRESH_PAUSE: Final = timedelta(minutes=1)
"""The shortest time between two readings, however many unknown keys are named."""
RETRY_PAUSE: Final = timedelta(seconds=5)
"""The same for as long as no reading has succeeded."""
LONGEST_AGE: Final = timedelta(hours=1)
"""Keys that are older are read again: the issuer may have withdrawn one."""
PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})

CURVES: Final = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "EdDSA": "Ed25519"}
TYPES: Final = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}

logger: Final = logging.getLogger("convexpy.auth")


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One key of a set."""

    jwk: dict[str, Any]
    _made: dict[str, PyJWK] = field(default_factory=dict)

    @property
    def id(self) -> object:
        return self.jwk.get("kid")

    def fits(self, algorithm: str) -> bool:
        """Whether this key can check signatures of the algorithm, and may."""
        return (
            self.jwk.get("kty") == TYPES[algorithm[:2]]
            and self.jwk.get("crv") == CURVES.get(algorithm)
            and self.jwk.get("alg", algorithm) == algorithm
            and self.jwk.get("use", "sig") == "sig"
            and "verify" in (operations if isinstance(operations := self.jwk.get("key_ops"), list) else ["verify"])
        )

    def prepared(self, algorithm: str) -> PyJWK:
        """The key for this algorithm and no other.

        Raises:
            PyJWTError: It is broken.
        """
        from jwt import PyJWK

        if algorithm not in self._made:
            self._made[algorithm] = PyJWK(self.jwk, algorithm)
        return self._made[algorithm]


class KeySet:
    """The keys of one issuer."""

    def __init__(self, issuer: str, source: KeySource, clock: Clock) -> None:
        self._issuer = issuer
        self._source = source
        self._clock = clock
        self._keys: tuple[PublicKey, ...] | None = None
        self._read_time = self._next_time = datetime.min.replace(tzinfo=UTC)
        self._failure = ""
        self._reading: asyncio.Task[None] | None = None

    async def find(self, key_id: str | None, algorithm: str) -> PublicKey | None:
        """The key with this id, or the only one that fits. None: there is none, or several fit.

        Raises:
            KeysUnavailable: No keys could be read so far.
        """
        found = self._find(key_id, algorithm)
        if found is None:
            if (reading := self._read_again()) is not None:
                await asyncio.shield(reading)  # others wait for it too
            found = self._find(key_id, algorithm)
        elif self._clock.now() >= self._read_time + LONGEST_AGE:
            self._read_again()
        if self._keys is None:
            raise KeysUnavailable(self._failure)
        return found

    def _find(self, key_id: str | None, algorithm: str) -> PublicKey | None:
        fitting = [key for key in self._keys or () if key.fits(algorithm)]
        if key_id is not None:
            return next((key for key in fitting if key.id == key_id), None)
        return fitting[0] if len(fitting) == 1 else None

    def _read_again(self) -> asyncio.Task[None] | None:
        """A reading that is under way, or begins now. None: the last one was a moment ago."""
        loop = asyncio.get_running_loop()
        if self._reading is not None and not self._reading.done() and self._reading.get_loop() is loop:
            return self._reading
        now = self._clock.now()
        if now < self._next_time:
            return None
        self._next_time = now + (RETRY_PAUSE if self._keys is None else REFRESH_PAUSE)
        self._reading = loop.create_task(self._read())
        return self._reading

    async def _read(self) -> None:
        try:
            self._keys = read_keys(await self._source())
        except KeysUnavailable as error:
            self._failure = str(error)
            logger.error("the keys of %r cannot be read: %s", self._issuer, error)
            return
        self._read_time = self._clock.now()
        self._next_time = self._read_time + REFRESH_PAUSE


def read_keys(content: bytes) -> tuple[PublicKey, ...]:
    """The public keys of a key set. Those of other kinds are left out.

    Raises:
        KeysUnavailable: It is no key set, or has no public key.
    """
    try:
        listed = json.loads(content)["keys"]
        keys = [PublicKey({name: value for name, value in key.items() if name not in PRIVATE}) for key in listed]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise KeysUnavailable("what was read is no JSON Web Key Set") from error
    usable = tuple(key for key in keys if key.jwk.get("kty") in TYPES.values())
    if not usable:
        raise KeysUnavailable("what was read has no public key")
    return usable
