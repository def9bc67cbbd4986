"""The primary stops under load and the standby takes over; the command does it again and again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from servers.postgres import NoServer

from stress.faults.child_process import wait_until

from .failover_run import run
from .pair import Pair, pair

ORDERS = 20


def started(stack: ExitStack) -> Pair:
    try:
        return stack.enter_context(pair(synchronous=True))
    except NoServer as reason:
        pytest.skip(f"no PostgreSQL: {reason}")


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_a_failover_to_a_synchronous_standby_loses_and_doubles_nothing(stack: ExitStack, tmp_path: Path) -> None:
    servers = started(stack)
    wait_until(servers.is_synchronous, "a synchronous standby")
    round = run(servers, tmp_path, ORDERS)
    assert round.pending > 0, "the primary stopped when nothing was under way"
    assert round.verdict.broken == []
    assert round.verdict.jobs >= 4 * len(round.calls.acknowledged)
