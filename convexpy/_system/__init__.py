"""The framework's own queries and mutations, under the reserved name ``_system``: all of them are internal."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from . import app, audit, conflicts, crons, data, errors, functions, health, jobs, keys, live, logs

MODULES: Final = MappingProxyType(
    {
        "_system/app": app,
        "_system/audit": audit,
        "_system/conflicts": conflicts,
        "_system/crons": crons,
        "_system/data": data,
        "_system/errors": errors,
        "_system/functions": functions,
        "_system/health": health,
        "_system/jobs": jobs,
        "_system/keys": keys,
        "_system/live": live,
        "_system/logs": logs,
    }
)
