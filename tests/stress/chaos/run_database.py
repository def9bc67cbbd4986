"""The folder and the database of one run, as its parent sees them: made, queried, and dumped at the end."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Iterator
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, NullPool, Select, create_engine, insert, select, text

from convexpy import Settings
from convexpy.app import Convex
from convexpy.database.tables import crons, finished, jobs, queue

from .app.tables import ACCOUNTS, BALANCE, accounts, answers, effects, items, lists, markers, metadata
from .audit import watch_jobs
from .journal import Journal
from .process_config import APP

RECORDS = ("intents.jsonl", "appends.jsonl", "actions.log", "faults.jsonl")
BATCH = 2000
# Crons never end, so they do not count.
UNFINISHED = (
    "SELECT count(*) FROM _convexpy_queue AS q JOIN _scheduled_functions AS j ON j.id = q.job_id WHERE j.cron IS NULL"
)


class RunDatabase:
    """Its connections go straight to the database, past every fault but those of the server."""

    def __init__(self, folder: Path, url: str, settings: dict[str, Any]) -> None:
        self.folder = folder
        self.url = url
        self._settings = settings
        folder.mkdir(parents=True, exist_ok=True)
        for name in RECORDS:
            (folder / name).touch()
        self._engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"), poolclass=NullPool)
        self.faults = Journal(folder / "faults.jsonl")

    def prepare(self) -> None:
        """Make the framework's tables, the app's, and the triggers that watch."""
        with Convex(self.url, functions=APP, settings=Settings(**self._settings)) as convex:
            convex.migrate()
        with self._engine.begin() as connection:
            metadata.create_all(connection)
            connection.execute(insert(accounts), [{"account": n, "balance": BALANCE} for n in range(ACCOUNTS)])
            watch_jobs(connection)
            connection.exec_driver_sql("ANALYZE")

    def number(self, question: str) -> int | None:
        """One number from the database; None while it does not answer."""
        try:
            with self._engine.connect() as connection:
                return int(connection.execute(text(question)).scalar_one())
        except Exception:
            return None

    def unfinished(self) -> int | None:
        """How many jobs are not over, those of crons aside."""
        return self.number(UNFINISHED)

    def waiting(self) -> int | None:
        return self.number("SELECT count(*) FROM _convexpy_queue")

    def jobs(self) -> int | None:
        return self.number("SELECT count(*) FROM _scheduled_functions")

    def finished(self) -> int | None:
        return self.number("SELECT count(*) FROM _convexpy_finished")

    def what_is_left(self) -> list[str]:
        """Which workers hold the jobs that are not over, in a few words."""
        groups = (
            "SELECT q.kind, q.worker IS NOT NULL AS claimed, w.id IS NOT NULL AS registered, "
            "q.run_token IS NOT NULL AS started, count(*) AS number FROM _convexpy_queue AS q "
            "LEFT JOIN _convexpy_workers AS w ON w.id = q.worker GROUP BY 1, 2, 3, 4"
        )
        with self._engine.connect() as connection:
            return [f"left: {dict(row)}" for row in connection.execute(text(groups)).mappings()]

    def problems(self) -> list[str]:
        """What is wrong with the database itself, and with marks and jobs that must exist together."""
        found = []
        with self._engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                health = connection.exec_driver_sql("PRAGMA integrity_check").scalar()
                found += [f"integrity_check: {health}"] if health != "ok" else []
            lonely = "SELECT count(*) FROM markers AS m LEFT JOIN _scheduled_functions AS j ON j.id = m.job "
            if without := connection.execute(text(lonely + "WHERE j.id IS NULL")).scalar():
                found.append(f"{without} marks whose job does not exist")
            twice = "SELECT count(*) FROM (SELECT call FROM markers GROUP BY call HAVING count(*) > 1) AS t"
            if number := connection.execute(text(twice)).scalar():
                found.append(f"{number} calls left their mark more than once")
        return found

    def versions(self) -> dict[str, str]:
        """What this ran on."""
        with self._engine.connect() as connection:
            sqlite = connection.dialect.name == "sqlite"
            server = connection.exec_driver_sql("SELECT sqlite_version()" if sqlite else "SHOW server_version").scalar()
            return {
                "python": platform.python_version(),
                "convexpy": version("convexpy"),
                "sqlalchemy": version("sqlalchemy"),
                connection.dialect.name: str(server),
            }

    def save_crons(self) -> None:
        """Which crons there are; at the end there are none."""
        with self._engine.connect() as connection:
            found = connection.execute(select(crons.c.name, crons.c.schedule)).all()
        write_lines(self.folder / "crons.jsonl", ({"name": row.name, "schedule": row.schedule} for row in found))

    def dump(self) -> None:
        """Write down every table that a checker reads, row by row."""
        with self._engine.connect() as connection:
            for name, table in (("jobs", jobs), ("queue", queue), ("finished", finished)):
                self._write(connection, name, select(table))
            self._write(connection, "effects", select(effects), moved)
            self._write(connection, "accounts", select(accounts))
            self._write(connection, "markers", select(markers))
            columns = "seq, job, old, new, attempts, at, xid"
            self._write(connection, "audit", text(f"SELECT {columns} FROM audit ORDER BY seq"))
            self._write(connection, "answers", select(answers))
            write_lines(self.folder / "final.jsonl", [{"final": final_lists(connection)}])

    def _write(self, connection: Connection, name: str, query: Any, change: Any = None) -> None:
        found = connection.execution_options(yield_per=BATCH).execute(query)
        rows = ({key: plain(value) for key, value in row.items()} for row in found.mappings())
        write_lines(self.folder / f"{name}.jsonl", map(change, rows) if change else rows)


def plain(value: Any) -> Any:
    return value.timestamp() if isinstance(value, datetime) else value


def moved(row: dict[str, Any]) -> dict[str, Any]:
    giver, taker = row.pop("giver"), row.pop("taker")
    return {**row, "moved": [giver, taker, 1]}


def final_lists(connection: Connection) -> dict[str, list[int]]:
    final: dict[str, list[int]] = {}
    rows: Select[Any] = select(lists.c.key, lists.c.entries)
    for key, stored in connection.execute(rows):
        final[key] = [int(entry) for entry in stored.split(",")]
    for key, value in connection.execute(select(items.c.key, items.c.value).order_by(items.c.key, items.c.position)):
        final.setdefault(key, []).append(value)
    return final


def write_lines(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for line in lines:
            file.write(json.dumps(line, separators=(",", ":")) + "\n")


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a journal; a line that a dying process wrote in part is left out."""
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                yield json.loads(line)
            except ValueError:
                continue
