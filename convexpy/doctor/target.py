"""What is examined: a database, the settings it is used with, and the app's tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, MetaData

from ..settings import Settings
from .finding import Finding


@dataclass(frozen=True)
class Target:
    """One database, looked at through one connection that begins no transaction by itself."""

    connection: Connection
    settings: Settings
    metadata: MetaData | None = None
    seconds: float = 2.0
    """How long to measure what can only be measured over time."""
    server: Mapping[str, str] = field(default_factory=dict)
    """The settings of a PostgreSQL server as this connection sees them, in PostgreSQL's own units."""

    @property
    def is_postgres(self) -> bool:
        return self.connection.dialect.name == "postgresql"

    @property
    def version(self) -> int:
        """PostgreSQL's, as a number: 180006 is 18.6."""
        return self.number("server_version_num")

    def number(self, name: str, missing: int = 0) -> int:
        """A setting of the server that is a whole number."""
        return int(self.server.get(name, missing))

    def ask(self, question: str, *values: object) -> Any:
        """The first column of the first row of an answer."""
        return self.connection.exec_driver_sql(question, values).scalar()

    def now(self) -> datetime:
        """The database's time; a SQLite file has none but this machine's."""
        now: datetime = self.ask("SELECT clock_timestamp()") if self.is_postgres else datetime.now(UTC)
        return now.astimezone(UTC)


Check = Callable[[Target], Iterator[Finding]]
