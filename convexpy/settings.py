"""The settings of the engine."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr


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
    """A shared secret, for development. It excludes ``jwks``."""
    algorithms: tuple[str, ...] = ()
    """The algorithms that its tokens may use. By default RS256 and ES256, or HS256 with a secret."""


class Settings(BaseModel):
    """The engine's settings. Durations are ``timedelta``; numbers count seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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
    request_concurrency: int = Field(default=32, ge=1)
    """How many calls of clients run at the same time in a server process. More wait, and never for scheduled jobs."""
    debug: bool = False
    """Whether errors are shown in full: with the values of SQL parameters, and to clients. `convexpy dev` sets it."""

    def backoff(self, attempts: int, *, conflict: bool = False, longest: timedelta | None = None) -> timedelta:
        """The pause after so many failed attempts: it doubles up to a limit, with jitter, so that retries spread.

        A conflict lasts as long as the other transaction, so the first pauses after one are shorter.
        """
        first = self.conflict_first if conflict else self.retry_first
        doubled: timedelta = first * (1 << min(attempts - 1, 30))
        return min(doubled, longest or self.retry_longest) * random.uniform(0.5, 1.0)
