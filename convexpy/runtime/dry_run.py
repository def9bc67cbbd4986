"""What a mutation would do: the outcome of a run whose transaction is rolled back."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..database.jobs import NewJob
from ..database.row_watch import RowWatch, WatchReport
from ..database.types import JobId
from .schedule import ScheduleBuffer


@dataclass(slots=True)
class DryRun:
    """The outcome. Nothing of it has happened."""

    began: datetime
    """Its ``ctx.now``."""
    value: Any = None
    error: BaseException | None = None
    """What was raised instead of a result; also what only COMMIT would have raised, as far as it can be known."""
    seconds: float = 0.0
    scheduled: list[NewJob] = field(default_factory=list)
    canceled: list[JobId] = field(default_factory=list)
    """Stored jobs that it would cancel."""
    report: WatchReport = field(default_factory=WatchReport)
    """What it would write; of a run that failed, what it had written until then."""

    def end(self, buffer: ScheduleBuffer | None, watch: RowWatch, seconds: float) -> None:
        """It went through."""
        self.seconds = seconds
        self.report = watch.report()
        if buffer is not None:
            self.scheduled = [job for job in buffer.new_jobs() if not job.canceled]
            self.canceled = buffer.canceling()

    def fail(self, error: BaseException, watch: RowWatch, seconds: float) -> None:
        """It raised an error."""
        self.error, self.value, self.seconds = error, None, seconds
        with suppress(Exception):  # a statement has failed, or its time was up: nothing can be read any more
            self.report = watch.report()
