"""What a visitor does with the dashboard of a running server, in Chromium, from the first look to the audit log."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest

from .conftest import Visit
from .demo_server import DemoServer

pytest.importorskip("playwright", reason="the package `playwright` is not installed")

from playwright.sync_api import Locator, Page, expect

from .shop_rows import SOLD_OUT
from .visitor import Visitor

CHANGING = re.compile(r"^(New job|Cancel\b|Retry|Run now|Run dry|Run \d|Pause|Resume|Save|Delete|Edit|Reschedule)")
"""What buttons say that change something."""


def test_a_job_from_a_form_is_watched_to_its_end(visit: Visit, demo: DemoServer) -> None:
    page = visit().open("schedules")
    name = f"kettle {uuid4().hex}"
    fill_new_job(page, "kettle:boil", name=name)
    page.get_by_role("button", name="Run as a job").click()
    page.get_by_role("status").get_by_role("link").first.click()
    shown = page.locator("main")
    expect(shown).to_contain_text("In progress")
    demo.call("mutation", "kettle:lift", {"name": name})
    expect(shown).to_contain_text("Success")


def test_one_server_shows_the_rest_of_it(visit: Visit, demo: DemoServer) -> None:
    """The smoke test of what the long tests below look at in full: one tab, one after the other."""
    visitor = visit()
    page = visitor.open("schedules?state=failed")
    expect(line_of(page, "orders:charge").first).to_contain_text("Failed")
    jobs = put_on(demo, 2)
    visitor.open("schedules")
    search(page, jobs.mark)
    expect(lines(page)).to_have_count(2)
    page.get_by_label("Select all shown").check()
    page.get_by_role("button", name="Cancel 2 jobs").click()
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    page.keyboard.press("z")
    expect(page.get_by_text("Undone")).to_be_visible()
    assert [state_of(demo, each) for each in jobs.ids] == ["pending", "pending"]
    for path in ("crons", "functions", "errors", "data", "logs", "live", "conflicts", "health", "audit"):
        visitor.open(path)
    visitor.settle()
    page.keyboard.press("Control+k")
    palette_of(page).fill(":stock:levels")
    page.get_by_role("option").filter(has_text="levels").first.click()
    expect(page).to_have_url(re.compile("/functions/stock(:|%3A)levels"))


@pytest.mark.long
def test_one_job_is_canceled_and_brought_back(visit: Visit, demo: DemoServer) -> None:
    page = visit().open("schedules")
    jobs = put_on(demo, 1)
    search(page, jobs.mark)
    expect(lines(page)).to_have_count(1)
    focus_first(page)
    page.keyboard.press("c")
    expect(lines(page)).to_contain_text("Canceled")
    assert state_of(demo, jobs.ids[0]) == "canceled"
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    page.keyboard.press("z")
    expect(page.get_by_text("Undone")).to_be_visible()
    expect(page.get_by_text("1 new")).to_be_visible()  # a line has the focus: what is new waits
    page.keyboard.press(".")
    expect(lines(page)).to_have_count(2)


@pytest.mark.long
def test_all_that_match_are_canceled_after_the_undo_has_passed(visit: Visit, demo: DemoServer) -> None:
    page = visit().open("schedules")
    jobs = put_on(demo, 5)
    search(page, jobs.mark)
    expect(lines(page)).to_have_count(5)
    focus_first(page)
    page.keyboard.press("x")
    page.get_by_role("button", name="Select all 5 that match").click()
    page.get_by_role("button", name="Cancel 5 jobs").click()
    expect(page.get_by_text(re.compile("5 jobs"))).to_be_visible()
    expect(lines(page).filter(has_text="Canceled")).to_have_count(5)
    assert {state_of(demo, each) for each in jobs.ids} == {"canceled"}
    assert "cancel" in {each["action"] for each in demo.call("query", "_system/audit:list")["entries"]}


@pytest.mark.long
def test_a_pending_job_is_run_now_and_rescheduled(visit: Visit, demo: DemoServer) -> None:
    page = visit().open("schedules")
    jobs = put_on(demo, 1)
    search(page, jobs.mark)
    expect(lines(page)).to_have_count(1)
    focus_first(page)
    page.keyboard.press("x")
    page.get_by_role("button", name="Reschedule…").click()
    page.get_by_role("button", name="in 1 day").click()
    page.get_by_role("button", name="Reschedule 1 job").click()
    expect(lines(page)).to_contain_text(re.compile("in 1 day|in 24 h|in 23 h"))
    focus_first(page)
    page.keyboard.press("r")
    expect(lines(page)).to_contain_text("In progress")
    demo.call("mutation", "kettle:lift", {"name": jobs.mark})
    expect(lines(page)).to_contain_text("Success")


@pytest.mark.long
def test_a_failed_job_is_retried(visit: Visit, demo: DemoServer) -> None:
    job = failed_job(demo, "orders:charge")
    page = visit().open(f"job/{job}")
    expect(page.locator("main")).to_contain_text("BankTimeout")
    page.get_by_role("button", name=re.compile("^Retry")).click()
    expect(page.locator("main")).not_to_contain_text(job[:8])
    newest = demo.call("query", "_system/jobs:list", {"name": "orders:charge", "limit": 1})[0]["id"]
    assert newest != job


@pytest.mark.long
def test_a_tree_leads_from_the_request_to_the_last_job(visit: Visit, demo: DemoServer) -> None:
    mails = demo.call("query", "_system/jobs:search", {"filter": {"states": ["success"], "functions": ["mail:send"]}})
    mail = next(job["id"] for job in mails["jobs"] if job["parentName"] == "orders:charge")
    page = visit().open(f"job/{mail}")
    shown = page.locator("main")
    expect(shown).to_contain_text("orders:charge")
    page.get_by_role("link", name=re.compile("charge")).first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("charge")
    expect(shown).to_contain_text("mail:send")


@pytest.mark.long
def test_a_cron_is_run_and_paused_until_it_is_resumed(visit: Visit, demo: DemoServer) -> None:
    name = "clean up sessions"
    page = visit().open(f"crons/{name.replace(' ', '%20')}")
    runs = page.locator("main")
    page.get_by_role("button", name=re.compile("^Run now")).click()
    expect(runs).to_contain_text(re.compile("by hand|just now|now|Success"))
    page.get_by_role("button", name=re.compile("^Pause")).first.click()
    page.get_by_label(re.compile("^Note")).fill("The supplier moves")
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.get_by_text("The supplier moves").first).to_be_visible()
    assert cron_of(demo, name)["pause"] is not None
    page.get_by_role("button", name="Resume").first.click()
    expect(page.get_by_role("button", name=re.compile("^Pause")).first).to_be_visible()
    assert cron_of(demo, name)["pause"] is None


@pytest.mark.long
def test_a_failed_mutation_is_run_dry(visit: Visit, demo: DemoServer) -> None:
    page = visit().open("functions/stock%3Atake")
    before = stock_of(demo)
    form = page.locator("main")
    form.get_by_label("item_id").fill(str(SOLD_OUT))
    form.get_by_label("quantity").fill("2")
    page.get_by_role("button", name=re.compile("^Run dry")).click()
    expect(form).to_contain_text(str(before - 2))
    expect(form).to_contain_text("items")
    assert stock_of(demo) == before
    form.get_by_label("quantity").fill("999")
    page.get_by_role("button", name=re.compile("^Run dry")).click()
    expect(form).to_contain_text("OutOfStock")


@pytest.mark.long
def test_a_query_stays_live_in_its_form(visit: Visit, demo: DemoServer) -> None:
    page = visit().open("functions/stock%3Alevels")
    watched = page.get_by_role("button", name=re.compile("^(Watch|Stop watching)"))
    if watched.inner_text().startswith("Watch"):
        watched.click()
    expect(page.locator("main")).to_contain_text("Assam")
    demo.call("mutation", "stock:fill", {"item_id": 1, "quantity": 7_000})
    now = next(each["stock"] for each in demo.call("query", "stock:levels") if each["name"] == "Assam")
    expect(page.locator("main")).to_contain_text(str(now))


@pytest.mark.long
def test_a_row_is_edited_with_a_diff_and_an_audit_row(visit: Visit, demo: DemoServer) -> None:
    page = visit().open("data/items")
    name = f"Keemun {uuid4().hex[:6]}"
    cell = page.get_by_role("gridcell").filter(has_text=re.compile("^Pu-erh|^Keemun")).first
    cell.dblclick()
    page.get_by_role("textbox", name="name", exact=True).fill(name)
    page.get_by_role("button", name=re.compile("^Save 1 change")).click()
    expect(page.locator("body")).not_to_contain_text("Save 1 change")
    expect(page.get_by_role("gridcell").filter(has_text=name)).to_be_visible()
    assert name in {each["name"] for each in demo.call("query", "stock:levels")}
    assert any("items" in each["target"] for each in demo.call("query", "_system/audit:list")["entries"])


@pytest.mark.long
def test_the_palette_finds_functions_jobs_tables_and_rows(visit: Visit, demo: DemoServer) -> None:
    visitor = visit()
    job = failed_job(demo, "stock:take")
    for typed, address in (
        (":orders:place", r"/functions/orders(:|%3A)place"),
        (f"#{job[:10]}", f"/job/{job}"),
        ("@items", r"/data/items"),
        ("@users ada", r"/data/users"),
        ("health", r"/health"),
    ):
        page = visitor.open("logs")
        page.keyboard.press("Control+k")
        palette_of(page).fill(typed)
        expect(page.get_by_role("option", selected=True)).to_contain_text(re.compile(typed[1:5], re.I))
        page.wait_for_timeout(300)
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile(address))


def test_without_a_key_nothing_is_seen(demo: DemoServer, browser: Any) -> None:
    visitor = Visitor(browser, demo.url)
    page = visitor.page
    page.goto(f"{demo.url}/dashboard/schedules?state=failed")
    expect(page.get_by_label("Admin key")).to_be_visible()
    page.get_by_label("Admin key").fill("cvx_000000000000_" + "0" * 40)
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("no such admin key")
    refused = httpx.post(f"{demo.url}/api/query", json={"path": "_system/jobs:list", "args": {}, "format": "json"})
    assert "value" not in refused.json()
    page.get_by_label("Admin key").fill(demo.key)
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{demo.url}/dashboard/schedules?state=failed")
    visitor.close()


@pytest.mark.long
def test_a_read_only_key_changes_nothing(visit: Visit, demo: DemoServer) -> None:
    visitor = visit(demo.read_only_key)
    job = failed_job(demo, "orders:charge")
    for path in ("schedules", f"job/{job}", "crons/daily%20report", "functions/stock%3Atake", "data/items", "errors"):
        page = visitor.open(path)
        visitor.settle()
        names = [each.inner_text() for each in page.get_by_role("button").filter(has_text=CHANGING).all()]
        assert names == [], path
    for path, args in (("_system/jobs:retry", {"job_id": job}), ("stock:fill", {"item_id": 1, "quantity": 1})):
        answer = httpx.post(
            f"{demo.url}/api/mutation",
            json={"path": path, "args": args, "format": "json"},
            headers={"Authorization": f"Convex {demo.read_only_key}"},
        )
        assert answer.status_code == 403 or answer.json()["status"] == "error", path


@pytest.mark.long
def test_a_session_ends_with_its_key(visit: Visit, demo: DemoServer) -> None:
    with key_of(demo) as (key, revoke):
        visitor = visit(key)
        page = visitor.open("schedules")
        revoke()
        expect(page.get_by_label("Admin key")).to_be_visible()
        visitor.problems.clear()  # of requests that were refused


class PutOn:
    """Jobs that wait for a month, and what is written in their arguments."""

    def __init__(self, mark: str, ids: list[str]) -> None:
        self.mark = mark
        self.ids = ids


def put_on(demo: DemoServer, number: int) -> PutOn:
    mark = f"kettle {uuid4().hex[:12]}"
    wanted = {"function": "kettle:boil", "args": {"name": mark}, "time": round((time.time() + 30 * 86_400) * 1000)}
    return PutOn(mark, [demo.call("mutation", "_system/jobs:schedule", wanted) for _ in range(number)])


def fill_new_job(page: Page, function: str, **values: str) -> None:
    page.get_by_role("button", name=re.compile("^New job")).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label(re.compile("^Function")).fill(function)
    for name, value in values.items():
        dialog.get_by_label(name, exact=True).fill(value)


def palette_of(page: Page) -> Locator:
    """Where one types in the palette."""
    return page.get_by_role("dialog").get_by_role("combobox")


def search(page: Page, text: str) -> None:
    """Filter the jobs by a text in their arguments."""
    page.keyboard.press("/")
    page.keyboard.type(text)
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")


def lines(page: Page) -> Locator:
    """The lines of the list, without its heads."""
    return page.locator(".list-line")


def line_of(page: Page, function: str) -> Locator:
    return lines(page).filter(has_text=function)


def focus_first(page: Page) -> None:
    lines(page).first.focus()


def state_of(demo: DemoServer, job: str) -> str:
    state: str = demo.call("query", "_system/jobs:get", {"job_id": job})["state"]["kind"]
    return state


def failed_job(demo: DemoServer, name: str) -> str:
    job: str = demo.call("query", "_system/jobs:list", {"name": name, "state": "failed", "limit": 1})[0]["id"]
    return job


def cron_of(demo: DemoServer, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in demo.call("query", "_system/crons:list") if each["name"] == name)
    return found


def stock_of(demo: DemoServer) -> int:
    levels = demo.call("query", "stock:levels")
    return next(int(each["stock"]) for each in levels if each["name"] == "Silver Needle")


@contextmanager
def key_of(demo: DemoServer) -> Iterator[tuple[str, Any]]:
    """A key that can be revoked."""
    from convexpy.database.admin_keys import new_key

    key = new_key()
    demo.call("mutation", "_system/keys:new", {"key_id": key.id, "digest": key.digest, "name": "short"})
    yield key.text, lambda: demo.call("mutation", "_system/keys:revoke", {"key_id": key.id})
