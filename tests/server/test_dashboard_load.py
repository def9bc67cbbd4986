"""What the dashboard may take of a server: threads, time limits and live queries of its own."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from app.models import Base
from support.apps import START
from support.dashboard import call, cookie_of, log_in, made_key
from support.http_client import HttpClient
from support.sockets import serving
from support.waiting import PATIENCE_SECONDS

from convexpy import MutationCtx, QueryCtx, mutation, query
from convexpy.live import group_thread
from convexpy.live.group_thread import LONGEST_REST, SHORTEST_REST, rest_after
from convexpy.runtime.admin import DASHBOARD_LIMIT, Admin
from convexpy.runtime.call_executor import DASHBOARD_THREADS
from convexpy.testing import ConvexTest

here = sys.modules[__name__]


@query
def thread_name(ctx: QueryCtx) -> str:
    return threading.current_thread().name


@mutation
def note_thread(ctx: MutationCtx) -> str:
    ctx.schedule.after(timedelta(hours=1), note_thread)
    return threading.current_thread().name


@pytest.fixture
def kit() -> Iterator[ConvexTest]:
    with ConvexTest(here, metadata=Base.metadata, now=START) as kit:
        yield kit


@pytest.fixture
def client(kit: ConvexTest) -> Iterator[HttpClient]:
    with HttpClient(kit.convex.asgi()) as client:
        log_in(client, made_key(kit))
        yield client


def own(name: str) -> str:
    return f"{here.__name__}:{name}"


def test_its_calls_run_on_threads_of_their_own(client: HttpClient, kit: ConvexTest) -> None:
    for kind, name in (("query", "thread_name"), ("mutation", "note_thread")):
        assert call(client, kind, own(name)).json()["value"].startswith("convexpy-dashboard")
        assert client.call(kind, own(name))["value"].startswith("convexpy-client")
    assert DASHBOARD_THREADS == 2


def test_queries_of_its_pages_have_a_time_limit_of_their_own(kit: ConvexTest) -> None:
    calls, limit_of = kit.convex.calls, kit.convex.calls.transactions._query_limit
    dashboard, api, whole = Admin("ops", is_dashboard=True), Admin("ops"), kit.convex.settings.query_time_limit
    limits = {
        (name, admin): limit_of(calls.bind_client(name, {}, None, admin=admin))
        for name in ("_system/jobs:list", own("thread_name"))
        for admin in (dashboard, api)
    }
    assert limits.pop(("_system/jobs:list", dashboard)) == DASHBOARD_LIMIT == timedelta(seconds=2)
    assert set(limits.values()) == {whole}


def test_what_its_pages_show_is_no_run_of_the_app(client: HttpClient, kit: ConvexTest) -> None:
    runs: list[str] = []
    kit.convex.on_run(lambda run: runs.append(run.name))
    call(client, "query", "_system/jobs:list")
    call(client, "query", own("thread_name"))
    assert runs == [own("thread_name")]


def test_its_live_queries_are_none_of_the_apps(client: HttpClient, kit: ConvexTest) -> None:
    with serving(kit.convex.asgi(), here) as sockets:
        socket = sockets.open("/dashboard/api/sync", cookie=cookie_of(client), host="shop.example")
        socket.connect()
        socket.modify(add={0: "thread_name", 1: "_system/live:list"})
        socket.receive_type("Transition")
        assert socket.values[1] == []
        assert kit.convex.live.groups() == []
        assert kit.convex.dashboard_live.groups()
        other = sockets.connect()
        other.modify(add={0: "thread_name"}, base=1)
        other.receive_type("Transition")
        assert kit.convex.live.groups()


def test_a_live_query_of_the_dashboard_sees_what_is_committed(client: HttpClient, kit: ConvexTest) -> None:
    with serving(kit.convex.asgi(), here) as sockets:
        socket = sockets.open("/dashboard/api/sync", cookie=cookie_of(client), host="shop.example")
        socket.connect()
        socket.modify(add={0: "_system/jobs:list"})
        socket.wait_for({0: []})
        socket.mutate(0, "note_thread")
        assert socket.receive_type("MutationResponse")["success"]
        socket.receive_type("Transition")
        assert [job["name"] for job in socket.values[0]] == [own("note_thread")]


def test_its_live_queries_rest_and_those_of_the_app_do_not(
    client: HttpClient, kit: ConvexTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_rested = threading.Event()

    def rest(seconds: float) -> float:
        has_rested.set()
        return 0.0

    monkeypatch.setattr(group_thread, "rest_after", rest)
    with kit.subscribe(thread_name) as updates:
        next(iter(updates))
        kit.run(note_thread)
    assert not has_rested.is_set()
    with serving(kit.convex.asgi(), here) as sockets:
        socket = sockets.open("/dashboard/api/sync", cookie=cookie_of(client), host="shop.example")
        socket.connect()
        socket.modify(add={0: "thread_name"})
        assert has_rested.wait(PATIENCE_SECONDS)


def test_its_live_queries_rest_for_three_quarters_of_the_time() -> None:
    assert rest_after(0.5) == 1.5
    assert (rest_after(0.0), rest_after(60.0)) == (SHORTEST_REST, LONGEST_REST)
