"""The connection breaks after some bytes of a transaction; ``tests.stress.chaos.bytes`` breaks it after each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from servers.postgres import NoServer

from .bytes import BreakTester, Way, break_tester
from .tap import Direction, Rest

STEP = 293
# No answer to a COMMIT is as short as this, so that one break at least is in the lookup's own.
SHORT_STEP = 17


@pytest.fixture(scope="module")
def server() -> Iterator[BreakTester]:
    try:
        with break_tester() as made:
            yield made
    except NoServer as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    ("way", "direction", "rest"),
    [
        ("direct", "to the server", "lost"),
        pytest.param("direct", "to the server", "late", marks=pytest.mark.long),
        ("direct", "to the app", "lost"),
        pytest.param("scheduled", "to the server", "lost", marks=pytest.mark.long),
        ("scheduled", "to the app", "lost"),
        pytest.param("batched", "to the server", "lost", marks=pytest.mark.long),
        pytest.param("batched", "to the server", "late", marks=pytest.mark.long),
        ("batched", "to the app", "lost"),
        ("lookup, COMMIT lost", "to the server", "lost"),
        pytest.param("lookup, COMMIT lost", "to the server", "late", marks=pytest.mark.long),
        ("lookup, COMMIT lost", "to the app", "lost"),
        pytest.param("lookup, COMMIT late", "to the app", "lost", marks=pytest.mark.long),
        ("lookup, answer lost", "to the server", "lost"),
    ],
)
def test_a_transaction_happens_once_wherever_the_connection_breaks(
    server: BreakTester, way: Way, direction: Direction, rest: Rest
) -> None:
    step = SHORT_STEP if direction == "to the app" and way == "lookup, COMMIT lost" else STEP
    tally = server.enumerate(way, direction, rest, step)
    assert tally.wrong == []
    assert tally.broken_off >= 2
