"""What is written by hand where it matters: the writer announces its channel, and the follower runs its query."""

from __future__ import annotations

import threading
from collections.abc import Callable

import psycopg
from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from ..app.models import Message
from .adapter import run_adapter
from .live_adapter import LiveAdapter, Receive
from .session import engine


class NotifyByHandAdapter(LiveAdapter):
    _runs = 0

    def subscribe(self, receivers: list[tuple[int, Receive]]) -> None:
        threading.Thread(target=self._listen, args=(receivers,), daemon=True).start()

    def _listen(self, receivers: list[tuple[int, Receive]]) -> None:
        by_channel: dict[int, list[Receive]] = {}
        for channel, receive in receivers:
            by_channel.setdefault(channel, []).append(receive)
        with (
            psycopg.connect(self.config.name, autocommit=True) as listening,
            Session(engine(self.config)) as session,
        ):
            listening.execute("LISTEN message")

            def tell(channel: int) -> None:
                value = self.query(session, channel)
                session.rollback()
                self._runs += 1
                for receive in by_channel[channel]:
                    receive(value)

            for channel in by_channel:
                tell(channel)
            for notification in listening.notifies():
                tell(int(notification.payload))

    def runs(self) -> int:
        return self._runs

    def poster(self) -> Callable[[int, int], object]:
        session_engine = engine(self.config, isolation_level="SERIALIZABLE")
        notify = text("SELECT pg_notify('message', :channel)")

        def post(channel: int, number: int) -> None:
            with Session(session_engine) as session, session.begin():
                session.execute(insert(Message).values(channel=channel, number=number))
                session.execute(notify, {"channel": str(channel)})

        return post


if __name__ == "__main__":
    run_adapter(NotifyByHandAdapter)
