"""``AccessLog``: one line of the log a request, and the id that every record about the request has."""

from __future__ import annotations

import logging
import time
from typing import Final
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..runtime.call import RequestId

logger = logging.getLogger("convexpy.access")

KEY: Final = "convexpy.request"
QUIET: Final = "convexpy.quiet"
"""In the scope of a request that is only worth a line at DEBUG if it went well, as one for a file is."""
PLAIN: Final = "/:@!$&'()*+,;=~"
"""What may stand in a path beside letters and digits. The rest is shown as %XX, so no path can forge a line."""
LONGEST_PATH: Final = 1000
FAILED: Final = 400
NO_ANSWER: Final = 499
"""The status in the log of a request whose client left before an answer began."""


class AccessLog:
    """Logs every request to ``convexpy.access``: its method, path, status and duration. No query string, no header."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = scope[KEY] = RequestId(caller="http")
        began = time.perf_counter()
        status = NO_ANSWER

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            level = logging.DEBUG if QUIET in scope and status < FAILED else logging.INFO
            if logger.isEnabledFor(level):
                log_request(level, scope, status, (time.perf_counter() - began) * 1000, request_id)


def log_request(level: int, scope: Scope, status: int, milliseconds: float, request_id: RequestId) -> None:
    path = quote(scope["path"][:LONGEST_PATH], safe=PLAIN)
    method = quote(scope["method"][:LONGEST_PATH])
    logger.log(
        level,
        "%s %s %s, %.1f ms",
        *(method, path, status, milliseconds),
        extra={
            "method": method,
            "path": path,
            "status": status,
            "milliseconds": round(milliseconds, 1),
            "request": str(request_id),
        },
    )


def request_of(scope: Scope) -> RequestId:
    """The id of a request."""
    found = scope.get(KEY)
    return found if isinstance(found, RequestId) else RequestId(caller="http")
