"""``LogFilter``: which lines of the log are wanted."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .events import Run
from .log_ring import RUN_LOGGER, LogLine


@dataclass(frozen=True, slots=True)
class LogFilter:
    """What is None is not looked at."""

    after: Mapping[str, int] = field(default_factory=dict)
    """Of a process, only lines after this number."""
    function: str | None = None
    """A name, or a module with its colon: ``orders:``."""
    outcome: str | None = None
    level: str | None = None
    """This one and those above it."""
    request: str | None = None
    job: str | None = None
    text: str | None = None
    """In the message, the traceback, or what else the line says."""

    def may_be(self, run: Run) -> bool:
        """Whether the line of a run may fit, as far as that is seen without putting it into words."""
        return (
            self._fits_function(run.name)
            and self.outcome in (None, run.outcome)
            and self.job in (None, run.job_id)
            and (self.level is None or level_of(run.level) >= level_of(self.level))
            and (self.text is None or has_text(self.text, (run.error, run.name, RUN_LOGGER, run.cron)))
        )

    def fits(self, line: LogLine) -> bool:
        """Whether a line is wanted."""
        return (
            self._fits_function(line.function)
            and self.outcome in (None, line.outcome)
            and self.request in (None, line.request)
            and self.job in (None, line.job)
            and (self.level is None or level_of(line.level) >= level_of(self.level))
            and (self.text is None or has_text(self.text, texts_of(line)))
        )

    def _fits_function(self, name: str | None) -> bool:
        wanted = self.function
        if wanted is None or name == wanted:
            return True
        return name is not None and wanted.endswith(":") and name.startswith(wanted)


def texts_of(line: LogLine) -> Iterable[str | None]:
    """What a line says."""
    return line.text, line.function, line.logger, line.trace, line.cron, *line.extra.values()


def has_text(wanted: str, texts: Iterable[str | None]) -> bool:
    """Whether one of these has a text in it, in any case."""
    wanted = wanted.lower()
    return any(wanted in each.lower() for each in texts if each)


def level_of(name: str) -> int:
    """The number of a level. One that an app has made counts as INFO."""
    return logging.getLevelNamesMapping().get(name, logging.INFO)
