"""A fault to plant in a valid run, with the names of all violations that it must give, and of no others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .rehearsal import Files

Plant = Callable[[Files], Any]


class Faults(dict[str, tuple[set[str], Plant]]):
    """Faults by their names."""

    def fault(self, *names: str) -> Callable[[Plant], Plant]:
        """One more, and the names of all violations that it must give, and no others."""

        def note(plant: Plant) -> Plant:
            self[plant.__name__] = (set(names), plant)
            return plant

        return note
