"""Configuration of one measurement: a fresh database, a queue if the system needs one, and the folder of starts."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Database = Literal["postgres", "sqlite"]
Synchronous = Literal["FULL", "NORMAL"]


@dataclass(frozen=True)
class Config:
    """Passed to every process of a system as JSON."""

    database: Database
    name: str
    """PostgreSQL: a libpq URL. SQLite: the file."""
    starts: str
    """The folder of the recorded starts."""
    synchronous: Synchronous = "FULL"
    """How durable a commit of SQLite is. PostgreSQL always waits for the disk."""
    redis: int = 0
    """The port of Redis, for systems that use it."""
    options: dict[str, Any] = field(default_factory=dict)
    """The system's own settings."""

    @property
    def url(self) -> str:
        """The database as a URL for SQLAlchemy and convexpy."""
        if self.database == "sqlite":
            return f"sqlite:///{self.name}"
        return self.name.replace("postgresql://", "postgresql+psycopg://")

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Config:
        return cls(**json.loads(text))
