"""What the dashboard is served as: its pages, its files, what a browser may do with them, and where."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from app.models import Base
from hatchling.builders.wheel import WheelBuilder
from starlette.applications import Starlette
from starlette.routing import Mount
from support.apps import START
from support.dashboard import call, made_key
from support.http_client import HttpClient
from support.sockets import Closed, serving

from convexpy import QueryCtx, Settings, internal_query
from convexpy.server.dashboard import FILES, with_base
from convexpy.testing import ConvexTest

here = sys.modules[__name__]
PROJECT = Path(__file__).parents[2]
NEAR = "http://localhost:3210"
PAGES = ("", "schedules", "job/1f", "crons/daily%20report", "functions/a/b:c", "data/orders?sort=id")


@internal_query
def secret(ctx: QueryCtx) -> str:
    return "secret"


@pytest.fixture(scope="module")
def kit() -> Iterator[ConvexTest]:
    """Of a development server."""
    with ConvexTest(here, metadata=Base.metadata, settings=Settings(debug=True), now=START) as kit:
        yield kit


@pytest.fixture
def client(kit: ConvexTest) -> Iterator[HttpClient]:
    with HttpClient(kit.convex.asgi(), NEAR) as client:
        yield client


def test_every_page_is_the_index_with_addresses_from_the_root(client: HttpClient) -> None:
    for path in PAGES:
        answer = client.get(f"/dashboard/{path}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
        found = re.search(r'<head>\n<base href="(.*?)">', answer.text)
        assert found
        assert str(answer.url.join(found[1])) == f"{NEAR}/dashboard/"


def test_a_slash_that_is_a_part_of_a_name_is_none_of_the_address(client: HttpClient) -> None:
    assert '<base href="../">' in client.get("/dashboard/crons/a%2Fb").text


def test_without_a_slash_at_its_end_the_address_gets_one(client: HttpClient) -> None:
    answer = client.get("/dashboard")
    assert (answer.status_code, answer.headers["location"]) == (308, "dashboard/")


def test_files_have_types_of_their_own_and_validators(client: HttpClient) -> None:
    kinds = {".css": "text/css", ".js": "text/javascript", ".html": "text/html", ".svg": "image/svg+xml"}
    files = [path for path in FILES.rglob("*") if path.suffix in kinds]
    assert files
    for path in files:
        address = f"/dashboard/static/{path.relative_to(FILES).as_posix()}"
        answer = client.get(address)
        assert answer.status_code == 200
        assert answer.headers["content-type"].partition(";")[0] == kinds[path.suffix]
        assert answer.content == path.read_bytes()
        assert answer.headers["cache-control"] == "no-cache"
        again = client.get(address, headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        if len(answer.content) > 2000:
            assert answer.headers["content-encoding"] == "gzip"


def test_nothing_but_the_files_is_served(client: HttpClient) -> None:
    for path in (
        "missing.js",
        "",
        "../../settings.py",
        "..%2f..%2fsettings.py",
        "%2e%2e/%2e%2e/settings.py",
        "/etc/passwd",
    ):
        answer = client.get(f"/dashboard/static/{path}")
        assert answer.status_code == 404 or b"base href" in answer.content
        assert b"class Settings" not in answer.content


def test_every_answer_says_what_a_browser_may_do_with_it(client: HttpClient) -> None:
    for path in ("", "login", "session", "static/login.css", "api/missing", "static/missing"):
        headers = client.get(f"/dashboard/{path}").headers
        parts = [part.strip().partition(" ") for part in headers["content-security-policy"].split(";")]
        policy = {name: value for name, _, value in parts}
        assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
        assert {policy[name] for name in ("script-src", "style-src", "connect-src", "img-src", "form-action")} == {
            "'self'"
        }
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"


def test_what_is_shown_is_not_kept_by_browsers(client: HttpClient) -> None:
    for path in ("", "session", "login"):
        assert client.get(f"/dashboard/{path}").headers["cache-control"] == "no-store"
    assert call(client, "query", "_system/jobs:list").headers["cache-control"] == "no-store"


def test_pages_keep_the_policy_themselves() -> None:
    with_code = re.compile(r"<script(?![^>]*\bsrc=)|\bstyle\s*=|\bon[a-z]+\s*=|javascript:|https?://", re.IGNORECASE)
    for path in FILES.rglob("*.html"):
        assert with_code.search(path.read_text("utf-8")) is None, path


def test_the_base_is_the_first_thing_in_the_head() -> None:
    assert with_base('<head><link href="a"></head>', "./").index("<base") < 10


def test_without_a_dashboard_all_of_it_is_not_found(kit: ConvexTest) -> None:
    with ConvexTest(here, settings=Settings(dashboard=False, debug=True), now=START) as kit:
        app = kit.convex.asgi()
        with HttpClient(app, NEAR) as client:
            for path in ("", "/", "/login", "/session", "/static/login.css", "/api/query", "/jobs/1"):
                assert client.get(f"/dashboard{path}").status_code == 404
            assert client.post("/dashboard/login", data={"key": made_key(kit).text}).status_code == 404
            assert call(client, "query", "_system/jobs:list").status_code == 404
        with serving(app, here) as sockets, pytest.raises(Closed):
            sockets.open("/dashboard/api/sync", host="localhost:3210")


def test_below_a_prefix_everything_works(kit: ConvexTest) -> None:
    with ConvexTest(here, now=START) as kit:
        app = Starlette(routes=[Mount("/convex", kit.convex.asgi())])
        with HttpClient(app) as client:
            key = made_key(kit)
            answer = client.get("/convex/dashboard/job/1")
            assert str(answer.url.join(answer.headers["location"])) == (
                "http://shop.example/convex/dashboard/login?next=job%2F1"
            )
            answer = client.post("/convex/dashboard/login?next=job%2F1", data={"key": key.text})
            assert str(answer.url.join(answer.headers["location"])) == "http://shop.example/convex/dashboard/job/1"
            assert "path=/convex/dashboard/" in answer.headers["set-cookie"].lower()
            assert '<base href="../">' in client.get("/convex/dashboard/job/1").text
            assert client.get("/convex/dashboard/session").json()["name"] == "ops"
            cookie = f"convexpy_dashboard={client.cookies['convexpy_dashboard']}"
        with serving(app, here) as sockets:
            socket = sockets.open("/convex/dashboard/api/sync", cookie=cookie, host="shop.example")
            socket.connect()
            socket.modify(add={0: "secret"})
            socket.wait_for({0: "secret"})


def packaged() -> set[str]:
    """The files that a wheel has to have."""
    return {path.relative_to(PROJECT).as_posix() for path in FILES.rglob("*") if path.is_file()}


def test_the_files_belong_to_the_wheel() -> None:
    included = {file.distribution_path for file in WheelBuilder(str(PROJECT)).recurse_included_files()}
    assert "convexpy/dashboard/static/index.html" in packaged()
    assert packaged() <= included


@pytest.mark.long
def test_the_wheel_has_the_files(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=PROJECT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    assert packaged() <= set(zipfile.ZipFile(wheel).namelist())
