"""The proxy finds COMMIT in what a client says, however it comes."""

from __future__ import annotations

import pytest

from .proxy import ends_with_commit, whole_messages


def message(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4) + body


@pytest.mark.parametrize(
    "data",
    [
        message(b"Q", b"COMMIT\0"),
        message(b"Q", b"commit;\0"),
        message(b"Q", b"INSERT INTO _convexpy_commits (id) VALUES ('x'); COMMIT\0"),
        message(b"P", b"_pg3_7\0COMMIT\0\0\0"),
        message(b"S", b"") + message(b"Q", b"COMMIT\0"),
    ],
)
def test_a_commit_is_found(data: bytes) -> None:
    assert ends_with_commit(data)


@pytest.mark.parametrize(
    "data",
    [
        message(b"Q", b"ROLLBACK\0"),
        message(b"Q", b"SELECT 'COMMIT' AS what\0"),
        message(b"B", b"\0_pg3_7\0COMMIT\0"),
        message(b"Q", b"SET LOCAL synchronous_commit = off\0"),
        b"",
    ],
)
def test_nothing_else_is_taken_for_one(data: bytes) -> None:
    assert not ends_with_commit(data)


def test_messages_are_put_together_however_they_are_cut() -> None:
    data = message(b"Q", b"SELECT 1\0") + message(b"Q", b"COMMIT\0")
    for cut in range(len(data) + 1):
        first, rest = whole_messages(data[:cut])
        second, nothing = whole_messages(rest + data[cut:])
        assert (first + second, nothing) == (data, b"")
