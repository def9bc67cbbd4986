"""``/metrics``: what is counted, who may read it, and that the app goes without the package that counts."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from app.models import Base
from prometheus_client.parser import text_string_to_metric_families
from support.apps import START, app_of
from support.dashboard import made_key
from support.http_client import HttpClient
from support.sockets import serving

from convexpy import ActionCtx, MutationCtx, QueryCtx, Settings, mutation, query
from convexpy.database.conflicts import ConflictRecord
from convexpy.runtime import metrics
from convexpy.testing import ConvexTest
from convexpy.web import Request, Response, http_route

here = sys.modules[__name__]
Series = dict[tuple[str, ...], float]


@query
def look(ctx: QueryCtx) -> int:
    return 1


@mutation
def place(ctx: MutationCtx) -> None:
    ctx.schedule.after(timedelta(minutes=1), look_away)


@mutation
def look_away(ctx: MutationCtx) -> None:
    raise ValueError


@pytest.fixture
def kit() -> Iterator[ConvexTest]:
    with ConvexTest(here, metadata=Base.metadata, settings=Settings(metrics="open"), now=START) as kit:
        yield kit


def own(name: str) -> str:
    return f"{here.__name__}:{name}"


def series(client: HttpClient, name: str) -> Series:
    """The values of a metric by its labels, in the order of their names."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    samples = [each for family in text_string_to_metric_families(answer.text) for each in family.samples]
    return {
        tuple(value for _, value in sorted(each.labels.items())): each.value for each in samples if each.name == name
    }


def test_runs_are_counted_by_function_and_outcome(kit: ConvexTest) -> None:
    with HttpClient(kit.convex.asgi()) as client:
        for _ in range(3):
            client.call("query", own("look"))
        kit.run(place)
        kit.finish_all_scheduled()
        assert series(client, "convexpy_runs_total") == {
            (own("look"), "query", "success"): 3,
            (own("place"), "mutation", "success"): 1,
            (own("look_away"), "mutation", "failed"): 1,
        }
        assert series(client, "convexpy_run_seconds_count")[own("look"),] == 3
        assert series(client, "convexpy_run_seconds_sum")[own("look"),] > 0


def test_the_queue_is_told_with_its_lag(kit: ConvexTest) -> None:
    with HttpClient(kit.convex.asgi()) as client:
        kit.run(place)
        kit.run(place)
        assert series(client, "convexpy_jobs_pending") == {("mutation",): 2, ("action",): 0}
        assert series(client, "convexpy_jobs_lag_seconds")["mutation",] == 0
        kit.clock.move_to(kit.now + timedelta(minutes=3))
        assert series(client, "convexpy_jobs_lag_seconds") == {("mutation",): 120, ("action",): 0}
        kit.finish_all_scheduled()
        assert series(client, "convexpy_jobs_pending")["mutation",] == 0


def test_conflicts_and_sockets_are_counted(kit: ConvexTest) -> None:
    app = kit.convex.asgi()
    counted = kit.convex.metrics
    assert counted is not None
    counted.on_conflict(ConflictRecord(own("place"), None, "orders", 2, kit.now))
    with HttpClient(app) as client:
        assert series(client, "convexpy_conflicts_total") == {(own("place"), "orders"): 2}
        with serving(app, here) as sockets:
            sockets.connect()
            sockets.connect()
            assert series(client, "convexpy_sockets") == {(): 2}
        assert series(client, "convexpy_sockets") == {(): 0}


def test_it_takes_an_admin_key() -> None:
    with ConvexTest(here, now=START) as kit, HttpClient(kit.convex.asgi()) as client:
        assert client.get("/metrics").status_code == 401
        assert client.get("/metrics", headers={"authorization": "Bearer cvx_x"}).status_code == 403
        key = made_key(kit, read_only=True)
        for scheme in ("Bearer", "bearer", "Convex"):
            assert client.get("/metrics", headers={"authorization": f"{scheme} {key.text}"}).status_code == 200


def test_in_development_it_is_open_on_this_machine() -> None:
    with ConvexTest(here, settings=Settings(debug=True), now=START) as kit:
        app = kit.convex.asgi()
        with HttpClient(app, "http://localhost:3210") as client:
            assert client.get("/metrics").status_code == 200
        with HttpClient(app, "http://localhost:3210", peer="192.168.1.9") as client:
            assert client.get("/metrics").status_code == 401


def test_its_format_is_that_of_the_reader(kit: ConvexTest) -> None:
    with HttpClient(kit.convex.asgi()) as client:
        answer = client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
        assert answer.headers["content-type"].startswith("application/openmetrics-text")
        assert answer.text.endswith("# EOF\n")
        assert client.get("/metrics").headers["content-type"].startswith("text/plain")


def test_without_the_package_there_is_none(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(metrics, "PACKAGE", "no_such_package")
    with ConvexTest(here, settings=Settings(metrics="open"), now=START) as kit:
        assert kit.convex.metrics is None
        with HttpClient(kit.convex.asgi()) as client, caplog.at_level(logging.WARNING):
            assert [client.get("/metrics").status_code for _ in range(2)] == [404, 404]
    assert [record.message.count("convexpy[metrics]") for record in caplog.records] == [1]


def test_a_route_of_the_apps_own_comes_first() -> None:
    @http_route("GET", "/metrics")
    async def metrics(ctx: ActionCtx, request: Request) -> Response:
        return Response("own")

    with ConvexTest(app_of(metrics), now=START) as kit, HttpClient(kit.convex.asgi()) as client:
        assert client.get("/metrics").text == "own"


COUNTING = """
from datetime import UTC, datetime
from prometheus_client import generate_latest
from convexpy.database.conflicts import ConflictRecord
from convexpy.runtime.metrics import Metrics
counted = Metrics()
counted.on_conflict(ConflictRecord("f", None, "t", 2, datetime.now(UTC)))
counted.sockets.inc()
print(generate_latest(counted.registry()).decode())
"""


def test_processes_that_share_a_folder_count_together(tmp_path: Path) -> None:
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    run = [sys.executable, "-c", COUNTING]
    for process in (1, 2):
        text = subprocess.run(run, env=environment, check=True, capture_output=True, text=True).stdout
        assert f'convexpy_conflicts_total{{function="f",table="t"}} {2.0 * process}' in text
        assert "convexpy_sockets 1.0" in text  # those of a process that has ended are closed


def test_the_processes_of_a_server_share_a_folder_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(metrics.FOLDER, raising=False)
    with metrics.shared_by_children():
        folder = Path(os.environ[metrics.FOLDER])
        assert folder.is_dir()
    assert not folder.exists()
    assert metrics.FOLDER not in os.environ
    monkeypatch.setenv(metrics.FOLDER, "a-folder-of-the-users")
    with metrics.shared_by_children():
        assert os.environ[metrics.FOLDER] == "a-folder-of-the-users"
