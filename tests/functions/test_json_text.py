"""JSON from outside: what is read, what is refused, and how long a hostile text takes."""

from __future__ import annotations

import json
import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convexpy.functions.encoding import encode_any
from convexpy.functions.json_text import MalformedJson, decode_values, parse_json


def parse(text: str | bytes) -> object:
    return parse_json(text, max_depth=64)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("1.0", 1),
        ("-7.0e1", -70),
        ("1.5", 1.5),
        ("1e300", 1e300),
        ("9007199254740993", 9007199254740993),
        (str(2**63 - 1), 2**63 - 1),
        (str(-(2**63)), -(2**63)),
        ('"\\ud83d\\ude00\\u0000"', "😀\0"),
        ('{"a": [{}, null, true], "": "\\\\ud800"}', {"a": [{}, None, True], "": "\\ud800"}),
    ],
)
def test_values_are_read(text: str, value: object) -> None:
    for each in (text, text.encode()):
        found = parse(each)
        assert found == value
        assert type(found) is type(value)


def test_minus_zero_stays_a_float() -> None:
    assert math.copysign(1, float(str(parse("-0.0")))) == -1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[1] 2", "not JSON"),
        ("{'a': 1}", "not JSON"),
        ('{"a": 1, "a": 1}', "the same key twice"),
        ('[{"b": {"a": 1, "\\u0061": 2}}]', "the same key twice"),
        ("[NaN]", "NaN is not JSON"),
        ("-Infinity", "-Infinity is not JSON"),
        ("1e999", "too large"),
        ("-1e999", "too large"),
        (str(2**63), "64 bits"),
        (str(-(2**63) - 1), "64 bits"),
        ("9" * 5000, "64 bits"),
        ('"\\ud800"', "Unicode"),
        ('{"a": ["\\uDC00\\ud800"]}', "Unicode"),
        ('"\ud800"', "Unicode"),
        (b'"\xff"', "Unicode"),
        (b'"\xed\xa0\x80"', "Unicode"),
        ("\ufeff1", "not JSON"),
        ("[" * 65 + "]" * 65, "deeper than 64"),
        ('{"a":' * 65 + "1" + "}" * 65, "deeper than 64"),
        ('["\\\\",' * 65, "deeper than 64"),
        ("[" * 100_000, "deeper than 64"),
    ],
)
def test_what_would_break_later_is_refused(text: str | bytes, message: str) -> None:
    with pytest.raises(MalformedJson, match=message):
        parse(text)


def test_brackets_within_strings_are_no_depth() -> None:
    text = '["' + "[" * 1000 + '\\"' + "{" * 1000 + '\\\\"]'
    assert parse(text) == json.loads(text)
    assert parse("[" * 64 + "]" * 64) == json.loads("[" * 64 + "]" * 64)
    assert parse('["\\\\\\"[", "]"]') == ['\\"[', "]"]


@pytest.mark.parametrize("max_depth", [10, 100_000])
def test_a_depth_that_the_parser_cannot_do_is_refused(max_depth: int) -> None:
    with pytest.raises(MalformedJson, match="deep"):
        parse_json("[" * 90_000 + "]" * 90_000, max_depth=max_depth)


MEGABYTE = 1_000_000


@pytest.mark.parametrize(
    "text",
    [
        '"' + '\\"' * (MEGABYTE // 2),
        '"' * MEGABYTE,
        "[" * MEGABYTE,
        "[]," * (MEGABYTE // 3),
        '["' + "\\" * MEGABYTE,
        '{"a":' * (MEGABYTE // 5),
        "9" * MEGABYTE,
        "[0." + "9" * MEGABYTE,
        "[" + '"\\ud800",' * (MEGABYTE // 9) + "1]",
    ],
)
def test_a_megabyte_of_anything_takes_milliseconds(text: str) -> None:
    seconds = []
    for part in (text[: MEGABYTE // 4], text):
        began = time.process_time()
        with pytest.raises(MalformedJson):
            parse(part)
        seconds.append(time.process_time() - began)
    # Four times the text: linear is four times the time, quadratic sixteen. A slow machine is no failure.
    assert seconds[1] < 0.3 or seconds[1] < 10 * seconds[0]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"$integer": "ewAAAAAAAAA="}', 123),
        ('{"$integer": "//////////8="}', -1),
        ('{"$integer": "AAAAAAAAAIA="}', -(2**63)),
        ('{"$bytes": "AAH/"}', b"\0\1\xff"),
        ('{"$float": "AAAAAAAA8P8="}', -math.inf),
        ('{"a": [{"$bytes": ""}], "b$": 1}', {"a": [b""], "b$": 1}),
    ],
)
def test_tagged_forms_are_values(text: str, value: object) -> None:
    decoded = decode_values(parse(text))
    assert decoded == value
    assert type(decoded) is type(value)


def test_special_floats_are_values() -> None:
    assert math.isnan(float(str(decode_values({"$float": "AAAAAAAA+H8="}))))
    assert math.copysign(1, float(str(decode_values({"$float": "AAAAAAAAAIA="})))) == -1


@pytest.mark.parametrize(
    "text",
    [
        '{"$integer": "ew=="}',
        '{"$integer": 5}',
        '{"$integer": null}',
        '{"$integer": "ewAAAAAAAAA=", "a": 1}',
        '{"$bytes": "A"}',
        '{"$bytes": "AA-_"}',
        '{"$bytes": "AAH/\\u00e9"}',
        '{"$bytes": "AA H/"}',
        '{"$float": "AAAAAAAA8D8="}',
        '{"$float": "AAAAAAAAAAA="}',
        '{"$set": []}',
        '{"$": 1}',
        '{"a": [{"b": 1, "$c": 1}]}',
    ],
)
def test_other_tags_are_refused(text: str) -> None:
    with pytest.raises(MalformedJson):
        decode_values(parse(text))


LEAVES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.binary() | st.floats()
KEYS = st.text(st.characters(min_codepoint=32, max_codepoint=126)).filter(lambda key: not key.startswith("$"))
VALUES = st.recursive(LEAVES, lambda each: st.lists(each) | st.dictionaries(KEYS, each), max_leaves=10)


@given(VALUES)
@settings(max_examples=60, deadline=None)
def test_what_is_encoded_is_read_again(value: object) -> None:
    again = decode_values(parse(encode_any(value)))
    assert encode_any(again) == encode_any(value)
