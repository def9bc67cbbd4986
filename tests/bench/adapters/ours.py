"""convexpy. Its workers are ``convexpy worker``; this adapter only prepares, fills and calls."""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import Connection, Table, select

from convexpy import Convex, Settings
from convexpy.database.tables import metadata as framework

from ..app import jobs
from ..app.models import Base
from .adapter import Adapter, run_adapter
from .direct import compare
from .idle import observe_idle
from .session import Work

BLOCK = 1000
THREE_YEARS = 3 * 365 * 86_400_000
NUMBERS = {
    "postgres": "generate_series(1, {rows}) AS numbers (g)",
    "sqlite": "(WITH RECURSIVE s (g) AS (VALUES (1) UNION ALL SELECT g + 1 FROM s WHERE g < {rows}) SELECT g FROM s)",
}
ID = {
    "postgres": "md5(g::text)",
    "sqlite": "printf('%08x', (g * 2654435761) % 4294967296) || printf('%024x', g)",
}


class ConvexpyAdapter(Adapter):
    """Runs ``tests.bench.app``. Jobs are counted in the table that users read."""

    LEFT = (
        "SELECT count(*) FROM (SELECT 1 FROM _scheduled_functions WHERE name IN ('jobs:nothing', 'jobs:work',"
        " 'jobs:driver') AND state_kind IN ('pending', 'inProgress') LIMIT 1) AS one"
    )
    DONE = (
        "SELECT count(*) FROM _scheduled_functions WHERE name IN ('jobs:nothing', 'jobs:work', 'jobs:driver')"
        " AND state_kind = 'success'"
    )

    _open: Convex | None = None

    def convex(self) -> Convex:
        if self._open is None:
            settings = Settings.model_validate({"sqlite_synchronous": self.config.synchronous})
            self._open = Convex(self.config.url, functions="tests.bench.app", metadata=Base.metadata, settings=settings)
        return self._open

    def prepare(self) -> None:
        self.convex().migrate()

    def fill(self, job: str, jobs_: int) -> None:
        job = self.options.get("job", job) if job == "work" else job
        for first in range(0, jobs_, BLOCK):
            self.convex().run(jobs.fill, job=job, first=first, count=min(BLOCK, jobs_ - first))

    def pending(self) -> int:
        return self.count("SELECT count(*) FROM _scheduled_functions WHERE state_kind = 'pending'")

    def backlog(self, state: str, rows: int) -> None:
        """Jobs "far" in the future, or "done": one that convexpy has made, and copies of its rows."""
        now = int(time.time() * 1000)
        if state == "far":
            job = self.convex().run(jobs.schedule_wait, milliseconds=now + THREE_YEARS)
        else:
            with self.convex().running():
                job = self.convex().run(jobs.schedule_wait, milliseconds=now)
                ended = f"SELECT count(*) FROM _scheduled_functions WHERE id = '{job}' AND state_kind = 'success'"
                while not self.count(ended):
                    time.sleep(0.01)
        with self.convex().database.ddl() as connection:  # it takes longer than an internal transaction may
            for table in framework.sorted_tables:
                copy_rows(connection, table, job, rows, self.config.database)

    def caller(self) -> Callable[[int], object]:
        call = jobs.write_and_schedule if self.options.get("job") == "driver" else jobs.save_and_schedule
        return lambda i: self.convex().run(call, i=i)

    def sender(self) -> Callable[[int], object]:
        if self.options.get("inside"):
            self.convex().start()
        return lambda i: self.convex().run(jobs.schedule_probe, i=i)

    def direct(self, calls: int) -> dict[str, float]:
        return compare(self.convex(), Work(self.config, isolation_level="SERIALIZABLE"), calls)

    def idle(self, seconds: float) -> dict[str, float]:
        return observe_idle(self.convex(), seconds)


def copy_rows(connection: Connection, table: Table, job: str, rows: int, database: str) -> None:
    """Copy the row of a job, if the table has one, for as many other jobs."""
    for key in table.columns:
        if key.name in ("id", "job_id") and connection.execute(select(key).where(key == job)).first():
            names = ", ".join(column.name for column in table.columns)
            values = ", ".join(ID[database] if column is key else column.name for column in table.columns)
            numbers = NUMBERS[database].format(rows=rows)
            connection.exec_driver_sql(
                f"INSERT INTO {table.name} ({names}) SELECT {values} FROM {table.name}, {numbers}"
                f" WHERE {key.name} = '{job}'"
            )


if __name__ == "__main__":
    run_adapter(ConvexpyAdapter)
