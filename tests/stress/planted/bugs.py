"""Every bug of the list, by the part of the package that it is in."""

from __future__ import annotations

from typing import Final

from .auth import AUTH
from .batches import BATCH_BUGS
from .bug import Bug
from .calls import CALLS
from .claim_cursor import CLAIM_CURSOR
from .clients import CLIENTS
from .commits import COMMIT_BUGS
from .crons import CRONS
from .dashboard import DASHBOARD
from .doors import DOORS
from .failures import FAILURES
from .figures import FIGURES
from .footprints import FOOTPRINTS
from .forks import FORKS
from .http import HTTP
from .jobs import JOBS
from .live_log import LIVE_LOG
from .live_queries import LIVE_QUERIES
from .pools import POOLS
from .postgres import POSTGRES
from .retention import RETENTION_BUGS
from .serving import SERVING
from .sockets import SOCKETS
from .sqlite import SQLITE
from .tables import TABLES
from .testing import TESTING
from .upgrades import UPGRADES
from .workers import WORKERS

BUGS: Final[tuple[Bug, ...]] = (
    *JOBS,
    *CALLS,
    *BATCH_BUGS,
    *POOLS,
    *COMMIT_BUGS,
    *LIVE_LOG,
    *LIVE_QUERIES,
    *WORKERS,
    *CLAIM_CURSOR,
    *CRONS,
    *POSTGRES,
    *SQLITE,
    *FOOTPRINTS,
    *FORKS,
    *RETENTION_BUGS,
    *UPGRADES,
    *TABLES,
    *DOORS,
    *SOCKETS,
    *AUTH,
    *HTTP,
    *DASHBOARD,
    *CLIENTS,
    *SERVING,
    *FAILURES,
    *FIGURES,
    *TESTING,
)
