"""The target of the checks: a database, the settings that it is used with, and the app's tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, MetaData

from ..functions.registry import Registry
from ..settings import Settings
from .finding import Finding


@dataclass(frozen=True)
class Target:
    """One database, and a connection to it in autocommit mode."""

    connection: Connection
    settings: Settings
    metadata: MetaData | None = None
    seconds: float = 2.0
    """How long to measure rates."""
    registry: Registry | None = None
    """The app's functions. None: they are not known, so pending jobs are not checked."""
    migrations: Path | None = None
    """The folder of the app's revisions. None: they are not checked."""
    server: Mapping[str, str] = field(default_factory=dict)
    """The settings of a PostgreSQL server for this connection, in PostgreSQL's units."""

    @property
    def is_postgres(self) -> bool:
        return self.connection.dialect.name == "postgresql"

    @property
    def version(self) -> int:
        """The version of PostgreSQL as a number: 180006 is 18.6."""
        return self.number("server_version_num")

    def number(self, name: str, missing: int = 0) -> int:
        """An integer setting of the server."""
        return int(self.server.get(name, missing))

    def scalar(self, statement: str, *values: object) -> Any:
        """The first column of the first row."""
        return self.connection.exec_driver_sql(statement, values).scalar()

    def now(self) -> datetime:
        """The database's time. That of a SQLite file is this machine's."""
        now: datetime = self.scalar("SELECT clock_timestamp()") if self.is_postgres else datetime.now(UTC)
        return now.astimezone(UTC)


Check = Callable[[Target], Iterator[Finding]]
