"""``FunctionRequest``: which function a client calls over HTTP, with which arguments, and how it wants the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from ..functions.json_text import MalformedJson, parse_json
from ..settings import Settings
from .refusal import Refused, bad_request

ENCODED: Final = frozenset({"convex_encoded_json", "convex_json"})
"""Every value is exact, those that JSON lacks as objects such as ``{"$integer": …}``."""
CLEAN: Final = frozenset({"json", "convex_clean_json"})
"""Plain JSON: an integer of 64 bits is a decimal text, bytes are base64."""


@dataclass(frozen=True, slots=True)
class FunctionRequest:
    """One call of a client."""

    path: str
    arguments: object
    is_encoded: bool
    """Whether the result is wanted in Convex's encoding."""

    @classmethod
    def of(cls, document: Mapping[str, Any], *, path: str | None = None) -> Self:
        """From the JSON object of a request. ``path``: where the address names the function already.

        Raises:
            Refused: 400, it is none.
        """
        path = path if path is not None else document.get("path")
        if not isinstance(path, str):
            raise bad_request("`path` is missing: the name of a function, such as messages:list")
        arguments = document.get("args", {})
        return cls(path, arguments, is_encoded(document.get("format")))


def is_encoded(name: object) -> bool:
    """Whether a ``format`` is Convex's encoding. None is plain JSON.

    Raises:
        Refused: 400, there is no such format.
    """
    if name is None:
        return False
    if isinstance(name, str) and name in ENCODED | CLEAN:
        return name in ENCODED
    raise bad_request("`format` is one of: json, convex_encoded_json", "BadFormat")


def parse_object(body: bytes | str, settings: Settings) -> dict[str, Any]:
    """The JSON object of a request.

    Raises:
        Refused: 400, it is none.
    """
    document = parse_value(body, settings)
    if not isinstance(document, dict):
        raise bad_request(f"the body is a JSON object, not {type(document).__name__}")
    return document


def parse_value(text: bytes | str, settings: Settings) -> object:
    """A JSON value of a request.

    Raises:
        Refused: 400, it is none.
    """
    try:
        return parse_json(text, max_depth=settings.max_json_depth)
    except MalformedJson as error:
        raise bad_request(str(error)) from None


def check_is_json(content_type: str | None) -> None:
    """The type of a body has to be said.

    Raises:
        Refused: 400, it is not JSON.
    """
    kind = (content_type or "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise Refused(400, "BadJsonBody", "the header `Content-Type: application/json` is missing")
