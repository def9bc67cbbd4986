"""Celery on Redis: a pool of threads, acknowledged after the job."""

from __future__ import annotations

from collections.abc import Callable

import redis
from celery import Celery

from ..app.models import Entry
from ..config import Config
from ..starts import starts
from .adapter import Adapter, run_adapter
from .session import Saver, Work


class CeleryAdapter(Adapter):
    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._app = Celery("bench", broker=f"redis://127.0.0.1:{config.redis}/0")
        self._app.conf.update(
            task_acks_late=True,
            task_ignore_result=True,
            worker_prefetch_multiplier=16,
            worker_hijack_root_logger=False,
            broker_connection_retry_on_startup=True,
        )
        self._redis = redis.Redis(port=config.redis)
        self._threads = int(self.options.get("threads", 8))
        work = Work(config, self._threads)

        @self._app.task(name="nothing")
        def nothing(i: int) -> None:
            starts.job()

        @self._app.task(name="probe")
        def probe(i: int) -> None:
            starts.sample(i)

        @self._app.task(name="work")
        def do_work(i: int) -> None:
            starts.job()
            work(i)

        self._tasks = {"nothing": nothing, "probe": probe, "work": do_work}

    def fill(self, job: str, jobs: int) -> None:
        with self._app.producer_pool.acquire() as producer:
            for i in range(jobs):
                self._tasks[job].apply_async((i,), producer=producer)

    def left(self) -> int:
        return int(self._redis.llen("celery")) + int(self._redis.hlen("unacked"))

    def work(self) -> None:
        self._app.Worker(
            pool="threads",
            concurrency=self._threads,
            loglevel="ERROR",
            without_mingle=True,
            without_gossip=True,
            without_heartbeat=True,
        ).start()

    def sender(self) -> Callable[[int], object]:
        save = Saver(self.config)

        def send(i: int) -> None:
            save(Entry(job=i, note="x"))
            self._tasks["probe"].delay(i)

        return send


if __name__ == "__main__":
    run_adapter(CeleryAdapter)
