"""Celery on Redis: a pool of threads, acknowledged after the job."""

from __future__ import annotations

from collections.abc import Callable

import redis
from celery import Celery

from ..app.models import Entry
from ..marks import marks
from ..place import Place
from .player import Player, play
from .session import Saver, Work


class Celeries(Player):
    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._app = Celery("bench", broker=f"redis://127.0.0.1:{place.redis}/0")
        self._app.conf.update(
            task_acks_late=True,
            task_ignore_result=True,
            worker_prefetch_multiplier=16,
            worker_hijack_root_logger=False,
            broker_connection_retry_on_startup=True,
        )
        self._redis = redis.Redis(port=place.redis)
        self._threads = int(self.options.get("threads", 8))
        work = Work(place, self._threads)

        @self._app.task(name="nothing")
        def nothing(i: int) -> None:
            marks.job()

        @self._app.task(name="probe")
        def probe(i: int) -> None:
            marks.start(i)

        @self._app.task(name="work")
        def do_work(i: int) -> None:
            marks.job()
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
        save = Saver(self.place)

        def send(i: int) -> None:
            save(Entry(job=i, note="x"))
            self._tasks["probe"].delay(i)

        return send


if __name__ == "__main__":
    play(Celeries)
