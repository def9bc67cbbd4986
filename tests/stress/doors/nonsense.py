"""Texts that no client of the protocol sends: valid messages that were changed, and what was never one."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from typing import Any, Final

NAMES: Final = (
    *("counters:one", "counters:recent", "counters:add", "counters:broken", "counters:crash", "counters:who"),
    *("values:echo", "values:typed", "values:take", "values:pass_on", "counters.js:one", "counters:note"),
    *("_system/jobs:list", "", ":", "counters", "a/b/c:d", "counters:one:two", "../../etc/passwd", "counters:__init__"),
)
TYPES: Final = ("Connect", "Authenticate", "ModifyQuerySet", "Mutation", "Action", "Event", "Ping", "Transition", "")
TAGGED: Final = (
    *({"$integer": "ewAAAAAAAAA="}, {"$integer": "x"}, {"$integer": ""}, {"$float": "AAAAAAAA+H8="}, {"$float": 1}),
    *(
        {"$bytes": "AAH/"},
        {"$bytes": "*"},
        {"$set": []},
        {"$map": []},
        {"$commitTs": None},
        {"$": 1},
        {"$a": {"$b": 2}},
    ),
    *({"$integer": "ewAAAAAAAAA=", "more": 1}, {"": {}}, {"\u00e9": 1}, {"a" * 2000: 1}),
)
NUMBERS: Final = (
    *("0", "-0", "-0.0", "1.0", "1e308", "1e999", "-1e999", "1" * 400, "9007199254740993", "9223372036854775808"),
    *("NaN", "Infinity", "01", "1.", ".5", "0x10", "1e", "4294967296", "-1", "2.5"),
)
STRINGS: Final = (
    *('"\\ud800"', '"\\udc00\\ud800"', '"\\u0000"', '"\\x41"', '"\\', '"' * 50, "'a'", '"\\ud83d\\ude00"', '"\u2028"'),
    *(f'"{"a" * 10_000}"', '"%s%n"', '"${x}"', '"\'; DROP TABLE one; --"', '"\\"\\"\\""', '"\x00"', '"\x1f"'),
)


def message(rng: random.Random) -> dict[str, Any]:
    """A message that is valid, or looks so: at another time, or with other numbers, it would be."""
    number = rng.choice((0, 1, 2, rng.randrange(100), 2**32 - 1))
    path, args = (
        rng.choice(NAMES),
        [{"key": rng.randrange(10), "token": f"x{rng.randrange(10**9)}", "value": value(rng)}],
    )
    args = rng.choice(([{}], [{"key": 1}], [{"value": value(rng)}], args, [], [1], [{}, {}]))
    match rng.randrange(8):
        case 0:
            more = {"maxObservedTimestamp": rng.choice((None, "AAAAAAAAAAA=", "x", "/////////38=", 5))}
            return {"type": "Connect", "sessionId": rng.choice(("s", "", "x" * 5000, "\x00")), **more}
        case 1 | 2:
            kind = rng.choice(("Add", "Remove", "Add", "Change"))
            changes = [
                {"type": kind, "queryId": rng.choice((number, each)), "udfPath": path, "args": args, "journal": None}
                for each in range(rng.choice((0, 1, 2, 30)))
            ]
            base = rng.choice((0, 1, number))
            return {"type": "ModifyQuerySet", "baseVersion": base, "newVersion": base + 1, "modifications": changes}
        case 3:
            kind, token = (
                rng.choice(("User", "Admin", "None", "Root")),
                rng.choice(("", "a.b.c", "x" * 9000, none_token())),
            )
            acting = rng.choice(({}, {"impersonating": {"subject": "a"}}, {"impersonating": 5}))
            return {
                "type": "Authenticate",
                "baseVersion": rng.choice((0, 1, 9)),
                "tokenType": kind,
                "value": token,
                **acting,
            }
        case 4 | 5:
            return {"type": "Mutation", "requestId": number, "udfPath": path, "args": args}
        case 6:
            return {"type": "Action", "requestId": number, "udfPath": path, "args": args}
        case _:
            return {"type": rng.choice(TYPES), "eventType": "x", "event": value(rng)}


def none_token() -> str:
    """A token that nothing has signed."""
    parts = (
        {"alg": "none", "typ": "JWT"},
        {"iss": "https://secret.example", "sub": "a", "aud": "counted", "exp": 2**40},
    )
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return f"{encoded[0]}.{encoded[1]}."


def value(rng: random.Random, depth: int = 0) -> Any:
    """Any value of JSON, sometimes one that has a tag."""
    match rng.randrange(9 if depth < 4 else 6):
        case 0:
            return rng.choice((None, True, False))
        case 1:
            return rng.choice((0, 1.5, -1, 2**53, 1e300))
        case 2:
            return "".join(chr(rng.choice((0, 34, 39, 92, 65, 233, 0x1F600))) for _ in range(rng.randrange(20)))
        case 3 | 4 | 5:
            return rng.choice(TAGGED)
        case 6 | 7:
            return [value(rng, depth + 1) for _ in range(rng.randrange(4))]
        case _:
            return {f"k{number}": value(rng, depth + 1) for number in range(rng.randrange(4))}


def wrong_type(rng: random.Random) -> str:
    """A message in which one field is missing, or is something else."""
    made = message(rng)
    name = rng.choice(list(made))
    if rng.random() < 0.3:
        del made[name]
    else:
        made[name] = value(rng)
    return json.dumps(made)


def wrong_part(rng: random.Random) -> str:
    """A message in which a value is written as no JSON is."""
    text = json.dumps(message(rng) | {"more": "HERE"})
    return text.replace('"HERE"', rng.choice((*NUMBERS, *STRINGS)))


def cut(rng: random.Random) -> str:
    """The beginning of a message, or one with something in its midst."""
    text = json.dumps(message(rng))
    at = rng.randrange(len(text))
    return text[:at] + rng.choice(("", "", "}", "\x00", '"', text))


def changed(rng: random.Random) -> str:
    """A message with a few other characters."""
    characters = list(json.dumps(message(rng)))
    for _ in range(rng.randint(1, 5)):
        characters[rng.randrange(len(characters))] = chr(rng.choice((rng.randrange(128), rng.randrange(0xD7FF))))
    return "".join(characters)


def noise(rng: random.Random) -> str:
    """No message at all."""
    return rng.choice(
        (
            *(
                "",
                " ",
                "null",
                "[]",
                "{}",
                "0",
                '""',
                "[" * 100,
                '{"a":' * 100,
                "{" * 1000,
                '{"type":1}',
                '{"type":null}',
            ),
            *('{"type":"Event","type":"Event"}', "\ufeff{}", '"' * rng.randrange(2000), "[1," * 5000, "[]" * 500),
            "".join(chr(rng.randrange(1, 0xD7FF)) for _ in range(rng.randrange(300))),
        )
    )


def deep(rng: random.Random) -> str:
    """A message whose arguments are nested deeply."""
    depth = rng.choice((50, 63, 64, 65, 70, 1000, 20_000))
    inner = rng.choice(("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth, "[" * depth))
    return '{"type":"Mutation","requestId":0,"udfPath":"values:take","args":[{"value":' + inner + "}]}"


WAYS: Final[tuple[Callable[[random.Random], str], ...]] = (
    *(wrong_type, wrong_type, wrong_part, cut, changed, noise, deep),
    *(lambda rng: json.dumps(message(rng)) for _ in range(5)),
)


def text(rng: random.Random) -> str:
    """What a hostile client sends next."""
    return rng.choice(WAYS)(rng)


def huge(rng: random.Random, size: int) -> str:
    """A text of about so many characters."""
    opening = '{"type":"Mutation","requestId":0,"udfPath":"values:take","args":[{"value":'
    fillings = ('"' * size, '"' + "a" * size + '"', '"' + '\\"' * (size // 2) + '"', "[" * size, "1" * size)
    lists = ("[" + "1," * (size // 2) + "1]", "[" + '"ab",' * (size // 5) + "1]", " " * size)
    return opening + rng.choice((*fillings, *lists)) + "}]}"
