"""What ``_system`` functions return: objects in Python, documents as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, PlainSerializer
from pydantic.alias_generators import to_camel

from ..clock import unix_milliseconds

UnixTime: TypeAlias = Annotated[datetime, PlainSerializer(unix_milliseconds, int, when_used="json")]
"""An aware ``datetime``; as JSON, whole milliseconds since 1970."""


class Document(BaseModel):
    """A result whose keys are in camelCase as JSON."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, frozen=True)

    def to_json(self) -> dict[str, object]:
        """The document that ``convex.call`` returns."""
        return self.model_dump(mode="json", by_alias=True)
