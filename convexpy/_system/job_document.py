"""A job as clients see it, and the schema of that."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import GetJsonSchemaHandler, PlainSerializer
from pydantic_core import CoreSchema

from ..database.scheduled_function import ScheduledFunction
from ..functions.declare import Kind


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
