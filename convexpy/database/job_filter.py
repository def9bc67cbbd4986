"""What a list of jobs is filtered by."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal, get_args

from .job_scans import FAR
from .scheduled_function import STATE_KINDS, StateKind
from .types import EPOCH

Section = Literal["running", "pending", "finished"]
SECTIONS: Final[tuple[Section, ...]] = get_args(Section)
ENDS: Final[tuple[StateKind, ...]] = ("success", "failed", "canceled")


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Jobs fit that fit each part. A part that is None or empty fits all."""

    states: tuple[StateKind, ...] = ()
    functions: tuple[str, ...] | None = None
    """Names. An empty tuple fits none: of a module without functions."""
    left_out: tuple[str, ...] = ()
    """Names of functions or of modules."""
    cron: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    """The time of a job is when it was over; when it began; when it is due; as far as it is."""
    text: str | None = None
    """In the arguments or an error, whatever the case of its letters."""
    position: int | None = None
    """Of what waits, only what was scheduled before this time, in nanoseconds since 1970."""

    def allows(self, state: StateKind) -> bool:
        """Whether jobs in this state fit."""
        return not self.states or state in self.states

    @property
    def allowed_states(self) -> tuple[StateKind, ...]:
        """The states in which jobs fit."""
        return tuple(state for state in STATE_KINDS if self.allows(state))

    @property
    def ends(self) -> list[StateKind]:
        """The states of finished jobs that fit."""
        return [state for state in ENDS if self.allows(state)]

    def within(self, section: Section) -> JobFilter:
        """Of those that fit, the jobs of a section."""
        states: dict[Section, tuple[StateKind, ...]] = {"running": ("inProgress",), "pending": ("pending",)}
        return replace(self, states=states.get(section, tuple(self.ends)))

    def has_section(self, section: Section) -> bool:
        """Whether jobs of a section may fit."""
        if section == "finished":
            return bool(self.ends)
        return self.allows("inProgress" if section == "running" else "pending")

    @property
    def is_by_name(self) -> bool:
        """Whether what is over is found by function or cron, in the order in which it was due, not of its end.

        Within a range of time, it is found by that.
        """
        return self.until is None and (self.cron is not None or self.functions is not None)

    @property
    def needs_jobs(self) -> bool:
        """Whether places alone do not tell what fits."""
        return bool(self.functions is not None or self.left_out or self.cron or self.text)

    def fits_name(self, name: str) -> bool:
        """Whether jobs of this function fit."""
        return (self.functions is None or name in self.functions) and not is_among(name, self.left_out)

    @property
    def range(self) -> tuple[datetime, datetime]:
        """The times between which jobs fit."""
        return self.since or EPOCH, self.until or FAR

    @property
    def patterns(self) -> dict[str, str]:
        """What a text that fits is like: as it is, and as JSON writes it."""
        text = self.text or ""
        return {"plain": pattern_of(text), "escaped": pattern_of(json.dumps(text)[1:-1])}


def is_among(name: str, names: Collection[str]) -> bool:
    """Whether a function is one of these, or of one of these modules."""
    module = name.partition(":")[0]
    return any(name == each or module == each or module.startswith(f"{each}/") for each in names)


def pattern_of(text: str) -> str:
    """The LIKE pattern of what contains a text."""
    return "%" + text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
