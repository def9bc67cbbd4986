"""DBOS: a workflow for each job, its transaction in a data source of SQLAlchemy's."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

if '"database": "sqlite"' in sys.argv[1]:
    # DBOS needs SQLite 3.42, which not every Python brings.
    with suppress(ImportError):
        import pysqlite3

        sys.modules["sqlite3"] = pysqlite3
        sys.modules["sqlite3.dbapi2"] = pysqlite3.dbapi2

from dbos import DBOS, DBOSClient, SQLAlchemyDatasource
from sqlalchemy import Engine, event
from sqlalchemy.orm import Session

from ..app.models import Entry, write, write_by_driver
from ..starts import starts
from .adapter import Adapter, run_adapter
from .session import engine

QUEUE = "bench"
BLOCK = 1000


class DBOSAdapter(Adapter):
    def prepare(self) -> None:
        self.launch(listen=False)
        DBOS.destroy()

    def launch(self, listen: bool) -> None:
        """Run jobs, or only create the tables."""
        if self.config.database == "sqlite" and self.config.synchronous == "NORMAL":
            make_commits_normal()
        threads = int(self.options.get("threads", 8))
        DBOS(
            config={
                "name": "bench",
                "system_database_url": self.url(),
                "log_level": "ERROR",
                "application_version": "1",
                "run_migrations": True,
                "max_executor_threads": threads,
            }
        )
        pool = {"pool_size": 20, "max_overflow": 10} if self.config.database == "postgres" else {}
        self.define(SQLAlchemyDatasource.create(self.config.url, engine_kwargs=pool))
        if not listen:
            DBOS.listen_queues(["none"])
        DBOS.launch()
        poll = float(self.options.get("poll", 0.1))
        DBOS.register_queue(QUEUE, polling_interval_sec=poll, on_conflict="always_update")

    def define(self, source: Any) -> None:
        @DBOS.workflow(name="nothing")
        def nothing(i: int) -> None:
            starts.job()

        @DBOS.workflow(name="probe")
        def probe(i: int) -> None:
            starts.sample(i)

        @source.transaction
        def write_rows(i: int) -> None:
            session = source.sql_session()
            if self.options.get("job") == "driver":
                execute = session.connection().exec_driver_sql
                write_by_driver(execute, "?" if self.config.database == "sqlite" else "%s", i)
            else:
                write(session, i)

        @DBOS.workflow(name="work")
        def work(i: int) -> None:
            starts.job()
            write_rows(i)

    def url(self) -> str:
        return self.config.url.replace("+psycopg", "")

    def fill(self, job: str, jobs: int) -> None:
        client, connections = DBOSClient(system_database_url=self.url()), self.engine()
        for first in range(0, jobs, BLOCK):
            with connections.begin() as connection:
                for i in range(first, min(first + BLOCK, jobs)):
                    client.enqueue_in_transaction(connection, options(job), i)
        client.destroy()

    def engine(self) -> Engine:
        return engine(self.config)

    def work(self) -> None:
        self.launch(listen=True)
        time.sleep(3600)

    def left(self) -> int:
        return self.workflows("'ENQUEUED', 'PENDING'")

    def done(self) -> int:
        return self.workflows("'SUCCESS'")

    def workflows(self, states: str) -> int:
        table = "dbos.workflow_status" if self.config.database == "postgres" else "workflow_status"
        return self.count(f"SELECT count(*) FROM {table} WHERE status IN ({states})")

    def caller(self) -> Callable[[int], object]:
        return self.enqueuer("nothing")

    def sender(self) -> Callable[[int], object]:
        return self.enqueuer("probe")

    def enqueuer(self, job: str) -> Callable[[int], object]:
        client, connections = DBOSClient(system_database_url=self.url()), self.engine()

        def enqueue(i: int) -> None:
            with Session(connections) as session, session.begin():
                session.add(Entry(job=i, note="x"))
                client.enqueue_in_transaction(session.connection(), options(job), i)

        return enqueue


def options(job: str) -> Any:
    return {"queue_name": QUEUE, "workflow_name": job, "app_version": "1"}


def make_commits_normal() -> None:
    """DBOS has no setting for this: set it in every connection."""

    @event.listens_for(Engine, "connect")
    def relax(driver: Any, record: Any) -> None:
        driver.execute("PRAGMA synchronous = NORMAL")


if __name__ == "__main__":
    run_adapter(DBOSAdapter)
