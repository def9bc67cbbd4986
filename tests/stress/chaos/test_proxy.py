"""The proxy finds COMMIT in what a client says, however it comes."""

from __future__ import annotations

import pytest

from .proxy import ends_with_commit, whole_messages


def message(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4) + body


@pytest.mark.parametrize(
    "said",
    [
        message(b"Q", b"COMMIT\0"),
        message(b"Q", b"commit;\0"),
        message(b"Q", b"INSERT INTO _convexpy_commits (id) VALUES ('x'); COMMIT\0"),
        message(b"P", b"_pg3_7\0COMMIT\0\0\0"),
        message(b"S", b"") + message(b"Q", b"COMMIT\0"),
    ],
)
def test_a_commit_is_found(said: bytes) -> None:
    assert ends_with_commit(said)


@pytest.mark.parametrize(
    "said",
    [
        message(b"Q", b"ROLLBACK\0"),
        message(b"Q", b"SELECT 'COMMIT' AS what\0"),
        message(b"B", b"\0_pg3_7\0COMMIT\0"),
        message(b"Q", b"SET LOCAL synchronous_commit = off\0"),
        b"",
    ],
)
def test_nothing_else_is_taken_for_one(said: bytes) -> None:
    assert not ends_with_commit(said)


def test_messages_are_put_together_however_they_are_cut() -> None:
    said = message(b"Q", b"SELECT 1\0") + message(b"Q", b"COMMIT\0")
    for cut in range(len(said) + 1):
        first, rest = whole_messages(said[:cut])
        second, nothing = whole_messages(rest + said[cut:])
        assert (first + second, nothing) == (said, b"")
