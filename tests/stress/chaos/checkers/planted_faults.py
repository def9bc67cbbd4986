"""All faults to plant in a valid run."""

from __future__ import annotations

from typing import Final

from . import planted_in_calls, planted_in_jobs

FAULTS: Final = planted_in_jobs.FAULTS | planted_in_calls.FAULTS
