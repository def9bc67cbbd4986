"""What a client sends over a socket, checked: each frame is one JSON object."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..functions.declare import Kind
from ..functions.json_text import MalformedJson, parse_json

MOST_ID: Final = 2**32 - 1
MOST_TIME: Final = 2**63 - 1
LONGEST_SESSION: Final = 100


class ProtocolViolation(Exception):
    """A client sent what the protocol does not allow."""


@dataclass(frozen=True, slots=True)
class Connect:
    """The first message."""

    session: str
    observed: int | None
    """The largest time of a snapshot that the client has seen."""
    client_time: int | None
    """In milliseconds since 1970."""


@dataclass(frozen=True, slots=True)
class Authenticate:
    """On whose behalf the client calls from now on."""

    base_version: int
    token_type: str
    value: str
    acting_as: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class AddQuery:
    """A query that the client wants the results of."""

    number: int
    path: str
    arguments: object
    journal: str | None


@dataclass(frozen=True, slots=True)
class ModifyQuerySet:
    """Queries that it wants no more, and others that it wants, in their order."""

    base_version: int
    new_version: int
    modifications: tuple[AddQuery | int, ...]
    """An id: the query that is removed."""
    size: int
    """In characters."""


@dataclass(frozen=True, slots=True)
class CallRequest:
    """A call of a mutation or an action."""

    kind: Kind
    number: int
    path: str
    arguments: object
    size: int


@dataclass(frozen=True, slots=True)
class Event:
    """What the client tells of itself, which is of no interest here."""


ClientMessage = Connect | Authenticate | ModifyQuerySet | CallRequest | Event
Document = Mapping[str, Any]


def parse_message(text: str, *, max_depth: int) -> ClientMessage:
    """The message of a frame. Fields that are not known are ignored.

    Raises:
        ProtocolViolation: It is none.
    """
    try:
        document = parse_json(text, max_depth=max_depth)
    except MalformedJson as error:
        raise ProtocolViolation(f"a message is a JSON object: {error}") from None
    if not isinstance(document, dict):
        raise ProtocolViolation("a message is a JSON object")
    match document.get("type"):
        case "Connect":
            return connect_of(document)
        case "Authenticate":
            return authenticate_of(document)
        case "ModifyQuerySet":
            return modify_query_set_of(document, len(text))
        case "Mutation":
            return call_of(Kind.MUTATION, document, len(text))
        case "Action":
            return call_of(Kind.ACTION, document, len(text))
        case "Event":
            return Event()
        case other:
            raise ProtocolViolation(f"there is no message of the type {str(other)[:100]!r}")


def connect_of(document: Document) -> Connect:
    session = text_of(document, "sessionId")
    if not 0 < len(session) <= LONGEST_SESSION or not session.isprintable():
        raise ProtocolViolation("sessionId is a UUID")
    observed, client_time = document.get("maxObservedTimestamp"), document.get("clientTs")
    # A client from PyPI always says 0.
    known = int(client_time) if isinstance(client_time, int | float) and 0 < client_time < MOST_TIME else None
    return Connect(session, None if observed is None else time_of(observed), known)


def authenticate_of(document: Document) -> Authenticate:
    token_type = document.get("tokenType")
    if token_type not in ("User", "Admin", "None"):
        raise ProtocolViolation("tokenType is User, Admin or None")
    value = "" if token_type == "None" else text_of(document, "value")
    acting_as = document.get("impersonating", document.get("acting_as"))
    if acting_as is not None and not isinstance(acting_as, dict):
        raise ProtocolViolation("impersonating is an object")
    return Authenticate(number_of(document, "baseVersion"), token_type, value, acting_as)


def modify_query_set_of(document: Document, size: int) -> ModifyQuerySet:
    given = document.get("modifications")
    if not isinstance(given, list):
        raise ProtocolViolation("modifications is a list")
    base, new = number_of(document, "baseVersion"), number_of(document, "newVersion")
    return ModifyQuerySet(base, new, tuple(modification_of(each) for each in given), size)


def modification_of(document: object) -> AddQuery | int:
    if not isinstance(document, dict):
        raise ProtocolViolation("a modification is an object")
    number = number_of(document, "queryId")
    match document.get("type"):
        case "Remove":
            return number
        case "Add":
            journal = document.get("journal")
            if journal is not None and not isinstance(journal, str):
                raise ProtocolViolation("journal is a text")
            return AddQuery(number, text_of(document, "udfPath"), arguments_of(document), journal)
        case _:
            raise ProtocolViolation("a modification is an Add or a Remove")


def call_of(kind: Kind, document: Document, size: int) -> CallRequest:
    number, path = number_of(document, "requestId"), text_of(document, "udfPath")
    return CallRequest(kind, number, path, arguments_of(document), size)


def arguments_of(document: Document) -> object:
    """A list of one object. What is in it is checked with the function."""
    given = document.get("args")
    if isinstance(given, list) and len(given) == 1:
        return given[0]
    return {} if given is None or given == [] else given


def text_of(document: Document, name: str) -> str:
    found = document.get(name)
    if not isinstance(found, str):
        raise ProtocolViolation(f"{name} is a text")
    return found


def number_of(document: Document, name: str) -> int:
    found = document.get(name)
    if isinstance(found, float) and found.is_integer():
        found = int(found)
    if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found <= MOST_ID:
        raise ProtocolViolation(f"{name} is a whole number up to {MOST_ID}")
    return found


def time_of(text: object) -> int:
    """A time of a snapshot, from the base64 of 8 bytes."""
    try:
        data = base64.b64decode(text if isinstance(text, str) else "", validate=True)
    except (binascii.Error, ValueError):
        data = b""
    time = int.from_bytes(data, "little")
    if len(data) != 8 or time > MOST_TIME:
        raise ProtocolViolation("maxObservedTimestamp is the base64 of 8 bytes")
    return time
