"""How much processor time of this machine went to other virtual machines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

STAT = Path("/proc/stat")
STEAL = 7


@dataclass(frozen=True)
class Machine:
    """What its processors have done until now, in ticks."""

    all: int
    stolen: int

    @classmethod
    def now(cls) -> Machine:
        """All zero on a system without these counters."""
        if not STAT.is_file():
            return cls(0, 0)
        # Without "cpu", and without guests, which count as user.
        ticks = [int(word) for word in STAT.read_text().splitlines()[0].split()[1:9]]
        return cls(sum(ticks), ticks[STEAL])

    def stolen_since(self) -> float:
        """The part of its time that was stolen, in percent."""
        now = Machine.now()
        return 100 * (now.stolen - self.stolen) / max(now.all - self.all, 1)
