"""JSON on the command line: what is wrong with it, shown where."""

from __future__ import annotations

import pytest

from .shop import Shop


def test_malformed_json_is_shown_with_a_caret_and_an_example(shop: Shop) -> None:
    result = shop.cli("run", "orders:place", '{"order_id": o1}')
    assert result.exit_code == 2
    assert '  {"order_id": o1}\n               ^\n' in result.stderr
    assert """'{"order_id": "o1"}'""" in result.stderr


def test_the_caret_is_under_the_mistake_of_a_long_line_too(shop: Shop) -> None:
    long = '{"a": "' + "x" * 500 + '", b: 1}' + " " * 500
    lines = shop.cli("run", "orders:place", long).stderr.splitlines()
    caret = next(number for number, line in enumerate(lines) if line.strip() == "^")
    assert lines[caret - 1][lines[caret].index("^")] == "b"
    assert len(lines[caret - 1]) < 80


@pytest.mark.parametrize(
    "text", ["[]", '"x"', "1", "1.5", "true", "null", "", "{", '{"a": NaN}', "[" * 100_000, "9" * 5000]
)
def test_what_is_not_a_json_object_is_a_usage_error(shop: Shop, text: str) -> None:
    result = shop.cli("run", "orders:place", text)
    assert result.exit_code == 2
    assert "Write the arguments as a JSON object" in result.stderr


def test_nothing_is_loaded_or_written_for_malformed_json(shop: Shop) -> None:
    before = shop.files()
    shop.write("shop/orders.py", "raise SystemExit(99)\n")
    assert shop.cli("run", "orders:place", "{").exit_code == 2
    assert shop.files() == before


@pytest.mark.parametrize(
    ("identity", "complaint"),
    [
        ("{", "not JSON"),
        ("{}", 'needs a "subject"'),
        ('{"subject": 1}', 'needs a "subject"'),
        ('{"subject": "u1", "role": "admin"}', "'role' is not part of an identity"),
        ('{"subject": "u1", "claims": []}', "claims are an object"),
        ('{"subject": "u1", "issuer": 1}', "the issuer is a string"),
    ],
)
def test_a_wrong_identity_is_a_usage_error(shop: Shop, identity: str, complaint: str) -> None:
    result = shop.cli("run", "orders:whoami", "--identity", identity)
    assert result.exit_code == 2
    assert complaint in result.stderr


def test_control_characters_of_the_input_are_shown_escaped(shop: Shop) -> None:
    result = shop.cli("run", "orders:place", "{\x1b[31m")
    assert "\x1b" not in result.stderr
    assert "\\x1b" in result.stderr
