"""Every page opens by its address, is accessible, and shows texts as texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import Visit
from .demo_server import DemoServer

pytest.importorskip("playwright", reason="the package `playwright` is not installed")

from .hostile import MARK, TEXTS
from .pages import Place, places
from .visitor import NARROW, WIDE, Visitor

SIZES = [pytest.param(WIDE, id="1440"), pytest.param(NARROW, id="390")]
OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


def every_place(demo: DemoServer) -> list[Place]:
    return places(demo.url, demo.key)


def show(visitor: Visitor, place: Place) -> None:
    visitor.open(place.path)
    visitor.settle()
    if place.prepare is not None:
        place.prepare(visitor.page)


@pytest.mark.long
@pytest.mark.parametrize("size", SIZES)
def test_every_page_opens_by_its_address(visit: Visit, demo: DemoServer, size: tuple[int, int]) -> None:
    visitor = visit(size=size)
    for place in every_place(demo):
        show(visitor, place)
        assert visitor.page.evaluate(OVERFLOW) <= 0, f"{place.name} is wider than the window"
        visitor.check()


@pytest.mark.long
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_axe_finds_nothing(
    visit: Visit, demo: DemoServer, node_modules: Path, size: tuple[int, int], theme: str
) -> None:
    axe = (node_modules / "axe-core/axe.min.js").read_text("utf-8")
    visitor = visit(size=size, theme=theme)
    found = []
    for place in every_place(demo):
        show(visitor, place)
        visitor.page.evaluate(axe)
        result = visitor.page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")
        found += [described(place, each) for each in result["violations"]]
    assert not found, "\n".join(found)


def described(place: Place, violation: dict[str, Any]) -> str:
    nodes = [{"html": node["html"][:200], "why": node["failureSummary"][:300]} for node in violation["nodes"][:3]]
    return f"{place.name}: {violation['id']} ({len(violation['nodes'])}): {violation['help']} {json.dumps(nodes)}"


@pytest.mark.long
@pytest.mark.parametrize("size", SIZES)
def test_hostile_texts_are_shown_as_texts(visit: Visit, demo: DemoServer, size: tuple[int, int]) -> None:
    visitor = visit(size=size)
    shown = ""
    for place in [*every_place(demo), *hostile_places(demo)]:
        show(visitor, place)
        shown += visitor.page.locator("body").inner_text()
        assert visitor.page.evaluate(f"() => window.{MARK}") is None, place.name
        assert visitor.page.evaluate(OVERFLOW) <= 0, f"{place.name} is wider than the window"
    assert TEXTS[0] in shown
    assert TEXTS[1][:20] in shown


def hostile_places(demo: DemoServer) -> list[Place]:
    """Those whose own object has such a text: jobs, a group of errors, a row."""
    jobs = demo.call("query", "_system/jobs:search", {"filter": {"states": ["failed"]}})["jobs"]
    ids = [job["id"] for job in jobs if any(text in json.dumps(job, ensure_ascii=False) for text in TEXTS[:2])]
    assert ids
    users = Place("hostile rows", "data/users?sort=joined_at&descending=true")
    return [
        users,
        *(Place("hostile job", f"job/{each}") for each in ids[:4]),
        Place("hostile error", f"errors/{0:016x}"),
    ]
