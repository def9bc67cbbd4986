"""What the server sends over a socket: JSON texts, into which results are put as the bytes that they are already."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator
from typing import Final, NamedTuple

from ..live.query_set import SetVersion
from .envelope import Described

PING: Final = '{"type":"Ping"}'
NO_LINES: Final = b',"logLines":[]'
NULL: Final = b"null"
LARGEST_FRAME: Final = 5_000_000
"""In characters. A longer Transition is sent in pieces, to clients that know how to put them together."""
PIECE: Final = 1_000_000
"""How many characters of it are in one."""


class StateVersion(NamedTuple):
    """What a client's view corresponds to."""

    set: SetVersion
    time: int
    """Of the snapshot."""


def encoded_time(time: int) -> str:
    """The time of a snapshot as clients read it: base64 of 8 bytes."""
    return base64.b64encode(time.to_bytes(8, "little")).decode()


def encoded_version(version: StateVersion) -> str:
    numbers = f'"querySet":{version.set.query_set},"identity":{version.set.identity}'
    return f'{{{numbers},"ts":"{encoded_time(version.time)}"}}'


def transition(
    start: StateVersion, end: StateVersion, modifications: list[bytes], skew: int | None, server_time: int
) -> str:
    """The frame that takes a client from one version to the next.

    Args:
        start: The version of the frame before.
        end: The version that it makes.
        modifications: What is different.
        skew: How far the client's clock is ahead, in milliseconds, if that is known.
        server_time: The time, in nanoseconds.
    """
    head = f'{{"type":"Transition","startVersion":{encoded_version(start)},"endVersion":{encoded_version(end)},'
    clocks = "" if skew is None else f',"clientClockSkew":{skew},"serverTs":{server_time}'
    return f'{head}"modifications":[{b",".join(modifications).decode()}]{clocks}}}'


def query_updated(number: int, value: bytes, journal: str | None) -> bytes:
    """The modification by which a query has a new value."""
    head = f'{{"type":"QueryUpdated","queryId":{number},"value":'
    return b"".join((head.encode(), value, NO_LINES, b',"journal":', encoded_text(journal), b"}"))


def query_failed(number: int, failure: bytes, journal: str | None) -> bytes:
    """The modification by which a query has failed. ``failure``: of ``encoded_failure``."""
    head = f'{{"type":"QueryFailed","queryId":{number},"errorMessage":'
    return b"".join((head.encode(), failure, NO_LINES, b',"journal":', encoded_text(journal), b"}"))


def query_removed(number: int) -> bytes:
    return f'{{"type":"QueryRemoved","queryId":{number}}}'.encode()


def encoded_failure(described: Described) -> bytes:
    """The message of an error, and its data if it has some: a client takes an error with data for a ConvexError."""
    message = json.dumps(described.message).encode()
    return message if described.data is None else message + b',"errorData":' + described.data


def mutation_response(number: int, result: bytes, time: int) -> str:
    """A mutation has happened, and snapshots of this time and later have it."""
    head = f'{{"type":"MutationResponse","requestId":{number},"success":true,"result":'
    return f'{head}{result.decode()},"ts":"{encoded_time(time)}","logLines":[]}}'


def mutation_failed(number: int, failure: bytes) -> str:
    head = f'{{"type":"MutationResponse","requestId":{number},"success":false,"result":'
    return f'{head}{failure.decode()},"ts":null,"logLines":[]}}'


def action_response(number: int, result: bytes) -> str:
    return f'{{"type":"ActionResponse","requestId":{number},"success":true,"result":{result.decode()},"logLines":[]}}'


def action_failed(number: int, failure: bytes) -> str:
    return f'{{"type":"ActionResponse","requestId":{number},"success":false,"result":{failure.decode()},"logLines":[]}}'


def auth_error(message: str, base_version: int, *, was_update: bool) -> str:
    """A token was refused, or is no longer valid."""
    document = {"type": "AuthError", "error": message, "baseVersion": base_version, "authUpdateAttempted": was_update}
    return json.dumps(document)


def fatal_error(message: str) -> str:
    """The client is at fault. It does not connect again."""
    return json.dumps({"type": "FatalError", "error": message})


def pieces_of(frame: str) -> Iterator[str]:
    """A long Transition in frames that are shorter."""
    name = secrets.token_hex(8)
    parts = [frame[begin : begin + PIECE] for begin in range(0, len(frame), PIECE)]
    for number, part in enumerate(parts):
        piece = {"chunk": part, "partNumber": number, "totalParts": len(parts), "transitionId": name}
        yield json.dumps({"type": "TransitionChunk", **piece})


def encoded_text(text: str | None) -> bytes:
    return NULL if text is None else json.dumps(text).encode()
