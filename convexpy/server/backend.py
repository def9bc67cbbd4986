"""``Backend``: what the server's parts need of an app."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..clock import Clock
from ..database.database import Database
from ..live.refresh import Refresh
from ..runtime.call_executor import CallExecutor
from ..runtime.metrics import Metrics
from ..settings import Settings
from .authenticator import Authenticator


@dataclass(frozen=True, slots=True)
class Backend:
    """The parts of an app that answer clients."""

    calls: CallExecutor
    live: Refresh
    database: Database
    settings: Settings
    clock: Clock
    auth: Authenticator
    is_worker_stuck: Callable[[], bool] = lambda: False
    """Whether jobs and crons are run in this process, and a loop of them stands still."""
    dashboard_live: Refresh | None = None
    """Live queries of the dashboard. None: they run with those of the app."""
    metrics: Metrics | None = None
    """What is counted. None: the package that counts is not installed."""
