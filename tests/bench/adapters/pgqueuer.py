"""PgQueuer: one event loop, jobs fetched and acknowledged in batches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import asyncpg
import uvloop
from pgqueuer import PgQueuer
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.queries import Queries

from ..app.models import COUNTERS
from ..starts import starts
from .adapter import Adapter, run_adapter
from .session import Work

BLOCK = 1000


class PgQueuerAdapter(Adapter):
    LEFT = "SELECT count(*) FROM (SELECT 1 FROM pgqueuer LIMIT 1) AS one"
    DONE = "SELECT count(DISTINCT job_id) FROM pgqueuer_log WHERE status = 'successful'"

    def prepare(self) -> None:
        async def install() -> None:
            connection = await asyncpg.connect(self.config.name)
            await Queries(AsyncpgDriver(connection)).install()
            await connection.close()

        uvloop.run(install())

    def fill(self, job: str, jobs: int) -> None:
        async def enqueue() -> None:
            connection = await asyncpg.connect(self.config.name)
            queries = Queries(AsyncpgDriver(connection))
            for first in range(0, jobs, BLOCK):
                numbers = range(first, min(first + BLOCK, jobs))
                await queries.enqueue([job] * len(numbers), [str(i).encode() for i in numbers], [0] * len(numbers))
            await connection.close()

        uvloop.run(enqueue())

    def pending(self) -> int:
        return self.count("SELECT count(*) FROM pgqueuer")

    def work(self) -> None:
        uvloop.run(self.serve())

    async def serve(self) -> None:
        threads = int(self.options.get("threads", 4))
        work, pool = Work(self.config, threads), ThreadPoolExecutor(threads)
        loop = asyncio.get_running_loop()
        by_driver = self.options.get("job") == "driver"
        connections = (
            await asyncpg.create_pool(self.config.name, min_size=threads, max_size=threads) if by_driver else None
        )
        queuer = PgQueuer.from_asyncpg_connection(await asyncpg.connect(self.config.name))

        @queuer.entrypoint("nothing")
        async def nothing(job: Any) -> None:
            starts.job()

        @queuer.entrypoint("probe")
        async def probe(job: Any) -> None:
            starts.sample(int(job.payload))

        @queuer.entrypoint("work")
        async def do_work(job: Any) -> None:
            starts.job()
            if connections is None:
                await loop.run_in_executor(pool, work, int(job.payload))
                return
            # Its own driver in its own event loop is its fastest way.
            i = int(job.payload)
            async with connections.acquire() as connection, connection.transaction():
                await connection.execute("UPDATE counter SET n = n + 1 WHERE id = $1", i % COUNTERS)
                await connection.execute("INSERT INTO entry (job, note) VALUES ($1, 'x')", i)

        await queuer.run(batch_size=int(self.options.get("batch", 500)))

    def caller(self) -> Callable[[int], object]:
        run, connection, queries = self.connected()

        async def call(i: int) -> None:
            async with connection.transaction():
                await connection.execute("INSERT INTO entry (job, note) VALUES ($1, 'x')", i)
                await queries.enqueue("nothing", str(i).encode())

        return lambda i: run(call(i))

    def sender(self) -> Callable[[int], object]:
        run, connection, queries = self.connected()

        async def send(i: int) -> None:
            async with connection.transaction():
                await connection.execute("INSERT INTO entry (job, note) VALUES ($1, 'x')", i)
                await queries.enqueue("probe", str(i).encode())

        return lambda i: run(send(i))

    def connected(self) -> tuple[Callable[[Coroutine[Any, Any, Any]], Any], Any, Any]:
        """A function that runs a coroutine, a connection, and the queue on it."""
        run = uvloop.new_event_loop().run_until_complete
        connection = run(asyncpg.connect(self.config.name))
        return run, connection, Queries(AsyncpgDriver(connection))


if __name__ == "__main__":
    run_adapter(PgQueuerAdapter)
