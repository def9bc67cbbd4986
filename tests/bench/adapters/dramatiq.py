"""Dramatiq on Redis: a worker of threads."""

from __future__ import annotations

import time
from collections.abc import Callable

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker

from ..app.models import Entry
from ..config import Config
from ..starts import starts
from .adapter import Adapter, run_adapter
from .session import Saver, Work


class DramatiqAdapter(Adapter):
    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._broker = RedisBroker(url=f"redis://127.0.0.1:{config.redis}/0")
        dramatiq.set_broker(self._broker)
        self._redis = redis.Redis(port=config.redis)
        self._threads = int(self.options.get("threads", 8))
        work = Work(config, self._threads)

        @dramatiq.actor(actor_name="nothing")
        def nothing(i: int) -> None:
            starts.job()

        @dramatiq.actor(actor_name="probe")
        def probe(i: int) -> None:
            starts.sample(i)

        @dramatiq.actor(actor_name="work")
        def do_work(i: int) -> None:
            starts.job()
            work(i)

        self._actors = {"nothing": nothing, "probe": probe, "work": do_work}

    def fill(self, job: str, jobs: int) -> None:
        for i in range(jobs):
            self._actors[job].send(i)

    def left(self) -> int:
        # Failed jobs wait in the second queue for a retry.
        return sum(int(self._redis.hlen(f"dramatiq:{queue}.msgs")) for queue in ("default", "default.DQ"))

    def work(self) -> None:
        dramatiq.Worker(self._broker, worker_threads=self._threads).start()
        time.sleep(3600)

    def sender(self) -> Callable[[int], object]:
        save = Saver(self.config)

        def send(i: int) -> None:
            save(Entry(job=i, note="x"))
            self._actors["probe"].send(i)

        return send


if __name__ == "__main__":
    run_adapter(DramatiqAdapter)
