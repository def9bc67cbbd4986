"""``Int64``, an integer of 64 bits: to clients a value of its own type, a ``bigint`` in JavaScript."""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from .json_text import INT64_MAX, INT64_MIN

IS_INT64: Final = "convexpy_int64"
"""In the metadata of its schema."""


class Int64Schema:
    """Marks the schema of an ``int``."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = core_schema.int_schema(ge=INT64_MIN, le=INT64_MAX)
        return {**schema, "metadata": {IS_INT64: True}}

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "integer", "format": "int64"}


Int64: TypeAlias = Annotated[int, Int64Schema()]
"""An ``int`` of 64 bits, which clients get as a ``bigint``. A plain ``int`` is a number to them, exact up to 2**53."""
