"""``/health`` and ``/ready``: whether the process lives, and whether it can serve."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from ..errors import DatabaseError, text_of
from ..migrations import framework
from ..migrations.revision_gap import revision_gap
from .backend import Backend
from .envelope import logger
from .stop_notice import notice_of

PROBE_SECONDS = 5.0
"""How long the database may take to answer."""


class Health:
    """What load balancers and supervisors ask. The answers name no host, no statement and no revision."""

    def __init__(self, backend: Backend, revisions: Path | None) -> None:
        self._backend = backend
        self._revisions = revisions
        self._probe: asyncio.Future[list[str]] | None = None

    async def version(self, request: Request) -> Response:
        """``GET /version``."""
        return PlainTextResponse(version("convexpy"))

    async def health(self, request: Request) -> Response:
        """``GET /health``: the process answers."""
        return PlainTextResponse("ok")

    async def ready(self, request: Request) -> Response:
        """``GET /ready``: 200, or 503 with the reasons."""
        notice = notice_of(request.scope)
        if notice is not None and notice.has_come:
            return answer_ready(["the server stops"])
        if self._probe is None or self._probe.done():  # however many ask, one looks
            self._probe = asyncio.ensure_future(asyncio.to_thread(lambda: list(self._reasons())))
        try:
            reasons = await asyncio.wait_for(asyncio.shield(self._probe), PROBE_SECONDS)
        except TimeoutError:
            reasons = ["the database does not answer"]
        return answer_ready(reasons)

    def _reasons(self) -> Iterator[str]:
        """Why the server cannot serve. The log says more."""
        if self._backend.live.is_stuck:
            yield "live queries stand still"
        if self._backend.is_worker_stuck():
            yield "the worker stands still"
        try:
            with self._backend.database.read_internal() as connection:
                try:
                    framework.check_revision(connection)
                except DatabaseError as error:
                    logger.warning("not ready: %s", error)
                    yield "convexpy's tables are not those of this version: run `convexpy db upgrade`"
                    return
                gap = revision_gap(connection, self._revisions) if self._revisions is not None else None
                if gap is not None and gap.unapplied:
                    logger.warning("not ready: revisions have not been applied: %s", ", ".join(gap.unapplied))
                    count = len(gap.unapplied)
                    what = "1 revision has" if count == 1 else f"{count} revisions have"
                    yield f"{what} not been applied: run `convexpy db upgrade`"
        except Exception as error:
            logger.warning("not ready: the database cannot be read: %s", text_of(error))
            yield "the database does not answer"


def answer_ready(reasons: list[str]) -> Response:
    body = to_json({"ready": not reasons, "reasons": reasons})
    return Response(body, 503 if reasons else 200, {"cache-control": "no-store"}, media_type="application/json")
