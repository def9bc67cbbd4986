"""The least that can wake another process on PostgreSQL: a row, a NOTIFY, and somebody who listens."""

from __future__ import annotations

from collections.abc import Callable

import psycopg

from ..marks import marks
from .player import Player, play


class Notify(Player):
    def work(self) -> None:
        with psycopg.connect(self.place.name, autocommit=True) as connection:
            connection.execute("LISTEN bench")
            for told in connection.notifies():
                marks.start(int(told.payload))

    def sender(self) -> Callable[[int], object]:
        connection = psycopg.connect(self.place.name)

        def send(i: int) -> None:
            with connection.transaction():
                connection.execute("INSERT INTO entry (job, note) VALUES (%s, 'x')", (i,))
                connection.execute("SELECT pg_notify('bench', %s)", (str(i),))

        return send


if __name__ == "__main__":
    play(Notify)
