"""A mutation that is sent again with its ``Idempotency-Key`` has happened once, and answers as the first time."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from app.models import Note
from sqlalchemy import func, select
from support.http_client import HttpClient, served

from convexpy import ConvexError, JobId, MutationCtx, internal_mutation, mutation

ME = "test_repeated_mutations"


@internal_mutation
def notify(ctx: MutationCtx) -> None: ...


@mutation
def place(ctx: MutationCtx, text: str) -> tuple[int, JobId]:
    if text == "nothing":
        raise ConvexError("NOT_FOUND", "there is no such item")
    ctx.db.add(Note(text=text))
    ctx.db.flush()
    return ctx.db.scalar(select(func.count()).select_from(Note)) or 0, ctx.schedule.after(60_000, notify)


def send(client: HttpClient, text: str, key: str = "a key") -> Any:
    body = {"path": f"{ME}:place", "args": {"text": text}}
    return client.post("/api/mutation", json=body, headers={"idempotency-key": key}).json()


def test_a_repeated_mutation_answers_as_it_did_before_a_restart(database: str, tmp_path: Path) -> None:
    module = sys.modules[__name__]
    with served(module, tmp_path, database=database) as (_, client):
        first = send(client, "tea")
    with served(module, tmp_path, database=database) as (convex, client):
        assert send(client, "tea") == first
        assert send(client, "coffee", "another key")["value"][0] == 2
        jobs = convex.call("_system/jobs:list", {})
    assert len(jobs) == 2


def test_a_mutation_that_is_sent_many_times_at_once_happens_once(database: str, tmp_path: Path) -> None:
    with served(sys.modules[__name__], tmp_path, database=database) as (convex, _):
        app = convex.asgi()

        def send_once(number: int) -> Any:
            with HttpClient(app) as client:
                return send(client, "tea")

        with ThreadPoolExecutor(4) as threads:
            answers = list(threads.map(send_once, range(4)))
    assert answers == [answers[0]] * 4
    assert answers[0]["value"][0] == 1


def test_a_mutation_that_failed_is_tried_again_under_its_key(database: str, tmp_path: Path) -> None:
    with served(sys.modules[__name__], tmp_path, database=database) as (_, client):
        assert [send(client, "nothing")["status"] for _ in range(2)] == ["error", "error"]
        assert send(client, "tea")["status"] == "success"  # nothing was kept of the failures, not even what they asked
