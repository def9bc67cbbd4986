"""One place for one measurement: a fresh database, a queue if there is one, and a folder for marks."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Database = Literal["postgres", "sqlite"]
Synchronous = Literal["FULL", "NORMAL"]


@dataclass(frozen=True)
class Place:
    """Told to every process of a contestant as JSON."""

    database: Database
    name: str
    """PostgreSQL: a URL as libpq knows it. SQLite: the file."""
    marks: str
    """The folder of the marks."""
    synchronous: Synchronous = "FULL"
    """How durable a commit of SQLite is. PostgreSQL always waits for the disk."""
    redis: int = 0
    """The port of the Redis, for who needs one."""
    options: dict[str, Any] = field(default_factory=dict)
    """What the contestant was set to."""

    @property
    def url(self) -> str:
        """The database, as SQLAlchemy and convexpy know it."""
        if self.database == "sqlite":
            return f"sqlite:///{self.name}"
        return self.name.replace("postgresql://", "postgresql+psycopg://")

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Place:
        return cls(**json.loads(text))
