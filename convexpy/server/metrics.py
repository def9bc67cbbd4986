"""``/metrics``: what the app does, as OpenMetrics for Prometheus and others that read it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from ..clock import Clock
from ..database.live_summaries import read_summaries
from ..database.queue_figures import QueueFigures, queue_figures
from ..runtime.actions import in_thread
from .authenticator import Authenticator, AuthFailed
from .backend import Backend
from .dashboard_gate import DashboardGate
from .routes import UserRoutes

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

logger = logging.getLogger("convexpy.server")

ADDRESS: Final = "/metrics"
BEARER: Final = "bearer "
HINT: Final = "/metrics is not found without prometheus-client: pip install 'convexpy[metrics]'"


class MetricsPage:
    """The endpoint."""

    def __init__(self, backend: Backend, gate: DashboardGate) -> None:
        self._backend = backend
        self._gate = gate
        self._routes = UserRoutes(backend)
        self._has_hinted = False

    async def show(self, request: Request) -> ASGIApp:
        """``GET /metrics``, with an admin key, which may be a read-only one. The app's own route comes first."""
        if self._backend.calls.registry.routes.find("GET", ADDRESS) is not None:
            return self._routes
        metrics = self._backend.metrics
        if metrics is None:
            if not self._has_hinted:
                logger.warning(HINT)
                self._has_hinted = True
            raise HTTPException(404)
        if self._backend.settings.metrics != "open" and not self._gate.is_open_to(request):
            await check_key(request, self._backend.auth)
        from prometheus_client.exposition import choose_encoder

        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        calls, clock = self._backend.calls, self._backend.clock

        def made() -> bytes:
            registry = metrics.registry()
            with self._backend.database.read_internal() as connection:
                figures = queue_figures(connection)
                live = len(read_summaries(connection, clock.now()))
            registry.register(QueueCollector(figures, live, clock))
            return encode(registry)

        body = await in_thread(calls.dashboard_threads, lambda: calls.retried("metrics", made))
        return Response(body, headers={"content-type": content_type, "cache-control": "no-store"})


async def check_key(request: Request, auth: Authenticator) -> None:
    """Make sure that a request shows an admin key, as ``Convex KEY`` or as ``Bearer KEY``.

    Raises:
        AuthFailed: It does not.
    """
    shown = request.headers.get("authorization", "")
    client = request.client.host if request.client is not None else None
    if shown.lower().startswith(BEARER):
        await auth.from_key(shown[len(BEARER) :].strip(), client=client)
    elif not (await auth.from_header(shown or None, client=client)).is_admin:
        raise AuthFailed(401, "Unauthenticated", "this address takes an admin key")


class QueueCollector:
    """What the database knows, of all processes."""

    def __init__(self, figures: list[QueueFigures], live: int, clock: Clock) -> None:
        self._figures = figures
        self._live = live
        self._clock = clock

    def describe(self) -> Iterable[Any]:
        """Nothing: what is collected is known."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The gauges."""
        from prometheus_client.core import GaugeMetricFamily

        now = self._clock.now()
        pending = GaugeMetricFamily("convexpy_jobs_pending", "Jobs that wait, counted up to 10,000.", labels=["kind"])
        claimed = GaugeMetricFamily("convexpy_jobs_claimed", "Jobs that workers have claimed.", labels=["kind"])
        lag = GaugeMetricFamily(
            "convexpy_jobs_lag_seconds", "For how long the oldest job that waits has been due.", labels=["kind"]
        )
        for each in self._figures:
            late = 0.0 if each.oldest_due is None else max(0.0, (now - each.oldest_due).total_seconds())
            pending.add_metric([each.kind], each.pending)
            claimed.add_metric([each.kind], each.claimed)
            lag.add_metric([each.kind], late)
        yield from (pending, claimed, lag)
        yield GaugeMetricFamily("convexpy_live_queries", "Live queries, of all processes.", value=self._live)
