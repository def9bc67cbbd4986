"""A mutation that stays open while very many others finish is run again, as the server may have missed its conflicts.

The server forgets what finished transactions have read when there are more of them than it has slots. The first test
shows that this happens: two conflicting transactions both commit. The second shows that mutations do not.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import psycopg
import pytest
from app.models import Base
from servers.postgres import NoServer, Server, server
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from support.waiting import wait_until

from convexpy import Convex, MutationCtx, WriteConflict, mutation
from convexpy.database.postgres.serializable_limit import SerializableLimit
from convexpy.settings import Settings

# As few slots as a server can have.
FEW = {
    "fsync": "off",
    "max_connections": "12",
    "autovacuum_max_workers": "1",
    "autovacuum_worker_slots": "1",
    "max_worker_processes": "0",
    "max_parallel_workers": "0",
    "max_wal_senders": "0",
    "wal_level": "minimal",
}
SLOTS = 10 * (12 + 1 + 2)
doctors_are_read = threading.Event()
others_have_finished = threading.Event()
tries: list[int] = []


class Models(DeclarativeBase):
    pass


class Doctor(Models):
    __tablename__ = "doctors"
    id: Mapped[int] = mapped_column(primary_key=True)
    on_call: Mapped[bool]


@pytest.fixture(scope="module")
def few() -> Iterator[Server]:
    try:
        with server(FEW) as started:
            yield started
    except NoServer as reason:
        pytest.skip(f"no PostgreSQL: {reason}")


@mutation
def leave(ctx: MutationCtx, doctor: int, other: int, slow: bool = False) -> None:
    """Go off call, if the other doctor stays on call."""
    tries.append(doctor)
    assert ctx.db.get_one(Doctor, other).on_call, "nobody would be left"
    if slow and len(tries) == 1:
        doctors_are_read.set()
        assert others_have_finished.wait(120)
    ctx.db.get_one(Doctor, doctor).on_call = False


@mutation
def pass_by(ctx: MutationCtx) -> None:
    """Anything at all."""


@pytest.fixture
def convex(request: pytest.FixtureRequest, few: Server) -> Iterator[Convex]:
    settings = Settings(database_connections=4, mutation_time_limit=60)  # type: ignore[arg-type]
    with Convex(few.url(), functions=request.module, settings=settings) as convex:
        convex.migrate()
        with convex.database.ddl() as connection:
            Models.metadata.drop_all(connection)
            Models.metadata.create_all(connection)
            connection.exec_driver_sql("INSERT INTO doctors VALUES (1, true), (2, true)")
        tries.clear()
        doctors_are_read.clear()
        others_have_finished.clear()
        yield convex


def on_call(convex: Convex) -> int:
    with convex.database.read_internal() as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM doctors WHERE on_call").scalar_one())


def leave_while_others_finish(convex: Convex, others: int) -> list[BaseException]:
    errors: list[BaseException] = []

    def leave_slowly() -> None:
        try:
            convex.run(leave, doctor=1, other=2, slow=True)
        except BaseException as error:
            errors.append(error)

    slow = threading.Thread(target=leave_slowly)
    slow.start()
    assert doctors_are_read.wait(120)
    convex.run(leave, doctor=2, other=1)
    for _ in range(others):
        convex.run(pass_by)
    others_have_finished.set()
    slow.join()
    return errors


def test_the_number_of_slots_is_what_the_server_has(few: Server) -> None:
    with psycopg.connect(few.dsn(), autocommit=True) as driver:
        assert SerializableLimit(driver).slots == SLOTS


def test_without_the_limit_two_conflicting_mutations_both_commit(
    convex: Convex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SerializableLimit, "check", lambda *_: None)
    assert leave_while_others_finish(convex, SLOTS + 40) == []
    assert on_call(convex) == 0, "this server misses no conflicts: the limit may be dropped for its version"


@pytest.mark.parametrize("others", [0, SLOTS // 2, SLOTS + 40])
def test_with_the_limit_one_of_them_is_run_again_and_sees_the_other(convex: Convex, others: int) -> None:
    errors = leave_while_others_finish(convex, others)
    assert [str(error) for error in errors] == ["nobody would be left"] or "nobody would be left" in str(errors[0])
    assert on_call(convex) == 1
    assert tries.count(1) == 2


def test_a_mutation_that_is_always_too_slow_fails_with_the_reason(
    convex: Convex, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = convex.database._serializable_limit  # type: ignore[attr-defined]
    monkeypatch.setattr(limit, "seconds", 0.0)
    monkeypatch.setattr(limit, "slots", 0)
    convex.settings.__dict__["mutation_retries"] = 1
    with pytest.raises(WriteConflict, match=r"finished while this one stayed open.*max_connections"):
        convex.run(open_while_another_finishes)


@mutation
def open_while_another_finishes(ctx: MutationCtx) -> None:
    """Another transaction finishes while this one is open."""
    url = ctx.db.connection().engine.url
    ctx.db.connection().exec_driver_sql("SELECT 1")  # the snapshot is taken here
    with psycopg.connect(
        host=url.host, port=url.port, user=url.username, dbname=url.database, autocommit=True
    ) as other:
        other.execute("SELECT pg_current_xact_id()")


def test_metadata_of_the_tests_is_not_touched() -> None:
    assert "doctors" not in Base.metadata.tables


def test_to_wait_for_a_connection_is_not_to_be_open(convex: Convex, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[object] = []
    monkeypatch.setattr(SerializableLimit, "check", lambda *arguments: checked.append(arguments))
    limit = convex.database._serializable_limit  # type: ignore[attr-defined]
    with ExitStack() as stack:
        for _ in range(4):  # all of its connections
            stack.enter_context(convex.database.read())
        waiting = threading.Thread(target=lambda: convex.run(pass_by))
        began = time.monotonic()
        waiting.start()
        monkeypatch.setattr(limit, "seconds", 1.0)
        wait_until(lambda: time.monotonic() - began > 1.1, "it has waited for longer than a transaction may be open")
    waiting.join()
    assert checked == []
