"""``Authenticator``: verifies tokens and admin keys."""

from __future__ import annotations

import binascii
import json
import logging
from base64 import b64decode
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Self

from starlette.requests import HTTPConnection

from ..clock import Clock
from ..database.admin_keys import digest_of
from ..runtime.admin import Admin
from ..runtime.call_executor import CallExecutor
from ..runtime.identity import Identity
from ..settings import AuthProvider
from .admin_keys import AdminKeys
from .key_sources import KeysUnavailable
from .principal import ANONYMOUS, Principal
from .throttle import Throttle
from .tokens import INVALID, NO_PROVIDER, Token, TokenChecker, TokenRefused

UNAUTHENTICATED: Final = "Unauthenticated"
BAD_KEY: Final = "BadAdminKey"
MOST_KNOWN_KEYS: Final = 100
OWN_ATTRIBUTES: Final = ("subject", "issuer", "tokenIdentifier")

logger: Final = logging.getLogger("convexpy.auth")


class AuthFailed(Exception):
    """A token or a key was refused.

    Attributes:
        status: The HTTP status: 401 for a token, 403 for a key; 429 after many wrong keys; 503 as long as the keys of
            an issuer cannot be read, which says nothing of the token.
        code: A short name for programs, such as ``InvalidAuthHeader``.
        message: What happened, for the client. Outside of ``debug`` it gives little away.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


class Authenticator:
    """Verifies tokens by the issuers in the settings, and admin keys by the database."""

    def __init__(
        self, providers: Sequence[AuthProvider], keys: AdminKeys, clock: Clock, *, debug: bool = False
    ) -> None:
        """``debug``: clients are told in full why they are refused."""
        self._checkers = [TokenChecker(provider, clock) for provider in providers]
        self._keys = keys
        self._clock = clock
        self._debug = debug
        self._throttle = Throttle(clock)
        # Digests of keys that were right. Wrong keys from the same address do not lock these out.
        self._known_keys: OrderedDict[str, None] = OrderedDict()

    @classmethod
    def of(cls, calls: CallExecutor) -> Self:
        """The one for an app, by its settings, its database and its clock."""
        return cls(calls.settings.auth, AdminKeys(calls), calls.clock, debug=calls.settings.debug)

    async def of_request(self, request: HTTPConnection) -> Principal:
        """The caller of a request over HTTP.

        Raises:
            AuthFailed: It is refused.
        """
        shown = request.headers.getlist("authorization")
        if len(shown) > 1:
            raise AuthFailed(401, INVALID, "there are several Authorization headers")
        client = request.client.host if request.client is not None else None
        return await self.from_header(shown[0] if shown else None, client=client)

    async def from_header(self, authorization: str | None, *, client: str | None = None) -> Principal:
        """The caller by an ``Authorization`` header: ``Bearer TOKEN``, ``Convex KEY``, or none.

        ``Convex KEY:BASE64`` acts as the user whose attributes are the JSON object in base64.

        Args:
            authorization: The header's value.
            client: The address of the client, which is paused if it shows wrong keys.

        Raises:
            AuthFailed: It is refused.
        """
        if authorization is None:
            return ANONYMOUS
        scheme, _, value = authorization.strip(" ").partition(" ")
        if scheme.lower() == "bearer":
            return await self.from_token(value.strip(" "))
        if scheme.lower() == "convex":
            key, colon, acting_as = value.strip(" ").rpartition("|")[2].partition(":")
            principal = await self.from_key(key, client=client)
            return acting(principal, read_attributes(acting_as)) if colon else principal
        raise AuthFailed(401, INVALID, "the header is neither `Bearer TOKEN` nor `Convex KEY`")

    async def from_token(self, token: str) -> Principal:
        """The caller by a token.

        Raises:
            AuthFailed: It is refused; or, with the status 503, its issuer's keys cannot be read at the moment.
        """
        try:
            parsed = Token.of(token)
            return await self._checker(parsed).check(parsed)
        except TokenRefused as refused:
            logger.info("a token was refused: %s", refused)
            # Its holder may know that it is too old: only a good token is told so.
            brief = "the token has expired" if refused.is_expired else "the token was refused"
            raise AuthFailed(401, refused.code, self._text(brief, str(refused))) from None
        except KeysUnavailable as error:
            raise AuthFailed(
                503,
                "AuthProviderDiscoveryFailed",
                self._text("tokens cannot be verified at the moment. Try again later", str(error)),
            ) from None

    async def from_key(
        self, key: str, acting_as: Mapping[str, Any] | None = None, *, client: str | None = None
    ) -> Principal:
        """The caller by an admin key, and as which user it acts.

        Args:
            key: The key, also with a prefix such as ``prod:name|``.
            acting_as: The user's attributes: ``subject``, ``issuer``, and claims.
            client: The address of the client, which is paused if it shows wrong keys.

        Raises:
            AuthFailed: It is refused.
        """
        key = key.rpartition("|")[2]
        digest = digest_of(key) if key.isascii() else ""
        if self._throttle.is_paused(client) and digest not in self._known_keys:
            raise AuthFailed(429, "TooManyWrongKeys", "too many wrong keys came from this address: wait a minute")
        found = await self._keys.find(key)
        if found is None:
            self._known_keys.pop(digest, None)
            self._throttle.count_failure(client)
            logger.warning("a wrong admin key was shown, from %s", client or "an unknown address")
            raise AuthFailed(403, BAD_KEY, "there is no such admin key, or it was revoked")
        self._known_keys[digest] = None
        self._known_keys.move_to_end(digest)
        if len(self._known_keys) > MOST_KNOWN_KEYS:
            self._known_keys.popitem(last=False)
        principal = Principal(admin=Admin(found.name or found.id, found.read_only), key_id=found.id)
        return principal if acting_as is None else acting(principal, acting_as)

    async def check_again(self, principal: Principal) -> None:
        """Check a caller that came earlier, such as that of an open socket.

        Raises:
            AuthFailed: Its token has expired since, or its key was revoked.
        """
        if principal.is_expired(self._clock.now()):
            raise AuthFailed(401, UNAUTHENTICATED, "the token has expired")
        if principal.key_id is not None and not await self._keys.has(principal.key_id):
            raise AuthFailed(403, BAD_KEY, "there is no such admin key, or it was revoked")

    def _checker(self, token: Token) -> TokenChecker:
        """Who checks a token, by what it says of itself.

        Raises:
            TokenRefused: Its issuer, or its audience, is none of the settings.
        """
        issuer = token.claims.get("iss")
        of_issuer = [checker for checker in self._checkers if checker.provider.issuer == issuer]
        if not of_issuer:
            known = ", ".join(repr(checker.provider.issuer) for checker in self._checkers) or "none"
            raise TokenRefused(NO_PROVIDER, f"its issuer is {issuer!r:.100}, accepted is {known}")
        for checker in of_issuer:
            if checker.provider.audience in token.audiences:
                return checker
        expected = " or ".join(repr(checker.provider.audience) for checker in of_issuer)
        raise TokenRefused(NO_PROVIDER, f"its audience is {token.claims.get('aud')!r:.100}, expected is {expected}")

    def _text(self, brief: str, reason: str) -> str:
        return reason if self._debug else brief


def acting(principal: Principal, attributes: Mapping[str, Any]) -> Principal:
    """The admin as a user.

    Raises:
        AuthFailed: The attributes name none.
    """
    subject, issuer = attributes.get("subject"), attributes.get("issuer")
    if not isinstance(subject, str) or not subject or not isinstance(issuer, str | None):
        raise AuthFailed(401, INVALID, "who acts as a user names its `subject`, a text, and may name its `issuer`")
    claims = {name: value for name, value in attributes.items() if name not in OWN_ATTRIBUTES}
    claims |= {"sub": subject} | ({} if issuer is None else {"iss": issuer})
    return replace(principal, identity=Identity(subject, issuer, claims))


def read_attributes(encoded: str) -> dict[str, Any]:
    """The JSON object in base64."""
    try:
        attributes = json.loads(b64decode(encoded, validate=True))
    except (binascii.Error, ValueError, RecursionError):
        attributes = None
    if not isinstance(attributes, dict):
        raise AuthFailed(401, INVALID, "after the key and a colon comes a JSON object in base64")
    return attributes
