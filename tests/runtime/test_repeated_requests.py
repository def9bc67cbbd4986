"""A mutation that a client sends again under the same key has run once, and answers with its first result."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from app.models import Base, Note
from pydantic import BaseModel, Field
from sqlalchemy import func, select
from support.apps import START, app_of, code_of
from support.faults import PlannedErrors, a_conflict
from support.forks import fork
from support.waiting import PATIENCE_SECONDS

from convexpy import Convex, ConvexError, Identity, MutationCtx, internal_mutation, mutation
from convexpy.database.requests import MOST_RESULT_BYTES, RequestKey
from convexpy.database.statement import CompiledStatement
from convexpy.database.tables import requests
from convexpy.runtime.call import CallResult
from convexpy.testing import ConvexTest

KEY = RequestKey("a session", 7)
ANN = Identity("ann", "https://issuer.example", {"exp": 1})
planned = PlannedErrors()
ran: list[str] = []
on_run: list[Callable[[], object]] = []


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    planned.reset()
    ran.clear()
    on_run.clear()


class Entry(BaseModel):
    text: str
    time: datetime = Field(default_factory=lambda: datetime.now().astimezone())


@internal_mutation
def notify(ctx: MutationCtx) -> None: ...


@mutation
def write(ctx: MutationCtx, text: str, length: int = 1) -> list[str]:
    ran.append(text)
    for act in on_run:
        act()
    ctx.db.add(Note(text=text))
    ctx.schedule.after(timedelta(days=1), notify)
    planned.raise_next()
    return [text * length]


@mutation
def write_entry(ctx: MutationCtx, entry: Entry) -> datetime:
    ctx.db.add(Note(text=entry.text))
    return entry.time


@mutation
def do_nothing(ctx: MutationCtx) -> str:
    ran.append("nothing")
    return "done"


def send(
    convex: Convex, name: str, arguments: dict[str, Any], key: RequestKey | None = KEY, identity: Identity | None = None
) -> CallResult:
    """Call a mutation as a client does, with a key, and read its result."""
    call = convex.calls.bind_client(f"made:{name}", arguments, identity)
    result = convex.calls.execute(replace(call, request_key=key))
    return replace(result, value=json.loads(result.value))


@pytest.fixture
def app(database: str) -> Iterator[ConvexTest]:
    """The functions of this file, under test."""
    made = app_of(notify, write, write_entry, do_nothing)
    with ConvexTest(made, metadata=Base.metadata, database_url=database, now=START) as convex:
        yield convex


def texts(convex: ConvexTest) -> list[str]:
    with convex.db() as db:
        return list(db.scalars(select(Note.text).order_by(Note.text)))


def test_a_repeated_request_returns_the_first_result_and_does_nothing(app: ConvexTest) -> None:
    first, second = (send(app.convex, "write", {"text": "tea"}) for _ in range(2))
    assert (first.value, first.is_replay, len(first.scheduled)) == (["tea"], False, 1)
    assert (second.value, second.is_replay, len(second.scheduled)) == (["tea"], True, 0)
    assert (ran, texts(app), len(app.jobs())) == (["tea"], ["tea"], 1)


def test_other_numbers_and_other_sessions_are_other_requests(app: ConvexTest) -> None:
    keys = (KEY, RequestKey(KEY.session, 8), RequestKey("another session", 7), None, None)
    assert not any(send(app.convex, "do_nothing", {}, key).is_replay for key in keys)
    assert len(ran) == 5


@pytest.mark.parametrize(
    ("name", "arguments", "identity"),
    [
        pytest.param("write", {"text": "coffee"}, ANN, id="arguments"),
        pytest.param("do_nothing", {}, ANN, id="function"),
        pytest.param("write", {"text": "tea"}, None, id="no-identity"),
        pytest.param("write", {"text": "tea"}, Identity("bob", ANN.issuer), id="identity"),
        pytest.param("write", {"text": "tea"}, Identity(ANN.subject, "https://other.example"), id="issuer"),
    ],
)
def test_a_key_used_for_another_call_is_refused(
    app: ConvexTest, name: str, arguments: dict[str, Any], identity: Identity | None
) -> None:
    send(app.convex, "write", {"text": "tea"}, KEY, ANN)
    with pytest.raises(ConvexError, match="another one") as caught:
        send(app.convex, name, arguments, KEY, identity)
    assert (code_of(caught.value), caught.value.data, ran) == (("UNPROCESSABLE_CONTENT", 422), None, ["tea"])
    assert "tea" not in str(caught.value)


def test_a_renewed_token_has_other_claims_and_is_the_same_identity(app: ConvexTest) -> None:
    send(app.convex, "write", {"text": "tea"}, KEY, ANN)
    assert send(app.convex, "write", {"text": "tea"}, KEY, replace(ANN, claims={"exp": 2})).is_replay


def test_defaults_that_change_by_time_do_not_make_another_request(app: ConvexTest) -> None:
    first, second = (send(app.convex, "write_entry", {"entry": {"text": "tea"}}) for _ in range(2))
    assert (second.is_replay, second.value, texts(app)) == (True, first.value, ["tea"])


def test_a_result_that_is_too_long_is_not_kept_but_the_request_is(app: ConvexTest) -> None:
    longest = MOST_RESULT_BYTES - len('[""]')
    for _ in range(2):
        assert send(app.convex, "write", {"text": "a", "length": longest}, RequestKey("fits", 0)).value == [
            "a" * longest
        ]
    assert send(app.convex, "write", {"text": "b", "length": longest + 1}).value == ["b" * (longest + 1)]
    with pytest.raises(ConvexError, match="done, result not kept") as caught:
        send(app.convex, "write", {"text": "b", "length": longest + 1})
    assert (code_of(caught.value), ran) == (("CONFLICT", 409), ["a", "b"])


def test_a_request_that_failed_runs_again(app: ConvexTest) -> None:
    planned.reset(ConvexError("CONFLICT", "not now"))
    with pytest.raises(ConvexError, match="not now"):
        send(app.convex, "write", {"text": "tea"})
    assert not send(app.convex, "write", {"text": "tea"}).is_replay
    assert (ran, texts(app)) == (["tea", "tea"], ["tea"])


def test_a_request_whose_transaction_met_a_conflict_has_run_once(app: ConvexTest) -> None:
    planned.reset(a_conflict())
    assert not send(app.convex, "write", {"text": "tea"}).is_replay
    assert send(app.convex, "write", {"text": "tea"}).is_replay
    assert (len(ran), texts(app)) == (2, ["tea"])


def test_another_process_knows_the_request(app: ConvexTest, database: str) -> None:
    send(app.convex, "write", {"text": "tea"})
    with Convex(database, functions=app_of(notify, write), metadata=Base.metadata) as other:
        assert send(other, "write", {"text": "tea"}).value == ["tea"]
    assert ran == ["tea"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_request_whose_process_died_after_its_commit_is_known(app: ConvexTest, database: str) -> None:
    child = fork()
    if child == 0:
        with suppress(BaseException), Convex(database, functions=app_of(notify, write)) as own:
            own.database.commits.listen(lambda commit: os._exit(9))  # before anybody has the result
            send(own, "write", {"text": "tea"})
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    answer = send(app.convex, "write", {"text": "tea"})
    assert (answer.value, answer.is_replay, ran, texts(app)) == (["tea"], True, [], ["tea"])


def test_of_many_that_send_a_request_at_once_one_runs(app: ConvexTest) -> None:
    together = threading.Barrier(4)

    def send_together(n: int) -> CallResult:
        together.wait(PATIENCE_SECONDS)
        return send(app.convex, "write", {"text": "tea"})

    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(send_together, range(4)))
    assert [result.value for result in results] == [["tea"]] * 4
    assert sorted(result.is_replay for result in results) == [False, True, True, True]
    assert (ran, texts(app)) == (["tea"], ["tea"])


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_requests_that_overlap_do_not_conflict_with_each_other(app: ConvexTest) -> None:
    """Their rows are on one page of the index. A SELECT before the INSERT would let each depend on the next."""
    with ThreadPoolExecutor(3) as threads:

        def send_next() -> None:
            """Each begins within the one before it, and commits first."""
            if (number := len(ran)) < 3:
                threads.submit(send, app.convex, "write", {"text": f"tea {number}"}, RequestKey("s", number)).result()

        on_run.append(send_next)
        send_next()
    assert ran == ["tea 0", "tea 1", "tea 2"]


def test_a_replay_is_no_run(app: ConvexTest) -> None:
    runs: list[str] = []
    app.convex.on_run(lambda run: runs.append(run.name))
    for _ in range(2):
        call = replace(app.convex.calls.bind_client("made:do_nothing", {}, None), request_key=KEY)
        assert app.convex.calls.run(call) == b'"done"'
    assert (runs, ran) == (["made:do_nothing"], ["nothing"])


def test_requests_are_kept_for_24_hours_and_purged_in_batches(app: ConvexTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convexpy.dispatch.retention.BATCH", 2)
    for number in range(3):
        send(app.convex, "do_nothing", {}, RequestKey("s", number))
    retention, left = app.convex.worker.retention, []
    app.clock.move_to(START + timedelta(hours=24))
    retention.purge()
    assert send(app.convex, "do_nothing", {}, RequestKey("s", 0)).is_replay
    app.clock.move_to(START + timedelta(hours=24, seconds=1))
    for _ in range(2):
        retention.purge()
        with app.db() as db:
            left.append(db.scalar(select(func.count()).select_from(requests)))
    assert left == [1, 0]
    assert not send(app.convex, "do_nothing", {}, RequestKey("s", 0)).is_replay


def test_a_key_costs_two_statements_and_none_costs_nothing(app: ConvexTest, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    execute = CompiledStatement.execute

    def count(statement: CompiledStatement, *given: Any) -> Any:
        sent.append(statement.sql.split()[0])
        return execute(statement, *given)

    monkeypatch.setattr(CompiledStatement, "execute", count)
    for key in (None, KEY, KEY):
        send(app.convex, "do_nothing", {}, key)
        sent.append("|")
    assert "".join(f"{word} " for word in sent) == "| INSERT UPDATE | INSERT SELECT | "


@pytest.mark.parametrize(
    ("session", "number"), [("", 0), ("s" * 201, 0), ("nul\x00", 0), ("\ud800", 0), ("s", -1), ("s", 2**63)]
)
def test_a_key_that_no_database_could_store_is_refused(session: str, number: int) -> None:
    with pytest.raises(ConvexError, match="a request") as caught:
        RequestKey(session, number)
    assert caught.value.status == 400
