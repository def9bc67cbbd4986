"""JSON of requests and of results, until the codec is there."""

from __future__ import annotations

import json

from pydantic_core import to_json


class MalformedJson(ValueError):
    """No JSON."""


def parse_json(data: bytes | str, *, max_depth: int) -> object:
    """Parse it."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise MalformedJson(str(error)) from None


def result_bytes(value: object, *, is_encoded: bool) -> bytes:
    """A result."""
    return to_json(value)
