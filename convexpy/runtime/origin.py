"""Which call began what: the origin of a job that was scheduled."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, NamedTuple

from ..clock import unix_milliseconds
from ..database.types import JobId
from .call import Call
from .tracing import TRACE, current_trace


class Origin(NamedTuple):
    """What the row of a job keeps of what scheduled it."""

    parent: JobId | None = None
    """The job whose run did."""
    request: str | None = None
    """Or the id of the request."""
    about: str | None = None
    """Of a request, a JSON object: ``function``, ``caller``, ``started`` in milliseconds since 1970; ``actor``, the
    admin key, if there was one; ``attempt``, if it was not the first. Of any call that is traced: ``trace``. Nothing of
    an identity: it may say more of a person than a row should keep."""


def origin_of(call: Call, now: datetime) -> Origin:
    """The origin of what a call schedules."""
    trace = current_trace()
    if call.job is not None:
        return Origin(call.job.id, None, None if trace is None else as_json({TRACE: trace}))
    request = call.request
    about: dict[str, Any] = {
        "function": request.function or call.function.name,
        "caller": "dashboard" if call.admin is not None and call.admin.is_dashboard else request.caller,
        "started": unix_milliseconds(request.started or now),
    }
    if call.admin is not None:
        about["actor"] = call.admin.name
    if call.attempt > 1:
        about["attempt"] = call.attempt
    if trace is not None:
        about[TRACE] = trace
    return Origin(None, str(request), as_json(about))


def as_json(about: dict[str, Any]) -> str:
    return json.dumps(about, separators=(",", ":"))
