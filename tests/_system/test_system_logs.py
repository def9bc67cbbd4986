"""``_system/logs``: runs and records of all processes, filtered; and what it costs a process that nobody looks at."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection
from support.plans import explained, scanned

from convexpy import ConvexError, MutationCtx, QueryCtx, mutation, query
from convexpy.database import log_lines
from convexpy.database.log_lines import PortionKey
from convexpy.runtime.log_filter import LogFilter
from convexpy.runtime.log_ring import MOST_CHARACTERS, MOST_TRACE_CHARACTERS, RingHandler
from convexpy.runtime.shared_logs import LOOK_SECONDS, MOST_ROWS, SHOW_SECONDS, SharedLogs
from convexpy.testing import ConvexTest


@mutation
def place_order(ctx: MutationCtx, item: str) -> None:
    ctx.log.info("reserved one", extra={"shelf": 7})
    logging.getLogger(__name__).info("within the call")


@mutation
def charge(ctx: MutationCtx, card: str) -> None:
    raise ValueError("the bank says no")


@mutation
def refuse(ctx: MutationCtx) -> None:
    raise ConvexError("CONFLICT", "there are only 3 left")


@query
def total(ctx: QueryCtx) -> int:
    return 3


@pytest.fixture
def logs(convex: ConvexTest, caplog: pytest.LogCaptureFixture) -> Iterator[SharedLogs]:
    """The logs of this process, without their thread."""
    caplog.set_level(logging.INFO, __name__)
    logs = convex.convex.calls.logs
    logs._start = lambda: None  # type: ignore[method-assign]  # ticks are made by hand
    logs.begin(__name__)
    yield logs
    logs.stop()


def lines(convex: ConvexTest, **arguments: Any) -> list[dict[str, Any]]:
    found: dict[str, Any] = convex.call("_system/logs:lines", arguments)
    return list(found["lines"])


def place(convex: ConvexTest) -> None:
    convex.run(place_order, item="a secret")


def fail(convex: ConvexTest) -> None:
    with pytest.raises(ValueError):
        convex.run(charge, card="4242")


def test_a_run_and_its_records_are_lines_of_one_request(convex: ConvexTest, logs: SharedLogs) -> None:
    place(convex)
    place(convex)
    found = lines(convex)
    assert [(line["text"], line["outcome"]) for line in found] == 2 * [
        ("reserved one", None),
        ("within the call", None),
        ("", "success"),
    ]
    assert {line["function"] for line in found} == {f"{__name__}:place_order"}
    requests = [line["request"] for line in found]
    assert len(set(requests[:3])) == 1
    assert requests[0] != requests[3]
    assert lines(convex, request=requests[3]) == found[3:]
    run = found[2]
    assert (run["kind"], run["level"], run["attempt"]) == ("mutation", "INFO", None)
    assert run["milliseconds"] > 0
    assert found[0]["extra"] == {"shelf": "7"}
    assert "a secret" not in str(found)


def test_a_failure_has_its_traceback_and_a_refusal_has_none(convex: ConvexTest, logs: SharedLogs) -> None:
    fail(convex)
    with pytest.raises(ConvexError):
        convex.run(refuse)
    failed, refused = lines(convex)
    assert (failed["level"], failed["outcome"]) == ("ERROR", "failed")
    assert failed["text"].startswith("ValueError: the bank says no")
    assert [frame["function"] for frame in failed["errors"][-1]["frames"] if frame["isOwn"]] == ["charge"]
    assert (refused["level"], refused["outcome"], refused["errors"]) == ("INFO", "failed", [])
    assert "4242" not in str(failed)


def test_a_job_that_fails_is_one_line(convex: ConvexTest, logs: SharedLogs) -> None:
    with convex.db() as db:
        assert db is not None
    job = convex.convex.call("_system/jobs:list")
    assert job == []
    fail(convex)
    logging.getLogger("convexpy.run").error("its run", extra={"run": object()})
    assert [line["outcome"] for line in lines(convex)] == ["failed"]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, ["reserved one", "within the call", "", "ValueError"]),
        ({"function": f"{__name__}:charge"}, ["ValueError"]),
        ({"function": f"{__name__}:"}, ["reserved one", "within the call", "", "ValueError"]),
        ({"function": __name__}, []),
        ({"outcome": "failed"}, ["ValueError"]),
        ({"outcome": "success"}, [""]),
        ({"level": "ERROR"}, ["ValueError"]),
        ({"level": "WARNING"}, ["ValueError"]),
        ({"text": "RESERVED"}, ["reserved one"]),
        ({"text": "in charge"}, ["ValueError"]),
        ({"text": "place_order"}, ["reserved one", "within the call", ""]),
        ({"job": "1" * 32}, []),
        ({"limit": 1}, ["ValueError"]),
    ],
)
def test_lines_are_filtered(convex: ConvexTest, logs: SharedLogs, wanted: dict[str, Any], expected: list[str]) -> None:
    place(convex)
    fail(convex)
    assert [line["text"].partition(":")[0] for line in lines(convex, **wanted)] == expected
    answer = convex.call("_system/logs:lines", wanted)
    assert answer["hasMore"] is (wanted == {"limit": 1})


def test_what_the_dashboard_asks_for_is_no_line_unless_it_fails(convex: ConvexTest, logs: SharedLogs) -> None:
    assert lines(convex) == lines(convex) == []
    with pytest.raises(ConvexError):
        convex.call("_system/jobs:retry", {"job_id": "1" * 32})
    assert [line["function"] for line in lines(convex)] == ["_system/jobs:retry"]


def test_texts_are_shortened_and_the_ring_ends(convex: ConvexTest, logs: SharedLogs) -> None:
    def deep(depth: int) -> None:
        if depth == 0:
            raise ValueError("x" * 9000)
        deep(depth - 1)

    log = logging.getLogger(__name__)
    try:
        deep(80)
    except ValueError:
        log.exception("y" * 9000)
    (line,) = logs.ring.newest()
    assert line.trace is not None
    assert (len(line.text), len(line.trace)) == (MOST_CHARACTERS, MOST_TRACE_CHARACTERS)
    for _ in range(3):
        convex.run(total)
    logs.ring._entries.extend([logs.ring._entries[-1]] * 20_000)
    assert len(logs.ring._entries) == 10_000


def test_a_warning_that_nobody_handles_is_still_printed(
    logs: SharedLogs, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = logging.getLogger("convexpy.dispatch")
    monkeypatch.setattr(logging.getLogger("convexpy"), "propagate", False)
    monkeypatch.setattr(logging, "lastResort", logging.StreamHandler())
    log.warning("nobody hears this")
    assert "nobody hears this" in capsys.readouterr().err
    handler = logging.NullHandler()
    logging.getLogger("convexpy").addHandler(handler)
    log.warning("somebody does")
    logging.getLogger("convexpy").removeHandler(handler)
    assert "somebody does" not in capsys.readouterr().err


def test_stop_leaves_no_handler_behind(convex: ConvexTest, logs: SharedLogs) -> None:
    def ours() -> list[logging.Handler]:
        loggers = [logging.getLogger(name) for name in ("convexpy", __name__)]
        return [handler for logger in loggers for handler in logger.handlers if isinstance(handler, RingHandler)]

    assert len(ours()) == len({"convexpy", __name__.partition(".")[0]})
    logs.stop()
    assert ours() == []


def test_its_thread_runs_from_the_first_line_until_the_app_closes(convex: ConvexTest) -> None:
    def threads() -> list[threading.Thread]:
        return [each for each in threading.enumerate() if each.name == "convexpy-logs"]

    before, logs = threads(), convex.convex.calls.logs
    logs.begin(__name__)
    assert threads() == before
    place(convex)
    (started,) = [each for each in threads() if each not in before]
    logs.stop()
    assert not started.is_alive()
    place(convex)
    assert threads() == before


# Two processes on one database.


@pytest.fixture
def other(convex: ConvexTest, logs: SharedLogs) -> SharedLogs:
    """The logs of another process on the same database."""
    return SharedLogs(convex.convex.database, convex.convex.clock, convex.convex.calls.listeners)


def asked(convex: ConvexTest, logs: SharedLogs) -> dict[str, Any]:
    """Somebody looks at the log, and the process that is asked says so."""
    answer: dict[str, Any] = convex.call("_system/logs:lines", {})
    logs.tick()
    return answer


def record(logs: SharedLogs, text: str) -> None:
    logs.ring.note_record(logging.makeLogRecord({"levelname": "INFO", "levelno": 20, "msg": text, "name": "shop"}))


def test_another_process_shows_its_lines_while_somebody_looks(
    convex: ConvexTest, logs: SharedLogs, other: SharedLogs
) -> None:
    record(other, "before anybody looked")
    assert other.tick() == LOOK_SECONDS
    assert asked(convex, logs)["lines"] == []
    record(other, "a second line")
    assert other.tick() == SHOW_SECONDS
    found = convex.call("_system/logs:lines", {})
    assert [line["text"] for line in found["lines"]] == ["before anybody looked", "a second line"]
    assert {line["process"] for line in found["lines"]} == {other.process}
    assert [each["isAnswering"] for each in found["processes"]] == [True, False]
    record(other, "a third")
    other.tick()
    after = {other.process: 2}
    assert [line["text"] for line in lines(convex, after=after)] == ["a third"]
    convex.advance(minutes=1)
    record(other, "nobody looks any more")
    other.tick()
    assert other.tick() == LOOK_SECONDS
    record(other, "nobody sees this")
    assert other.tick() == LOOK_SECONDS
    assert "nobody sees this" not in str(lines(convex))


def test_a_heartbeat_finds_out_that_somebody_looks(convex: ConvexTest, logs: SharedLogs, other: SharedLogs) -> None:
    record(other, "long ago")
    other.tick()
    asked(convex, logs)
    heartbeat = convex.convex.worker.heartbeat
    heartbeat.logs_watched = other.seen
    heartbeat.register()
    assert other.tick() == LOOK_SECONDS
    heartbeat.beat()
    assert other.tick() == SHOW_SECONDS
    assert [line["text"] for line in lines(convex)] == ["long ago"]


def test_a_process_that_logs_nothing_asks_nothing(convex: ConvexTest, other: SharedLogs) -> None:
    other.tick()
    other._database = None  # type: ignore[assignment]  # it is not needed
    assert other.tick() == LOOK_SECONDS


def test_rows_are_replaced_by_one_before_there_are_many(
    convex: ConvexTest, logs: SharedLogs, other: SharedLogs
) -> None:
    asked(convex, logs)
    for number in range(MOST_ROWS + 5):
        record(other, f"line {number}")
        other.tick()
        asked(convex, logs)
    with convex.convex.database.read_internal() as connection:
        keys = log_lines.portion_keys(connection, logs.process, convex.convex.clock.now())
    assert 1 <= len(keys) <= MOST_ROWS
    assert [line["number"] for line in lines(convex)] == list(range(1, MOST_ROWS + 6))


def test_what_was_read_is_not_read_again(
    convex: ConvexTest, logs: SharedLogs, other: SharedLogs, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked(convex, logs)
    record(other, "one")
    other.tick()
    assert [line["text"] for line in lines(convex)] == ["one"]
    read: list[list[PortionKey]] = []
    original = log_lines.read_portions

    def noted(connection: Connection, keys: list[PortionKey]) -> list[log_lines.Portion]:
        read.append(keys)
        return original(connection, keys)

    monkeypatch.setattr(log_lines, "read_portions", noted)
    record(other, "two")
    other.tick()
    assert [line["text"] for line in lines(convex)] == ["one", "two"]
    assert read == [[PortionKey(other.process, 2)]]


def test_its_statements_read_by_an_index(convex: ConvexTest, logs: SharedLogs, other: SharedLogs) -> None:
    asked(convex, logs)
    record(other, "one")
    other.tick()
    with convex.convex.database.read_internal() as connection, explained(connection) as steps:
        logs.read(connection, LogFilter())
    assert "_convexpy_logs_by_time" in str(steps)
    assert scanned(steps) == []
