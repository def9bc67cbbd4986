"""JSON from outside: parsed strictly, and the tagged forms in it turned into the values that they stand for."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
import struct
from itertools import accumulate
from typing import Any, Final, NoReturn, cast

INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1
LARGEST_NUMBER: Final = 2**53
"""Up to here, every whole number is a number in JavaScript too."""
LONGEST_INTEGER: Final = len(str(INT64_MIN))

NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
STEPS: Final = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")


class MalformedJson(ValueError):
    """A text is no JSON, or no JSON that a value can be made of."""


def parse_json(data: bytes | str, *, max_depth: int) -> object:
    """The value of a JSON text. A number without a fraction is an ``int``, any other one a ``float``.

    Stricter than ``json.loads``, which lets pass what breaks later: in the database, or when it is written again. The
    time it takes is linear in the length.

    Raises:
        MalformedJson: It is no JSON, has a key twice, a number that no value can hold, half of a surrogate pair, or is
            nested deeper than ``max_depth``.
    """
    try:
        text = data if isinstance(data, str) else data.decode()
        check_depth(text.encode() if isinstance(data, str) else data, max_depth)
        value: object = DECODER.decode(text)
        if SURROGATE.search(text) is not None:
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeError:
        raise MalformedJson("the JSON has text that is not valid Unicode") from None
    except MalformedJson:
        raise
    except RecursionError:
        raise MalformedJson("the JSON is nested too deeply") from None
    except ValueError as error:
        raise MalformedJson(f"this is not JSON: {error}") from None
    return value


def check_depth(data: bytes, max_depth: int) -> None:
    """Refuse deep nesting before a parser recurses. Brackets within strings do not count."""
    if b"\\" in data:
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    brackets = b"".join(data.split(b'"')[::2]).translate(None, NOT_BRACKETS)
    if any(map(max_depth.__lt__, accumulate(map(STEPS.__getitem__, brackets)))):
        raise MalformedJson(f"the JSON is nested deeper than {max_depth} levels")


def whole_number(text: str) -> int:
    if len(text) <= LONGEST_INTEGER:  # many digits take quadratic time
        number = int(text)
        if INT64_MIN <= number <= INT64_MAX:
            return number
    raise MalformedJson("the JSON has an integer beyond 64 bits")


def number_with_fraction(text: str) -> int | float:
    number = float(text)
    if not math.isfinite(number):
        raise MalformedJson("the JSON has a number that is too large")
    if number.is_integer() and abs(number) <= LARGEST_NUMBER and (number or not text.startswith("-")):
        return int(number)  # clients write 1.0 for 1
    return number


def no_constant(text: str) -> NoReturn:
    raise MalformedJson(f"{text} is not JSON")


def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise MalformedJson("the JSON has an object with the same key twice")
    return made


# Made once: json.loads would make one for every text.
DECODER: Final = json.JSONDecoder(
    parse_int=whole_number,
    parse_float=number_with_fraction,
    parse_constant=no_constant,
    object_pairs_hook=object_of,
)


def decode_values(parsed: object) -> object:
    """Parsed JSON with ``$integer``, ``$float`` and ``$bytes`` turned into ``int``, ``float`` and ``bytes``.

    Raises:
        MalformedJson: Another key begins with ``$``, or one of these has no valid value, or other keys beside it.
    """
    if isinstance(parsed, dict):
        values = cast("dict[str, object]", parsed)
        if any(key.startswith("$") for key in values):
            return tagged_value(values)
        return {key: decode_values(value) for key, value in values.items()}
    if isinstance(parsed, list):
        return [decode_values(value) for value in cast("list[object]", parsed)]
    return parsed


def tagged_value(values: dict[str, object]) -> int | float | bytes:
    (tag, text), *others = values.items()
    if others or tag not in ("$integer", "$float", "$bytes"):
        name = next(key for key in values if key.startswith("$"))
        raise MalformedJson(f"{name[:100]!r} cannot be a key: one that begins with $ stands for a type, on its own")
    try:
        data = base64.b64decode(cast(str, text), validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise MalformedJson(f"the value of {tag} is not base64") from None
    if tag == "$bytes":
        return data
    if len(data) != 8:
        raise MalformedJson(f"the value of {tag} is {len(data)} bytes long, not 8")
    if tag == "$integer":
        return int.from_bytes(data, "little", signed=True)
    number = float(struct.unpack("<d", data)[0])
    if not is_special(number):
        raise MalformedJson("$float is for NaN, infinities and -0: write any other number as a number")
    return number


def is_special(number: float) -> bool:
    """Whether JSON has no form for a number: NaN, an infinity, or -0, which parsers take for 0."""
    return not math.isfinite(number) or (number == 0 and math.copysign(1, number) < 0)
