"""A finding of a check: what it saw, why it matters and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Mark = Literal["ok", "note", "risk"]
"""``risk``: data or a promise is in danger. ``note``: worth knowing, or worth a change one day."""


@dataclass(frozen=True)
class Finding:
    """What was seen, why it matters and what to do: parts of a sentence, without a full stop."""

    mark: Mark
    about: str
    seen: str
    why: str = ""
    todo: str = ""

    @property
    def sentence(self) -> str:
        """All parts in one line."""
        text = f"{self.seen}: {self.why}" if self.why else self.seen
        return f"{text}. {self.todo}" if self.todo else text

    def document(self) -> dict[str, Any]:
        """The finding as JSON."""
        return {"mark": self.mark, "about": self.about, "seen": self.seen, "why": self.why, "todo": self.todo}


def ok(about: str, seen: str) -> Finding:
    return Finding("ok", about, seen)


def note(about: str, seen: str, why: str, todo: str) -> Finding:
    return Finding("note", about, seen, why, todo)


def risk(about: str, seen: str, why: str, todo: str) -> Finding:
    return Finding("risk", about, seen, why, todo)


def about_time(seconds: float) -> str:
    """``40 s``, ``5 min``, ``2.5 h``, ``3 d``."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.2g} {unit}"
    return f"{seconds:.3g} s"
