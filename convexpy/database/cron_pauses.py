"""Pauses of crons: until when a cron leaves its slots out, why, and by whom. They outlive the code that declares it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, insert, select, update

from .crons import note_writes
from .tables import crons, metadata_table

KEPT_FOR: Final = "pause of cron "
"""Before the name of a cron that was removed while it was paused: the key under which its pause waits for it."""
COLUMNS: Final = ("paused_time", "paused_until", "paused_by", "pause_note")


@dataclass(frozen=True, slots=True)
class CronPause:
    """A cron leaves out every slot before ``until``. A pause that was ended early has ended then."""

    time: datetime
    until: datetime
    by: str
    note: str

    @classmethod
    def of(cls, row: Row[Any] | None) -> CronPause | None:
        """The pause in the row of a cron, over or not. None: it was never paused."""
        if row is None or row.paused_until is None:
            return None
        return cls(row.paused_time, row.paused_until, row.paused_by or "", row.pause_note or "")

    @property
    def reason(self) -> str:
        """Why a slot was left out: ``left out: paused by mira until 2026-12-03 08:00 UTC: the bank moves``."""
        note = f": {self.note}" if self.note else ""
        return f"left out: paused by {self.by} until {self.until:%F %R} UTC{note}"

    def leaves_out(self, slot: datetime) -> bool:
        """Whether a slot does not run."""
        return slot < self.until


def locked_pause(connection: Connection, name: str) -> CronPause | None:
    """The pause of a cron, which nothing changes until the end of the transaction."""
    known = select(*(crons.c[each] for each in COLUMNS)).where(crons.c.name == name).with_for_update()
    return CronPause.of(connection.execute(known).first())


def pause(connection: Connection, name: str, pause: CronPause) -> bool:
    """Leave out the slots of a cron. False: there is no such cron."""
    values = {"paused_time": pause.time, "paused_until": pause.until, "paused_by": pause.by, "pause_note": pause.note}
    changed = connection.execute(update(crons).where(crons.c.name == name).values(values)).rowcount == 1
    note_writes(connection, [name] if changed else [])
    return changed


def resume(connection: Connection, name: str, now: datetime) -> bool:
    """End a pause now. Slots that lie before are left out all the same. False: there is none that goes on."""
    paused = update(crons).where(crons.c.name == name, crons.c.paused_until > now)
    changed = connection.execute(paused.values(paused_until=now)).rowcount == 1
    note_writes(connection, [name] if changed else [])
    return changed


def keep_pauses(connection: Connection, rows: Iterable[Row[Any]], now: datetime) -> None:
    """Crons are about to be removed. Keep the pauses that go on, for a version of the app that declares them again."""
    for row in rows:
        pause = CronPause.of(row)
        if pause is None or pause.until <= now:
            continue
        key = KEPT_FOR + row.name
        kept = {"time": pause.time.timestamp(), "until": pause.until.timestamp(), "by": pause.by, "note": pause.note}
        connection.execute(delete(metadata_table).where(metadata_table.c.key == key))
        connection.execute(insert(metadata_table).values(key=key, value=json.dumps(kept)))


def take_kept_pause(connection: Connection, name: str) -> dict[str, Any]:
    """The pause that a cron had when it was removed, as values of its new row. Empty: it had none."""
    kept = metadata_table.c.key == KEPT_FOR + name
    text = connection.execute(select(metadata_table.c.value).where(kept)).scalar()
    if text is None:
        return {}
    connection.execute(delete(metadata_table).where(kept))
    found = json.loads(text)
    times = [datetime.fromtimestamp(found[each], UTC) for each in ("time", "until")]
    return dict(zip(COLUMNS, (*times, found["by"], found["note"]), strict=True))
