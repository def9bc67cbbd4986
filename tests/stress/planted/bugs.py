"""Every bug of the list, by where in the package it is."""

from __future__ import annotations

from typing import Final

from .bug import Bug
from .calls import CALLS
from .crons import CRONS
from .doors import DOORS
from .frontier import FRONTIER
from .groups import GROUPS, OWN_CLAIMS
from .jobs import JOBS
from .postgres import POSTGRES
from .purge import PURGE
from .workers import WORKERS

BUGS: Final[tuple[Bug, ...]] = (
    *JOBS,
    *CALLS,
    *WORKERS,
    *CRONS,
    *POSTGRES,
    *GROUPS,
    *OWN_CLAIMS,
    *PURGE,
    *FRONTIER,
    *DOORS,
)
