"""Who may use the dashboard: a rule of its access is a test."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from dashboard_app import SOCKET, Served, attributes, client, divide, divide_later, kit, name_of, served
from support.dashboard import OWN, call, cookie_of, log_in, made_key
from support.http_client import HttpClient
from support.sockets import Closed

from convexpy import Settings
from convexpy._system import audit, keys
from convexpy.server.throttle import FREE_TRIES
from convexpy.testing import ConvexTest

__all__ = ["client", "kit", "served"]  # fixtures

NEAR = "http://localhost:3210"
DEVELOPMENT = Settings(debug=True)


def test_without_a_key_there_is_nothing_but_the_page_that_asks_for_one(client: HttpClient) -> None:
    for path, goal in (
        ("", "login"),
        ("job/a%2Fb?x=1", "../login?next=job%2Fa%252Fb%3Fx%3D1"),
        ("errors", "login?next=errors"),
    ):
        answer = client.get(f"/dashboard/{path}")
        assert (answer.status_code, answer.headers["location"]) == (303, goal)
    page = client.get("/dashboard/login")
    assert page.status_code == 200
    assert "<script" not in page.text
    assert client.get("/dashboard/session").status_code == 401
    for kind in ("query", "mutation", "action", "function"):
        assert call(client, kind, "_system/jobs:list").status_code == 401


def test_a_wrong_key_begins_no_session(client: HttpClient, kit: ConvexTest) -> None:
    answer = client.post("/dashboard/login", data={"key": "cvx_<b>"})
    assert answer.status_code == 403
    assert "there is no such admin key" in answer.text.lower()
    assert "cvx_<b>" not in answer.text
    assert not client.cookies
    for form in (b"", b"&" * 4000, b"key=%ff%00", "key=ä".encode()):
        assert client.post("/dashboard/login", content=form).status_code == 403
    assert client.post("/dashboard/login", content=b"x" * 10_000).status_code == 413


def test_a_key_begins_a_session(client: HttpClient, kit: ConvexTest) -> None:
    answer = log_in(client, made_key(kit))
    assert (answer.status_code, answer.headers["location"]) == (303, "./")
    assert client.get("/dashboard/session").json() == {"name": "ops", "readOnly": False, "needsKey": True}
    assert call(client, "query", name_of("secret")).json()["value"] == "secret"
    assert call(client, "mutation", name_of("save"), {"text": "a"}).json()["value"] == "a"
    assert call(client, "action", name_of("act")).json()["value"] == "acted"
    assert call(client, "function", "_system/jobs:list").json()["status"] == "success"
    assert client.get("/dashboard/login").status_code == 303


def test_the_cookie_is_for_the_dashboard_only(client: HttpClient, kit: ConvexTest) -> None:
    cookie = log_in(client, made_key(kit)).headers["set-cookie"]
    parts = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert parts == {"httponly", "samesite=strict", "path=/dashboard/", "max-age=43200"}
    header = {"cookie": cookie_of(client), **OWN}
    for path in ("query", "mutation", "action"):
        answer = client.post(f"/api/{path}", json={"path": name_of("secret"), "args": {}}, headers=header).json()
        assert "Could not find public function" in answer["errorMessage"]
    assert client.post("/api/function", json={"path": "_system/jobs:list"}, headers=header).status_code == 403


def test_the_cookie_is_secure_where_the_page_is(served: Served, kit: ConvexTest) -> None:
    key, app = made_key(kit), kit.convex.asgi()
    https = served.client(app, "https://shop.example")
    assert "secure" in log_in(https, key).headers["set-cookie"].lower()
    behind_a_proxy = served.client(app)
    answer = log_in(behind_a_proxy, key, headers={"origin": "https://shop.example"})
    assert "secure" in answer.headers["set-cookie"].lower()


def test_a_session_ends_with_its_key_at_once(client: HttpClient, kit: ConvexTest) -> None:
    key, other = made_key(kit), made_key(kit, "other")
    log_in(client, key)
    kit.run(keys.revoke, key_id=other.id)
    assert client.get("/dashboard/session").status_code == 200
    kit.run(keys.revoke, key_id=key.id)
    assert client.get("/dashboard/session").status_code == 401
    assert call(client, "query", "_system/jobs:list").status_code == 401
    kit.run(keys.new, key_id=key.id, digest=other.digest)  # the id alone is not the key
    assert client.get("/dashboard/session").status_code == 401


def test_a_session_ends_after_twelve_hours(client: HttpClient, kit: ConvexTest) -> None:
    log_in(client, made_key(kit))
    kit.advance(timedelta(hours=11.9))
    assert client.get("/dashboard/session").status_code == 200
    kit.advance(timedelta(hours=0.2))
    assert client.get("/dashboard/session").status_code == 401


def test_a_changed_cookie_is_no_session(served: Served, client: HttpClient, kit: ConvexTest) -> None:
    log_in(client, made_key(kit))
    key_id, expires, signature = client.cookies["convexpy_dashboard"].split(".")
    other = served.client(kit.convex.asgi())
    read_only = made_key(kit, read_only=True)
    wrong = (
        f"{key_id}.{int(expires) + 1}.{signature}",
        f"{read_only.id}.{expires}.{signature}",
        f"{key_id}.{expires}.",
        f"{key_id}.{'9' * 13}.{signature}",
        f"{key_id}.{'9' * 15}.{signature}",
        "x",
    )
    for value in wrong:
        assert other.get("/dashboard/session", headers={"cookie": f"convexpy_dashboard={value}"}).status_code == 401


def test_logging_out_forgets_the_session(client: HttpClient, kit: ConvexTest) -> None:
    log_in(client, made_key(kit))
    assert client.get("/dashboard/logout").status_code != 303  # by a link it would be anybody's
    assert client.get("/dashboard/session").status_code == 200
    answer = client.post("/dashboard/logout")
    assert (answer.status_code, answer.headers["location"]) == (303, "login")
    assert client.get("/dashboard/session").status_code == 401


def test_wrong_keys_are_throttled_as_over_the_api(client: HttpClient, kit: ConvexTest) -> None:
    key = made_key(kit)
    wrong = f"cvx_{key.id}_{'0' * 40}"
    for _ in range(FREE_TRIES):
        assert client.post("/dashboard/login", data={"key": wrong}).status_code == 403
    assert client.post("/dashboard/login", data={"key": wrong}).status_code == 429
    answer = client.post("/api/function", json={"path": "x"}, headers={"authorization": f"Convex {wrong}"})
    assert answer.status_code == 429


def test_after_the_login_one_is_where_one_wanted_to_be(client: HttpClient, kit: ConvexTest) -> None:
    key = made_key(kit)
    goals = {
        "job/a%2Fb?x=1": "./job/a%2Fb?x=1",
        "/convex/dashboard/job/1?x=ä": "/convex/dashboard/job/1?x=%C3%A4",
        "//evil.example/": "./",
        "/\\evil.example": "./",
        "\\\\evil.example": "./",
        "https://evil.example/": "./https://evil.example/",
        "javascript:alert(1)": "./javascript:alert(1)",
        "a\r\nx: y": "./a%0D%0Ax:%20y",
    }
    for goal, location in goals.items():
        answer = log_in(client, key, params={"next": goal})
        assert answer.headers["location"] == location
        client.cookies.clear()
    assert 'action="login?next=%22%3E%3Cb%3E"' in client.get("/dashboard/login", params={"next": '"><b>'}).text


def test_a_link_of_another_page_finds_the_session(client: HttpClient, kit: ConvexTest) -> None:
    answer = client.get("/dashboard/errors", headers={"sec-fetch-site": "cross-site"})  # as a browser: no cookie
    assert (answer.status_code, 'http-equiv="refresh"' in answer.text) == (200, True)


# Other pages.


def test_only_the_dashboards_own_pages_may_post(client: HttpClient, kit: ConvexTest) -> None:
    key = made_key(kit)
    log_in(client, key)
    foreign: list[dict[str, str]] = [
        {"origin": "https://evil.example"},
        {"origin": "http://shop.example:8080"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ]
    for headers in foreign:
        assert call(client, "mutation", name_of("save"), headers=headers).status_code == 403
        assert client.get("/dashboard/session", headers=headers).status_code == 403
        assert client.post("/dashboard/logout", headers=headers).status_code == 403
        assert log_in(client, key, headers=headers).status_code == 403
    own = {"origin": "http://shop.example", "sec-fetch-site": "same-origin"}
    assert call(client, "mutation", name_of("save"), headers=own).status_code == 200
    without = client.post("/dashboard/api/mutation", json={"path": name_of("save"), "args": {}}, headers=own)
    assert (without.status_code, without.json()["code"]) == (403, "OriginNotAllowed")


def test_pages_that_the_settings_list_are_other_pages_too(served: Served) -> None:
    kit = served.app(Settings(cors=("https://shop.example",)))
    client = served.client(kit.convex.asgi(), "https://api.example")
    log_in(client, made_key(kit))
    assert call(client, "query", name_of("me"), headers={"origin": "https://shop.example"}).status_code == 403


def test_a_socket_of_another_page_is_refused_with_a_session(
    served: Served, kit: ConvexTest, client: HttpClient
) -> None:
    log_in(client, made_key(kit))
    sockets = served.sockets(kit.convex.asgi())
    cookie = {"cookie": cookie_of(client), "host": "shop.example"}
    for foreign in (
        {"origin": "https://evil.example"},
        {"origin": "http://shop.example:81"},
        {"sec-fetch-site": "same-site"},
    ):
        with pytest.raises(Closed):
            sockets.open(SOCKET, **cookie, **foreign)
    sockets.open(SOCKET, **cookie, origin="http://shop.example")


# Development.


def test_development_on_this_machine_needs_no_key(served: Served) -> None:
    kit = served.app(DEVELOPMENT)
    app = kit.convex.asgi()
    for address in (NEAR, "http://127.0.0.1:3210", "http://[::1]:3210"):
        client = served.client(app, address)
        assert client.get("/dashboard/session").json() == {"name": "dev", "readOnly": False, "needsKey": False}
        assert call(client, "query", name_of("secret")).json()["value"] == "secret"


def test_development_from_elsewhere_needs_a_key(served: Served) -> None:
    kit = served.app(Settings(debug=True, host="0.0.0.0"))
    app = kit.convex.asgi()
    assert served.client(app, "http://192.168.1.5:3210", "192.168.1.9").get("/dashboard/session").status_code == 401
    assert served.client(app, NEAR, "192.168.1.9").get("/dashboard/session").status_code == 401
    assert served.client(app, "http://192.168.1.5:3210").get("/dashboard/session").status_code == 401
    tunnel = {"x-forwarded-for": "203.0.113.7"}
    assert served.client(app, NEAR).get("/dashboard/session", headers=tunnel).status_code == 401


def test_production_on_this_machine_needs_a_key(served: Served, kit: ConvexTest) -> None:
    assert served.client(kit.convex.asgi(), NEAR).get("/dashboard/session").status_code == 401


def test_development_refuses_a_foreign_host_of_the_dashboard(served: Served) -> None:
    kit = served.app(DEVELOPMENT)
    client = served.client(kit.convex.asgi(), "http://evil.example:3210")
    for path in ("", "login", "session", "static/login.css"):
        assert client.get(f"/dashboard/{path}").status_code == 403
    assert call(client, "mutation", name_of("save")).status_code == 403


def test_another_page_of_this_machine_is_refused_in_development(served: Served) -> None:
    kit = served.app(DEVELOPMENT)
    client = served.client(kit.convex.asgi(), NEAR)
    other = {"origin": "http://localhost:5173"}
    assert call(client, "mutation", name_of("save"), headers=other).status_code == 403
    with pytest.raises(Closed):
        served.sockets(kit.convex.asgi()).open(SOCKET, host="localhost:3210", **other)


def test_a_user_is_acted_as_over_http(client: HttpClient, kit: ConvexTest) -> None:
    log_in(client, made_key(kit))
    acting = {"x-convexpy-acting-as": attributes({"subject": "ada"})}
    assert call(client, "query", name_of("me"), headers=acting).json()["value"] == "ada"
    assert call(client, "query", name_of("me")).json()["value"] is None
    assert call(client, "query", name_of("me"), headers={"x-convexpy-acting-as": "?"}).status_code == 401


# What is left behind.


def test_a_change_is_in_the_audit_log_with_the_name_of_the_key(client: HttpClient, kit: ConvexTest) -> None:
    for name in ("ops", ""):
        key = made_key(kit, name)
        log_in(client, key)
        call(client, "mutation", "_system/keys:revoke", {"key_id": made_key(kit, "old").id})
        newest = kit.run(audit.list, limit=1).entries[0]
        assert (newest.actor, newest.action) == (name or key.id, "revoke")


def test_an_admin_sees_errors_in_full(served: Served, client: HttpClient, kit: ConvexTest) -> None:
    kit.convex.calls.redacts_errors = True  # as in production
    with pytest.raises(ZeroDivisionError):
        kit.run(divide)
    body = {"path": name_of("divide"), "args": {}}
    assert "division" not in client.post("/api/mutation", json=body).json()["errorMessage"]
    log_in(client, made_key(kit, read_only=True))
    kit.run(divide_later)
    kit.run_due()
    assert "division by zero" in call(client, "query", "_system/jobs:list").json()["value"][0]["state"]["error"]
    log_in(client, made_key(kit))
    answer = call(client, "mutation", name_of("divide")).json()
    assert "Uncaught ZeroDivisionError: division by zero\nTraceback" in answer["errorMessage"]


def test_names_are_those_of_the_app(served: Served) -> None:
    kit = served.app(Settings(names="camel"))
    client = served.client(kit.convex.asgi())
    log_in(client, made_key(kit))
    answer = call(client, "query", name_of("describe"), {"order_id": "o1"}).json()
    assert answer["value"] == {"order_id": "o1"}
    assert call(client, "query", "_system/jobs:get", {"job_id": "0" * 32}).json()["value"] is None


def test_no_log_has_a_key_or_an_argument(client: HttpClient, kit: ConvexTest, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    key = made_key(kit)
    log_in(client, key)
    client.post("/dashboard/login", data={"key": f"cvx_{key.id}_{'0' * 40}"})
    call(client, "mutation", name_of("save"), {"text": "a-value"})
    texts = "\n".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records if "convexpy" in record.name)
    assert texts
    for private in (key.text, "0" * 40, client.cookies["convexpy_dashboard"], "a-value"):
        assert private not in texts
