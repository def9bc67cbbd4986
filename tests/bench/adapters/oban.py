"""Oban: one event loop. Its jobs are async, so the transaction of a job runs in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import uvloop
from oban import Oban, schema, worker

from ..starts import starts
from .adapter import Adapter, run_adapter
from .session import Work

BLOCK = 1000
QUEUE = "bench"
in_thread: Callable[[int], Any]


@worker(queue=QUEUE)
class Nothing:
    async def process(self, job: Any) -> None:
        starts.job()


@worker(queue=QUEUE)
class Probe:
    async def process(self, job: Any) -> None:
        starts.sample(job.args["i"])


@worker(queue=QUEUE)
class DoWork:
    async def process(self, job: Any) -> None:
        starts.job()
        await in_thread(job.args["i"])


JOBS: dict[str, Any] = {"nothing": Nothing, "work": DoWork, "probe": Probe}


class ObanAdapter(Adapter):
    LEFT = "SELECT count(*) FROM oban_jobs WHERE state IN ('available', 'executing', 'retryable')"
    DONE = "SELECT count(*) FROM oban_jobs WHERE state = 'completed'"

    def prepare(self) -> None:
        async def install() -> None:
            pool = await Oban.create_pool(self.config.name)
            await schema.install(pool)
            await pool.close()

        uvloop.run(install())

    def fill(self, job: str, jobs: int) -> None:
        async def enqueue() -> None:
            pool = await Oban.create_pool(self.config.name)
            oban = Oban(pool=pool)
            for first in range(0, jobs, BLOCK):
                await oban.enqueue_many(JOBS[job].new({"i": i}) for i in range(first, min(first + BLOCK, jobs)))
            await pool.close()

        uvloop.run(enqueue())

    def work(self) -> None:
        uvloop.run(self.serve())

    async def serve(self) -> None:
        global in_thread
        threads = int(self.options.get("threads", 4))
        work, executor = Work(self.config, threads), ThreadPoolExecutor(threads)
        loop = asyncio.get_running_loop()
        in_thread = lambda i: loop.run_in_executor(executor, work, i)  # noqa: E731
        pool = await Oban.create_pool(self.config.name, min_size=2, max_size=10)
        async with Oban(pool=pool, queues={QUEUE: int(self.options.get("limit", 500))}):
            await asyncio.Event().wait()

    def caller(self) -> Callable[[int], object]:
        return self.enqueuer(Nothing)

    def sender(self) -> Callable[[int], object]:
        return self.enqueuer(Probe)

    def enqueuer(self, job: Any) -> Callable[[int], object]:
        run = uvloop.new_event_loop().run_until_complete
        oban = Oban(pool=run(Oban.create_pool(self.config.name)))
        connection = run(psycopg.AsyncConnection.connect(self.config.name))

        async def enqueue(i: int) -> None:
            async with connection.transaction():
                await connection.execute("INSERT INTO entry (job, note) VALUES (%s, 'x')", (i,))
                await oban.enqueue(job.new({"i": i}), conn=connection)

        return lambda i: run(enqueue(i))


if __name__ == "__main__":
    run_adapter(ObanAdapter)
