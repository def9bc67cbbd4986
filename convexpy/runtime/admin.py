"""``Admin``: the rights of a call that was made with an admin key."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from ..functions.registry import is_reserved

DASHBOARD_LIMIT: Final = timedelta(seconds=2)
"""How long a ``_system`` query of the dashboard may run."""


@dataclass(frozen=True, slots=True)
class Admin:
    """A caller that may call internal functions and those of ``_system``."""

    name: str
    """As the audit log names it: the name of its key, or the key's id; ``dev`` stands for no key."""
    is_read_only: bool = False
    """Whether it may call queries, and nothing else."""
    is_dashboard: bool = False
    """Whether it calls from the dashboard, whose calls have threads and time limits of their own."""

    def is_watching(self, function: str) -> bool:
        """Whether a call of this function only serves to show a page of the dashboard."""
        return self.is_dashboard and is_reserved(function)
