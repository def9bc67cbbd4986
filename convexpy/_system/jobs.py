"""``_system/jobs``: see, cancel and retry jobs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias

from pydantic import GetJsonSchemaHandler, PlainSerializer
from pydantic_core import CoreSchema

from ..database.scheduled_function import ScheduledFunction, StateKind
from ..database.types import JobId
from ..errors import ConvexError
from ..functions.declare import Kind
from ..runtime.schedule import check_job_id
from .context import SystemMutationCtx, SystemQueryCtx, system_mutation, system_query


def job_to_json(job: ScheduledFunction) -> dict[str, Any]:
    """The job as clients see it, with its ``kind``, its ``attempts`` and its ``lastError``."""
    return {**job.to_json(), "kind": job.kind, "attempts": job.attempts, "lastError": job.last_error}


class JobSchema:
    """The JSON schema of what ``job_to_json`` returns."""

    @staticmethod
    def __get_pydantic_json_schema__(schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        document = handler(schema)
        added = {
            "kind": {"enum": [Kind.MUTATION, Kind.ACTION]},
            "attempts": {"type": "integer"},
            "lastError": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        }
        properties, required = {**document["properties"], **added}, [*document["required"], *added]
        return {**document, "properties": properties, "required": required}


Job: TypeAlias = Annotated[ScheduledFunction, PlainSerializer(job_to_json, when_used="json"), JobSchema]


@system_query
def list(
    ctx: SystemQueryCtx,
    state: StateKind | None = None,
    name: str | None = None,
    cron: str | None = None,
    limit: int = 100,
) -> Sequence[Job]:
    """Up to ``limit`` jobs that fit: pending ones soonest first, then running and finished ones, latest first.

    Raises:
        InvalidArguments: The limit is not between 1 and 10,000.
    """
    return ctx.system.scheduled_functions(state=state, name=name, cron=cron, limit=limit)


@system_query
def get(ctx: SystemQueryCtx, job_id: str) -> Job | None:
    """One job, or None: it never existed, or it was purged after its retention.

    Raises:
        InvalidSchedule: This is not a job id.
    """
    return ctx.system.get(check_job_id(job_id))


@system_mutation
def cancel(ctx: SystemMutationCtx, job_id: str) -> Job | None:
    """Cancel a job and return it as it is then: canceled, or finished already. None: there is no such job.

    Raises:
        InvalidSchedule: This is not a job id.
    """
    ctx.schedule.cancel(JobId(job_id))
    return ctx.system.get(job_id)


@system_mutation
def retry(ctx: SystemMutationCtx, job_id: str) -> JobId:
    """Schedule the function of a finished job once more, with the same arguments, as a new job.

    Raises:
        InvalidSchedule: This is not a job id.
        ConvexError: There is no such job (NOT_FOUND), it is not finished (CONFLICT), or its function or arguments no
            longer fit.
    """
    old = ctx.system.get(check_job_id(job_id))
    if old is None:
        raise ConvexError("NOT_FOUND", f"there is no job {job_id}")
    if old.completed_time is None:
        raise ConvexError("CONFLICT", f"job {job_id} is {old.state_kind}: only a finished job can be retried")
    function = ctx.app.registry.find(old.name)
    if function.kind is Kind.QUERY:
        raise ConvexError("CONFLICT", f"{old.name} is a query now, and a query cannot be a job")
    stored_args = json.dumps(old.args)
    function.arguments.load(function.name, stored_args)
    return ctx.schedule_stored(function, stored_args)
