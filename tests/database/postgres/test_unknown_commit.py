"""A connection that breaks in COMMIT: what was committed is reported as committed, what was not is run again."""

from __future__ import annotations

import sys
import time
from contextlib import closing, nullcontext, suppress
from typing import Any

import psycopg
import pytest
from app.models import Note
from servers.wire import Wire
from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from convexpy import (
    ActionCtx,
    CommitUnknown,
    Convex,
    JobId,
    MutationCtx,
    SyncActionCtx,
    internal_action,
    internal_mutation,
    mutation,
)
from convexpy.database.commit_log import CommitLookup, insert_statement, new_commit_id
from convexpy.database.database import connect
from convexpy.database.errors import ConnectionLost
from convexpy.database.postgres.connection import cut_off
from convexpy.database.write_set import WriteSet
from convexpy.functions.declare import Kind
from convexpy.settings import Settings

from .conftest import QUICK, claim_due, rows

TEXTS = "SELECT text FROM notes ORDER BY text"


@mutation
def write(ctx: MutationCtx, text: str) -> str:
    ctx.db.add(Note(text=text))
    return text


@mutation
def write_and_schedule(ctx: MutationCtx, text: str) -> JobId:
    ctx.db.add(Note(text=text))
    return ctx.schedule.now(later, text=f"{text} later")


@internal_mutation
def later(ctx: MutationCtx, text: str) -> None:
    ctx.db.add(Note(text=text))


@internal_action
def schedule_at_once(ctx: SyncActionCtx, text: str) -> JobId:
    return ctx.schedule.now(later, text=text)


@internal_action
async def act(ctx: ActionCtx, text: str) -> None:
    await ctx.run_mutation(write, text=text)


@mutation
def plan(ctx: MutationCtx) -> None:
    ctx.schedule.now(act, text="acted")


def texts(url: URL) -> list[str]:
    return [row[0] for row in rows(url, TEXTS)]


@pytest.mark.parametrize("when", ["before COMMIT", "after COMMIT"])
@pytest.mark.parametrize("times", [1, 3])
def test_a_direct_mutation_happens_once(convex: Convex, url: URL, network: Wire, when: str, times: int) -> None:
    assert convex.run(write, text="first") == "first"
    network.cut(when, times)  # type: ignore[arg-type]
    assert convex.run(write, text="second") == "second"
    assert network.struck() == (times if when == "before COMMIT" else 1)
    assert texts(url) == ["first", "second"]


@pytest.mark.parametrize("when", ["before COMMIT", "after COMMIT"])
def test_what_it_schedules_exists_once(convex: Convex, url: URL, network: Wire, when: str) -> None:
    network.cut(when)  # type: ignore[arg-type]
    job_id = convex.run(write_and_schedule, text="now")
    assert network.struck() == 1
    assert [row[0] for row in rows(url, "SELECT id FROM _scheduled_functions")] == [job_id]


@pytest.mark.parametrize("when", ["before COMMIT", "after COMMIT"])
def test_what_an_action_schedules_exists_once(convex: Convex, url: URL, network: Wire, when: str) -> None:
    network.cut(when)  # type: ignore[arg-type]
    job_id = convex.run(schedule_at_once, text="once")
    assert network.struck() == 1
    assert [row[0] for row in rows(url, "SELECT id FROM _scheduled_functions")] == [job_id]


def test_a_database_that_does_not_answer_makes_the_outcome_unknown(far_url: URL, network: Wire, url: URL) -> None:
    settings = Settings(**QUICK, commit_timeout=0.05)  # type: ignore[arg-type]
    text = far_url.render_as_string(hide_password=False)
    with Convex(text, functions=sys.modules[__name__], settings=settings) as convex:
        convex.run(write, text="first")
        network.cut("after COMMIT")
        # Of the pool, which stays: a connection that is in use at this moment returns to it.
        convex.database._internal_engine.pool.dispose()  # type: ignore[attr-defined]
        original = convex.database._is_committed  # type: ignore[attr-defined]

        def refuse_then_look_up(commit_id: str, cause: BaseException) -> bool:
            network.mode("refuse")
            try:
                return bool(original(commit_id, cause))
            finally:
                network.mode("pass")

        convex.database._is_committed = refuse_then_look_up  # type: ignore[attr-defined]
        with pytest.raises(CommitUnknown, match="as a whole, or not at all"):
            convex.run(write, text="second")
    assert texts(url) == ["first", "second"]


def test_a_commit_that_arrives_after_the_lookup_is_refused(url: URL) -> None:
    """A COMMIT that arrives after the lookup is refused."""
    database = connect(url, Settings())
    commit_id = new_commit_id(database.clock.now())
    with database.write() as transaction:
        transaction.connection.exec_driver_sql("INSERT INTO notes (id, text) VALUES ('1', 'late')")
        with database.write_internal() as other:
            assert CommitLookup(commit_id).is_committed(other) is False
        with pytest.raises(Exception, match="duplicate key"):
            transaction.send_with_commit(insert_statement(WriteSet(), commit_id=commit_id))  # type: ignore[attr-defined]
    database.close()
    assert texts(url) == []


def test_a_fenced_commit_can_no_longer_arrive(url: URL) -> None:
    """After the answer "not committed" the call is run again, so its first transaction must not be committed later."""
    database = connect(url, Settings())
    commit_id = new_commit_id(database.clock.now())
    with database.write() as transaction:
        transaction.connection.exec_driver_sql("INSERT INTO notes (id, text) VALUES ('1', 'late')")
        assert database._is_committed(commit_id, ConnectionError("no answer")) is False  # type: ignore[attr-defined]
        with pytest.raises(Exception, match="duplicate key"):
            transaction.send_with_commit(insert_statement(WriteSet(), commit_id=commit_id))  # type: ignore[attr-defined]
    database.close()
    assert texts(url) == []


def test_a_transaction_that_is_still_open_is_waited_for(url: URL) -> None:
    database = connect(url, Settings(lock_timeout=0.05))  # type: ignore[arg-type]
    commit_id = new_commit_id(database.clock.now())
    lookup = CommitLookup(commit_id)
    with database.write() as transaction:
        transaction.connection.exec_driver_sql(insert_statement(WriteSet(), commit_id=commit_id))
        with (
            pytest.raises(Exception, match=r"ended before its commit|lock timeout|failed"),
            database.write_internal() as other,
        ):
            assert lookup.is_committed(other) is None
        transaction.commit()
    with database.write_internal() as other:
        assert lookup.is_committed(other) is True
    database.close()


@pytest.mark.parametrize("when", ["before COMMIT", "after COMMIT"])
def test_a_lost_answer_to_the_lookup_does_not_change_it(convex: Convex, url: URL, network: Wire, when: str) -> None:
    """If the answer to a fence's COMMIT is lost, the next lookup finds that fence and not the transaction's row."""
    look_up = convex.database._is_committed  # type: ignore[attr-defined]

    def look_up_without_an_answer(commit_id: str, cause: BaseException) -> bool:
        convex.database._is_committed = look_up  # type: ignore[attr-defined]
        network.cut("after COMMIT")
        return bool(look_up(commit_id, cause))

    convex.database._is_committed = look_up_without_an_answer  # type: ignore[attr-defined]
    network.cut(when)  # type: ignore[arg-type]
    job_id = convex.run(write_and_schedule, text="once")
    assert texts(url) == ["once"]
    assert [row[0] for row in rows(url, "SELECT id FROM _scheduled_functions")] == [job_id]


@pytest.mark.parametrize("when", ["before COMMIT", "after COMMIT"])
@pytest.mark.parametrize("times", [1, 5, 9])
def test_a_job_happens_once(convex: Convex, near: Convex, url: URL, network: Wire, when: str, times: int) -> None:
    with convex.running():
        network.cut(when, times)  # type: ignore[arg-type]
        near.run(write_and_schedule, text="now")
        wait_for(url, "SELECT 1 FROM _convexpy_finished", network, 1)
    assert texts(url) == ["now", "now later"]
    assert rows(url, "SELECT state_kind FROM _scheduled_functions") == [("success",)]


@pytest.mark.parametrize("when", ["before COMMIT", "after COMMIT"])
@pytest.mark.parametrize("times", [1, 2, 3, 4, 5, 6, 8])
def test_an_action_starts_once(convex: Convex, near: Convex, url: URL, network: Wire, when: str, times: int) -> None:
    with convex.running():
        network.cut(when, times)  # type: ignore[arg-type]
        near.run(plan)
        wait_for(url, "SELECT 1 FROM _convexpy_finished", network, 1)
    assert texts(url) == ["acted"]
    ((state, attempts),) = rows(url, "SELECT state_kind, attempts FROM _scheduled_functions")
    assert state == "success"
    # A claim whose COMMIT was not answered is given back, which counts as an attempt, though the action never started.
    assert attempts == 1 or when == "after COMMIT"


def test_a_claim_without_an_answer_is_reclaimed_when_it_is_found_twice(
    convex: Convex, near: Convex, url: URL, network: Wire
) -> None:
    near.run(write_and_schedule, text="now")  # before the cut, so that it does not hit the notification
    claimed = "SELECT count(*) FROM _convexpy_queue WHERE worker IS NOT NULL"
    network.cut("after COMMIT")
    with pytest.raises(DBAPIError):
        convex.worker.dispatcher.claim(Kind.MUTATION, 1)
    assert rows(url, claimed) == [(1,)]
    convex.worker.recovery.reclaim()  # it could still be under way
    assert rows(url, claimed) == [(1,)]
    convex.worker.recovery.reclaim()
    assert rows(url, claimed) == [(0,)]


@pytest.mark.parametrize("when", ["before COMMIT", "after COMMIT"])
def test_a_job_whose_own_commit_breaks_happens_once(
    convex: Convex, near: Convex, url: URL, network: Wire, when: str
) -> None:
    near.run(write_and_schedule, text="now")
    claim = claim_due(convex, Kind.MUTATION)
    network.cut(when)  # type: ignore[arg-type]
    convex.worker.run(claim)
    with convex.running():
        wait_for(url, "SELECT 1 FROM _convexpy_finished", network, 1)
    assert texts(url) == ["now", "now later"]
    assert rows(url, "SELECT state_kind FROM _scheduled_functions") == [("success",)]


@pytest.mark.parametrize("when", ["before COMMIT", "after COMMIT"])
def test_an_action_whose_own_start_breaks_starts_once(
    convex: Convex, near: Convex, url: URL, network: Wire, when: str
) -> None:
    near.run(plan)
    claim = claim_due(convex, Kind.ACTION)
    network.cut(when)  # type: ignore[arg-type]
    convex.calls.event_loop.submit(convex.worker.executor.run_action(claim)).result()
    assert network.struck() == 1
    assert texts(url) == ["acted"]
    assert rows(url, "SELECT state_kind, attempts FROM _scheduled_functions") == [("success", 1)]


def wait_for(url: URL, statement: str, network: Wire, times: int) -> None:
    """Wait until a statement finds something, and the network was cut so often."""
    deadline = time.monotonic() + 30
    while not rows(url, statement) or network.struck() < times:
        assert time.monotonic() < deadline, f"not in time: {statement}, {network.struck()} cuts"


class SilentDriver:
    """A driver that raises nothing when the connection breaks in COMMIT."""

    def __init__(self, driver: Any, *, arrives: bool) -> None:
        self._driver = driver
        self._arrives = arrives

    @property
    def pgconn(self) -> Any:
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._driver.pgconn if hasattr(self._driver.pgconn, name) else self._driver, name)

    def exec_(self, text: bytes) -> Any:
        result = self._driver.pgconn.exec_(text if self._arrives else b"SET application_name = 'none'")
        cut_off(self._driver)
        with suppress(psycopg.Error):
            self._driver.execute("SELECT 1")
        return result


@pytest.mark.parametrize("arrives", [True, False])
def test_a_commit_that_broke_without_an_error_is_looked_up(url: URL, arrives: bool) -> None:
    ends = nullcontext() if arrives else pytest.raises(ConnectionLost, match="being committed")
    with closing(connect(url, Settings())) as database, ends, database.write(logged=True) as transaction:
        transaction.connection.exec_driver_sql("INSERT INTO notes (id, text) VALUES ('1', 'written')")
        transaction.driver = SilentDriver(transaction.driver, arrives=arrives)
        transaction.commit()
    assert texts(url) == (["written"] if arrives else [])


def test_a_commit_says_what_was_written_and_by_what(url: URL) -> None:
    function, writes = "it's \\ a \u00fcser\U0001f600:place", WriteSet()
    writes.add("orders", {"id": ["o'1", "\u00fc"]})
    with closing(connect(url, Settings())) as database:
        with database.write() as transaction:
            commit_id = new_commit_id(database.clock.now())
            transaction.check()
            transaction.is_open = False  # as in commit()
            insert = insert_statement(writes, commit_id=commit_id, function=function)
            transaction.send_with_commit(insert)  # type: ignore[attr-defined]
        with database.write_internal() as other:
            assert CommitLookup(commit_id).is_committed(other) is True
    [row] = rows(url, f"SELECT function, writes FROM _convexpy_commits WHERE id = '{commit_id}'")
    assert row[0] == function
    assert WriteSet.from_json(row[1]).tables == {"orders": {"id": {"o'1", "\u00fc"}}}


def test_the_row_of_a_fence_says_that_nothing_was_written(url: URL) -> None:
    with closing(connect(url, Settings())) as database:
        database._is_committed(new_commit_id(database.clock.now()), ConnectionError())  # type: ignore[attr-defined]
    found = rows(url, "SELECT function, writes FROM _convexpy_commits WHERE id IS NOT NULL")
    assert found == [(None, "{}")]
