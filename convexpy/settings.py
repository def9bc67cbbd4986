"""The settings of the engine."""

from __future__ import annotations

import json
import random
from base64 import b64decode
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Literal
from urllib.parse import unquote_to_bytes, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

BY_KEYS: Final = ("RS256", "ES256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES384", "ES512", "EdDSA")
"""Algorithms of tokens that are signed by a private key and checked by a public one."""
BY_SECRET: Final = ("HS256", "HS384", "HS512")
"""Algorithms of tokens that are signed and checked by one secret."""
DISCOVERY: Final = "/.well-known/openid-configuration"


class AuthProvider(BaseModel):
    """An issuer of tokens, and how its tokens are checked: an entry of ``[[tool.convexpy.auth]]``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: str = Field(min_length=1)
    """What a token's ``iss`` must be, exactly."""
    audience: str = Field(min_length=1)
    """What a token's ``aud`` must be or contain."""
    jwks: str | None = None
    """The issuer's public keys: an https URL, a file, or a ``data:`` URI. None: found by OpenID discovery."""
    secret: SecretStr | None = None
    """A shared secret of at least 32 bytes, for development. It excludes ``jwks``."""
    algorithms: tuple[str, ...] = ()
    """The algorithms that its tokens may use. By default RS256 and ES256, or HS256 with a secret."""

    @property
    def accepted_algorithms(self) -> tuple[str, ...]:
        """The algorithms, with the default filled in."""
        return self.algorithms or (BY_KEYS[:2] if self.secret is None else BY_SECRET[:1])

    @property
    def keys_url(self) -> str | None:
        """The URL of the keys, or of the document that names it. None: they are in a file or in the settings."""
        if self.jwks is None:
            return f"{self.issuer.rstrip('/')}{DISCOVERY}" if self.secret is None else None
        return self.jwks if "://" in self.jwks else None

    def within(self, folder: Path) -> AuthProvider:
        """The same with the file of its keys relative to this folder."""
        if self.jwks is None or self.jwks.startswith("data:") or "://" in self.jwks:
            return self
        return self.model_copy(update={"jwks": str(folder / self.jwks)})

    @field_validator("algorithms")
    @classmethod
    def check_algorithms(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name.lower() == "none":
                raise ValueError("'none' is no algorithm: such a token is signed by no one")
            if name not in BY_KEYS + BY_SECRET:
                raise ValueError(f"there is no algorithm {name!r}. There are: {', '.join(BY_KEYS + BY_SECRET)}")
        return value

    @field_validator("jwks")
    @classmethod
    def check_jwks(cls, value: str | None) -> str | None:
        if value is not None and value.startswith("data:"):
            read_data_uri(value)
        elif value is not None and "://" in value:
            check_url(value)
        elif value is not None and (not value or value.endswith("/")):
            raise ValueError("write an https URL, the name of a file, or a data: URI")
        return value

    @model_validator(mode="after")
    def check_source_of_keys(self) -> AuthProvider:
        if self.secret is not None and self.jwks is not None:
            raise ValueError("`jwks` and `secret` exclude each other: a token is signed by one kind of key")
        wrong = [name for name in self.algorithms if (name in BY_SECRET) is (self.secret is None)]
        if wrong:
            kind = "is for public keys" if self.secret is not None else "needs `secret`"
            raise ValueError(f"{wrong[0]} {kind}: one issuer has either a secret or public keys")
        if self.secret is not None:
            self._check_length(self.secret)
        if self.jwks is None and self.secret is None:
            try:
                check_url(self.issuer)
            except ValueError as error:
                raise ValueError(f"without `jwks` the issuer tells its keys, so it must be a URL: {error}") from None
        return self

    def _check_length(self, secret: SecretStr) -> None:
        shortest = max(int(name[2:]) // 8 for name in self.accepted_algorithms)
        if len(secret.get_secret_value().encode()) < shortest:
            raise ValueError(
                f"the secret is too short: it needs {shortest} bytes that cannot be guessed, such as "
                f'`python -c "import secrets; print(secrets.token_hex({shortest}))"` prints'
            )


def check_url(url: str) -> None:
    """Refuse what is not https, or http to this machine.

    Raises:
        ValueError: It says what is wrong.
    """
    parts = urlsplit(url)
    if not parts.hostname or parts.username is not None:
        raise ValueError(f"{url!r} is not the URL of a server")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
        raise ValueError(
            "the URL must begin with https://, or http:// for this machine: on the way, http can be changed"
        )


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_data_uri(uri: str) -> bytes:
    """The contents of a ``data:`` URI.

    Raises:
        ValueError: It is not one, or not of JSON.
    """
    kind, comma, data = uri.removeprefix("data:").partition(",")
    try:
        content = b64decode(data, validate=True) if kind.endswith(";base64") else unquote_to_bytes(data)
        if not comma or not isinstance(json.loads(content)["keys"], list):
            raise ValueError
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ValueError('this data: URI holds no key set: write data:application/json,{"keys": […]}') from None
    return content


class Settings(BaseModel):
    """The engine's settings. Durations are ``timedelta``; numbers count seconds."""

    # An error that showed its input would show the secret of an issuer.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    mutation_time_limit: timedelta = Field(default=timedelta(seconds=10), gt=timedelta(0))
    """How long the handler of one mutation may run. A mutation past it fails and writes nothing."""
    query_time_limit: timedelta = Field(default=timedelta(seconds=30), gt=timedelta(0))
    """How long the handler of one query may run."""
    mutation_retries: int = Field(default=10, ge=0)
    """How many times a direct mutation is run again after a conflict or another internal error."""
    max_scheduled: int = Field(default=1000, ge=1)
    """How many functions one function call may schedule."""
    max_scheduled_bytes: int = Field(default=8 * 1024 * 1024, ge=1)
    """How many bytes of stored arguments one function call may schedule."""
    retention: timedelta = Field(default=timedelta(days=7), ge=timedelta(0))
    """How long the row of a finished job is kept."""
    min_cron_interval: timedelta = Field(default=timedelta(minutes=1), gt=timedelta(0))
    """The shortest period a cron may have."""
    action_concurrency: int = Field(default=64, ge=1)
    """How many scheduled actions run at the same time. They have a pool of their own and never delay mutations."""
    action_time_limit: timedelta | None = Field(default=None, gt=timedelta(0))
    """How long an action may run, with the actions that it calls. None: as long as it takes."""
    retry_first: timedelta = Field(default=timedelta(milliseconds=100), gt=timedelta(0))
    """The first pause before a retry after an internal error. It doubles with each retry, with jitter."""
    conflict_first: timedelta = Field(default=timedelta(milliseconds=5), gt=timedelta(0))
    """The first pause before a retry after a conflict. It doubles as well."""
    retry_longest: timedelta = Field(default=timedelta(seconds=60), gt=timedelta(0))
    """The longest pause before a retry."""
    poll_interval: timedelta = Field(default=timedelta(seconds=5), gt=timedelta(0))
    """How often the dispatcher looks for due jobs when no notification wakes it."""
    unknown_function_patience: timedelta = Field(default=timedelta(minutes=5), ge=timedelta(0))
    """How long a worker leaves a job of an unknown function to other workers before it fails the job."""
    heartbeat_interval: timedelta = Field(default=timedelta(seconds=10), gt=timedelta(0))
    """How often a worker writes its heartbeat."""
    heartbeat_timeout: timedelta = Field(default=timedelta(seconds=60), gt=timedelta(0))
    """After this long without a heartbeat a worker counts as dead, and its jobs are recovered."""
    stop_grace: timedelta = Field(default=timedelta(seconds=10), ge=timedelta(0))
    """How long running actions may take to finish when the process stops."""
    mutation_concurrency: int = Field(default=4, ge=1)
    """How many scheduled mutations a process runs at the same time on PostgreSQL. SQLite writes one at a time."""
    database_connections: int = Field(default=10, ge=1)
    """How many connections to PostgreSQL a process uses for functions. The framework has up to four more."""
    prepared_statements: bool = True
    """Whether to use PostgreSQL's prepared statements. Set it to false behind a pooler that pools by transaction."""
    listen_notify: bool = True
    """Whether processes notify each other of commits by PostgreSQL's NOTIFY. If not, they poll every poll_interval."""
    commit_timeout: timedelta = Field(default=timedelta(seconds=30), gt=timedelta(0))
    """How long to ask PostgreSQL for the outcome of a direct call whose connection broke in its commit."""
    sqlite_synchronous: Literal["FULL", "NORMAL"] = "FULL"
    """FULL keeps every commit through a power cut; NORMAL is faster, and may lose the last commits."""
    lock_timeout: timedelta = Field(default=timedelta(seconds=10), gt=timedelta(0))
    """How long a transaction waits for the write lock before that counts as a conflict."""
    live_check: bool = False
    """Whether live queries that no commit touched run as well, and a result that differs is an error. For tests."""
    host: str = "127.0.0.1"
    """The address at which the server listens."""
    port: int = Field(default=3210, ge=0, le=65535)
    """The port at which the server listens. 0: any that is free."""
    names: Literal["as written", "camel"] = "as written"
    """How names of arguments, results and functions are written in JSON. ``camel``: camelCase outside."""
    cors: tuple[str, ...] = ()
    """The origins whose pages may call the server, such as ``https://shop.example``. Exact, none by default."""
    forwarded_allow_ips: tuple[str, ...] = ()
    """The addresses or networks of proxies whose ``X-Forwarded-For`` and ``X-Forwarded-Proto`` are believed."""
    auth: tuple[AuthProvider, ...] = ()
    """The issuers whose tokens are accepted."""
    max_body_bytes: int = Field(default=16 * 1024 * 1024, ge=1)
    """How large the body of a request, or a message of a socket, may be."""
    max_json_depth: int = Field(default=64, ge=1)
    """How deep its JSON may be nested."""
    max_socket_queries: int = Field(default=1000, ge=1)
    """How many queries one socket may subscribe to."""
    request_concurrency: int = Field(default=8, ge=1)
    """How many calls of clients run at the same time in a server process. More wait, and never for scheduled jobs.

    A process uses one processor. More calls at once mostly wait for each other: with 32 on
    SQLite a fifth less is answered than with 8.
    """
    dashboard: bool = True
    """Whether the server has a dashboard, at ``/dashboard/``."""
    metrics: Literal["key", "open"] = "key"
    """Whether ``/metrics`` takes an admin key, or is open to every client."""
    debug: bool = False
    """Whether errors are shown in full: with the values of SQL parameters, and to clients. `convexpy dev` sets it."""

    def backoff(self, attempts: int, *, conflict: bool = False, longest: timedelta | None = None) -> timedelta:
        """The pause after so many failed attempts: it doubles up to a limit, with jitter, so that retries spread.

        A conflict lasts as long as the other transaction, so the first pauses after one are shorter.
        """
        first = self.conflict_first if conflict else self.retry_first
        doubled: timedelta = first * (1 << min(attempts - 1, 30))
        return min(doubled, longest or self.retry_longest) * random.uniform(0.5, 1.0)
