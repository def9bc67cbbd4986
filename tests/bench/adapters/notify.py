"""The least that wakes another process on PostgreSQL: a row, a NOTIFY and a LISTEN."""

from __future__ import annotations

from collections.abc import Callable

import psycopg

from ..starts import starts
from .adapter import Adapter, run_adapter


class NotifyAdapter(Adapter):
    def work(self) -> None:
        with psycopg.connect(self.config.name, autocommit=True) as connection:
            connection.execute("LISTEN bench")
            for notification in connection.notifies():
                starts.sample(int(notification.payload))

    def sender(self) -> Callable[[int], object]:
        connection = psycopg.connect(self.config.name)

        def send(i: int) -> None:
            with connection.transaction():
                connection.execute("INSERT INTO entry (job, note) VALUES (%s, 'x')", (i,))
                connection.execute("SELECT pg_notify('bench', %s)", (str(i),))

        return send


if __name__ == "__main__":
    run_adapter(NotifyAdapter)
