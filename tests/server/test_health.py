"""``/ready``: why a server cannot serve, without its secrets."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest
from support.http_client import HttpClient
from support.waiting import PATIENCE_SECONDS, wait_until

from convexpy import Convex, QueryCtx, query
from convexpy.dispatch import periodic_thread
from convexpy.live import group_thread
from convexpy.server.asgi import create_app
from convexpy.server.authenticator import Authenticator
from convexpy.server.backend import Backend

ME = sys.modules[__name__]


@query
def greet(ctx: QueryCtx) -> str:
    return "hello"


def client_of(convex: Convex, revisions: Path | None = None) -> HttpClient:
    auth = Authenticator.of(convex.calls)
    backend = Backend(convex.calls, convex.live, convex.database, convex.settings, convex.clock, auth)
    return HttpClient(create_app(backend, revisions=revisions))


def test_a_database_without_tables_is_not_ready(tmp_path: Path) -> None:
    with Convex(f"sqlite:///{tmp_path}/secret-name.db", functions=ME) as convex, client_of(convex) as client:
        answer = client.get("/ready")
        assert (answer.status_code, answer.json()["ready"]) == (503, False)
        assert "convexpy db upgrade" in answer.json()["reasons"][0]
        assert "secret-name" not in answer.text
        assert client.get("/health").status_code == 200
        convex.migrate()
        assert client.get("/ready").status_code == 200


def test_a_database_that_lacks_revisions_is_not_ready(tmp_path: Path) -> None:
    revisions = tmp_path / "migrations"
    revisions.mkdir()
    (revisions / "r1.py").write_text('"""one"""\nrevision = "r1"\ndown_revision = None\n')
    with Convex(f"sqlite:///{tmp_path}/x.db", functions=ME) as convex:
        convex.migrate()
        with client_of(convex, revisions) as client:
            answer = client.get("/ready")
            assert answer.status_code == 503
            assert answer.json()["reasons"] == ["1 revision has not been applied: run `convexpy db upgrade`"]


def test_a_database_that_is_gone_is_not_ready(tmp_path: Path) -> None:
    with Convex(f"sqlite:///{tmp_path}/x.db", functions=ME) as convex:
        convex.migrate()
        with client_of(convex) as client:
            assert client.get("/ready").status_code == 200
            (tmp_path / "x.db").rename(tmp_path / "moved.db")
            answer = client.get("/ready")
            assert (answer.status_code, answer.json()["reasons"]) == (503, ["the database does not answer"])


@query
def slow(ctx: QueryCtx) -> str:
    may_end.wait(PATIENCE_SECONDS)
    return "done"


may_end = threading.Event()


def test_live_queries_that_stand_still_are_not_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    may_end.clear()
    with Convex(f"sqlite:///{tmp_path}/x.db", functions=ME) as convex:
        convex.migrate()
        with HttpClient(convex.asgi()) as client, convex.subscribe(slow) as updates:
            assert client.get("/ready").json() == {"ready": True, "reasons": []}
            monkeypatch.setattr(group_thread, "STUCK_SECONDS", -convex.settings.query_time_limit.total_seconds())
            wait_until(lambda: client.get("/ready").status_code == 503, "the server is not ready")
            assert client.get("/ready").json()["reasons"] == ["live queries stand still"]
            may_end.set()
            assert updates.get(PATIENCE_SECONDS) == "done"
            wait_until(lambda: client.get("/ready").status_code == 200, "the server is ready again")


def test_a_worker_that_stands_still_is_not_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    may_end.clear()

    def hang() -> float:
        may_end.wait(PATIENCE_SECONDS)
        return PATIENCE_SECONDS

    with Convex(f"sqlite:///{tmp_path}/x.db", functions=ME) as convex:
        convex.migrate()
        monkeypatch.setattr(convex.worker.dispatcher, "tick", hang)
        with convex.running(), HttpClient(convex.asgi()) as client:
            assert client.get("/ready").json() == {"ready": True, "reasons": []}
            monkeypatch.setattr(periodic_thread, "STUCK_SECONDS", 0.0)
            wait_until(lambda: client.get("/ready").status_code == 503, "the server is not ready")
            assert client.get("/ready").json()["reasons"] == ["the worker stands still"]
            may_end.set()
