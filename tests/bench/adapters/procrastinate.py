"""Procrastinate: one event loop. It runs functions that are not async in threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import procrastinate
import psycopg

from ..starts import starts
from .adapter import Adapter, run_adapter
from .session import Work

BLOCK = 1000


class ProcrastinateAdapter(Adapter):
    LEFT = "SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"
    DONE = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'"

    def app(self, is_worker: bool = False) -> procrastinate.App:
        """The app of a caller, or of a worker."""
        concurrency = int(self.options.get("concurrency", 10))
        if is_worker:
            connector: object = procrastinate.PsycopgConnector(conninfo=self.config.name, max_size=concurrency + 4)
        else:
            connector = procrastinate.SyncPsycopgConnector(conninfo=self.config.name)
        app, work = procrastinate.App(connector=connector), Work(self.config, concurrency)

        @app.task(name="nothing")
        async def nothing(i: int) -> None:
            starts.job()

        @app.task(name="probe")
        async def probe(i: int) -> None:
            starts.sample(i)

        @app.task(name="work")
        def do_work(i: int) -> None:
            starts.job()
            work(i)

        return app

    def prepare(self) -> None:
        with (app := self.app()).open():
            app.schema_manager.apply_schema()

    def fill(self, job: str, jobs: int) -> None:
        with (app := self.app()).open():
            for first in range(0, jobs, BLOCK):
                app.tasks[job].batch_defer(*({"i": i} for i in range(first, min(first + BLOCK, jobs))))

    def work(self) -> None:
        async def serve() -> None:
            async with (app := self.app(is_worker=True)).open_async():
                await app.run_worker_async(concurrency=int(self.options.get("concurrency", 10)), wait=True)

        asyncio.run(serve())

    def caller(self) -> Callable[[int], object]:
        return self.deferrer("nothing")

    def sender(self) -> Callable[[int], object]:
        return self.deferrer("probe")

    def deferrer(self, job: str) -> Callable[[int], object]:
        app, connection = self.app(), psycopg.connect(self.config.name)
        app.open()
        task = app.tasks[job]

        def defer(i: int) -> None:
            with connection.transaction():
                connection.execute("INSERT INTO entry (job, note) VALUES (%s, 'x')", (i,))
                task.configure(connection=connection).defer(i=i)

        return defer


if __name__ == "__main__":
    run_adapter(ProcrastinateAdapter)
